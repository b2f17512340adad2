"""The one way to facts: from memory while they are fresh, else from Clever, else from memory, marked stale.

Whether stale data may answer is decided by `Roster._may_answer_stale`, by the rules of RFC 9111 section 4.2.4 and of
`stale-if-error` in RFC 5861.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from app.domain.calendar import SHOWN_STATES, Calendar, shown_state
from app.domain.errors import CleverError, NotCached, QuestionError
from app.domain.facts import Facts, Role
from app.domain.ids import DistrictId, IdShape, SchoolId, SectionId, UserId
from app.domain.places import Place, Section
from app.domain.read_context import ReadContext, Urgency
from app.domain.scopes import Scope
from app.domain.serialization import PackedFacts, is_confirmed, packed
from app.domain.snapshot import Snapshot
from app.roster.district import Alike, District
from app.roster.freshness import Freshness, Required
from app.roster.ports import Clever, Clock, Shared
from app.roster.single_flight import REFUSALS, Fetchable, Fetches
from app.roster.store import NOTHING_PREFETCHED, RENEWED_FROM, Key, Prefetched, Store
from app.telemetry import metrics, tracing

Said = TypeVar("Said")

RENEWAL_SECONDS = 15
"""How long a renewal, for which nobody waits, may take."""

_PAUSE_AFTER_RENEWAL = 1 / 30
"""How much of the fresh time passes before a renewal is tried again."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long requests may take, in seconds.

    Attributes:
        alone: for one user.
        many: for a batch or a search.
        slow: for one user of whom an older snapshot could answer.
    """

    alone: float = 6
    many: float = 60
    slow: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """What is known of Clever's people and places, and how recent it is.

    A question has a synchronous half, ``cached_…``, which answers from what is fresh in memory or says that it cannot,
    and an asynchronous half, which raises:

    - ``UserUnknown``, ``RecordUnknown``: Clever has no such record; whatever was cached of it is dropped;
    - ``NotCached``: only the cache may answer, or nobody may wait, and there is no snapshot that will do;
    - ``CleverError``: a fetch was needed and failed, and no older snapshot may answer.

    Attributes:
        clever: who is asked.
        store: what Clever said last.
        fetches: those in progress.
        id_shape: the shape of ids.
        stale_seconds: how old a snapshot may be that answers while Clever cannot be read.
        deadlines: how long requests may take.
        shared: snapshots of users that other processes have read; None without such a store.
        confirm_schools: whether a user's facts are of no use where Clever's own list of their schools is missing.
        with_terms: whether a district's calendar is of no use without its terms.
        prefetched: what the request has read by lists, which comes before what was cached earlier.
    """

    clever: Clever
    store: Store
    fetches: Fetches
    id_shape: IdShape
    stale_seconds: int
    deadlines: Deadlines = Deadlines()
    shared: Shared[PackedFacts] | None = None
    confirm_schools: bool = False
    with_terms: bool = False
    prefetched: Prefetched = NOTHING_PREFETCHED

    @property
    def clock(self) -> Clock:
        """By which snapshots age."""
        return self.store.clock

    @property
    def fresh_seconds(self) -> int:
        """How long a snapshot answers without being renewed."""
        return self.store.fresh_seconds

    def age_of(self, snapshot: Snapshot[Any], *others: Snapshot[Any]) -> int:
        """Return the age of an answer from these snapshots, in whole seconds: that of the oldest."""
        began = min([snapshot.began, *[other.began for other in others]]) if others else snapshot.began
        return int(self.store.clock() - began)

    def cached_user(self, district: str, user: str, freshness: Freshness) -> Snapshot[PackedFacts] | None:
        """Return the facts of a user if they are fresh in memory, else None; the arguments may be any text."""
        if self.prefetched.snapshots:
            return None
        held = self._cached("user", district, user, freshness)
        return held if held is not None and self.suffices(held.facts) else None

    async def user(self, district: DistrictId, user: UserId, freshness: Freshness) -> Snapshot[PackedFacts]:
        """Return the facts of a user."""
        key = Key("user", district, user)
        found = self._prefetched(key, freshness)
        if found is not None:
            return found
        held = self._cached("user", district, user, freshness)
        if held is not None and self.suffices(held.facts):
            metrics.record_cache_lookup("users", "hit")
            return held
        return await self._fresh(self._fetchable_user(key), freshness)

    def cached_place(self, kind: str, district: str, place: str, freshness: Freshness) -> Snapshot[Any] | None:
        """Return a section or a school if it is fresh in memory, else None; the arguments may be any text."""
        return None if self.prefetched.snapshots else self._cached(kind, district, place, freshness)

    async def section(self, district: DistrictId, section: SectionId, freshness: Freshness) -> Snapshot[Section]:
        """Return a section."""
        return await self._place(
            Key("section", district, section),
            lambda read_context: self.clever.section(section, district, read_context),
            freshness,
        )

    async def school(self, district: DistrictId, school: SchoolId, freshness: Freshness) -> Snapshot[SchoolId]:
        """Return a school."""
        return await self._place(
            Key("school", district, school),
            lambda read_context: self.clever.school(school, district, read_context),
            freshness,
        )

    def user_without_sections(self, district: str, user: str, freshness: Freshness) -> Snapshot[Facts] | None:
        """Return a user's facts without sections if a list gave them; None if not, or if full facts are known."""
        key = Key("user", DistrictId(district), user)
        if key in self.prefetched.snapshots or self.store.find(*key) is not None:
            return None
        found = self.prefetched.records.get(key)
        if found is None:
            record = self.store.find("record", district, user)
            found = record if record is not None and self._required(freshness).is_met_by(record.began) else None
        return None if found is None or self.store.is_outdated(key, found) else found

    async def schools(self, district: DistrictId, freshness: Freshness) -> Snapshot[Sequence[SchoolId]]:
        """Return the ids of all schools of a district."""
        return await self._list(
            Key("schools", district), lambda read_context: self.clever.schools(district, read_context), freshness
        )

    async def sections(
        self, district: DistrictId, place: Place, freshness: Freshness, *, pages: int | None = None
    ) -> Snapshot[Sequence[Section]]:
        """Return all sections of a school or of the district; raises ``CleverError`` if it has more ``pages``."""
        return await self._list(
            Key("sections", district, "/".join(place)),
            lambda read_context: self.clever.sections(place, district, read_context, most_pages=pages),
            freshness,
            pages,
        )

    async def people(
        self, district: DistrictId, place: Place, role: Role | None, freshness: Freshness, *, pages: int | None = None
    ) -> Snapshot[Sequence[Facts]]:
        """Return whoever stands in a place, perhaps only those who hold a role; their facts may lack sections."""
        return await self._list(
            Key("people", district, "/".join((*place, role or "any"))),
            lambda read_context: self.clever.people(place, district, role, read_context, most_pages=pages),
            freshness,
            pages,
        )

    def loaded(self, district: DistrictId, freshness: Freshness) -> District | None:
        """Return the district if it is loaded as a whole and as recent as the request asks."""
        loaded = self.store.district(district)
        return loaded if loaded is not None and self._required(freshness).is_met_by(loaded.as_of.began) else None

    async def user_ids(
        self, district: DistrictId, place: Place, role: Role | None, freshness: Freshness
    ) -> Snapshot[Sequence[UserId]]:
        """Return the ids of those whom ``people`` returns, and of a loaded district without their facts."""
        loaded = self.loaded(district, freshness)
        if loaded is not None and loaded.lists(role):
            return Snapshot(loaded.people(place, role), *loaded.as_of)
        people = await self.people(district, place, role, freshness)
        return people.of([person.user for person in people.facts])

    async def section_ids(
        self, district: DistrictId, place: Place, freshness: Freshness
    ) -> Snapshot[Sequence[SectionId]]:
        """Return the ids of the sections that ``sections`` returns."""
        loaded = self.loaded(district, freshness)
        if loaded is not None:
            return Snapshot(loaded.sections(place), *loaded.as_of)
        sections = await self.sections(district, place, freshness)
        return sections.of([section.id for section in sections.facts])

    def cached_alike(
        self, district: DistrictId, place: Place, roles: tuple[Role, ...], freshness: Freshness
    ) -> Sequence[Alike] | None:
        """Return whom ``alike`` would, where the district is loaded with everybody in these roles."""
        loaded = self.loaded(district, freshness)
        if loaded is None or not all(map(loaded.lists, roles)):
            return None
        return loaded.alike(place, roles)

    async def alike(
        self, district: DistrictId, place: Place, roles: tuple[Role, ...], freshness: Freshness
    ) -> Snapshot[Sequence[Alike]]:
        """Return who stands in a place in one of these roles, those together whom no decision there can tell apart."""
        loaded, alike = self.loaded(district, freshness), self.cached_alike(district, place, roles, freshness)
        if loaded is not None and alike is not None:
            return Snapshot(alike, *loaded.as_of)
        admins = Role.DISTRICT_ADMIN if place[0] is Scope.DISTRICT else None
        people = await self.people(district, place, admins, freshness)
        if loaded is None:
            return people.of([Alike(person, (person.user,)) for person in people.facts])
        # An event may have changed since the list was read who is loaded; of the others nothing newer is known.
        found = [*loaded.alike(place, tuple(filter(loaded.lists, roles)))]
        found += [Alike(person, (person.user,)) for person in people.facts if not loaded.holds(person.held())]
        began, at = min(people.began, loaded.as_of.began), min(people.at, loaded.as_of.at)
        return Snapshot(found, began, at, stale=people.stale)

    def cached_calendar(self, district: str, freshness: Freshness) -> Snapshot[Calendar] | None:
        """Return the calendar of a district, if it is fresh in memory."""
        held = self.prefetched.calendars.get(district) or self._cached("calendar", district, "", freshness)
        return held if isinstance(held, Snapshot) and self._has_terms(held.facts) else None

    async def calendar(self, district: DistrictId, freshness: Freshness) -> Snapshot[Calendar]:
        """Return the calendar of a connected district; one that cannot be read is an error or stale, never none."""
        found = self.prefetched.calendars.get(district)
        if isinstance(found, CleverError):
            raise found
        if found is not None:
            return found

        def read(read_context: ReadContext) -> Awaitable[Calendar]:
            return self.clever.calendar(district, read_context, with_terms=self.with_terms)

        return await self._fresh(Fetchable(Key("calendar", district), read, self._has_terms), freshness)

    def states(self) -> Mapping[str, int]:
        """Return how many connected districts are in each of the ``SHOWN_STATES``, by what was last read of them."""
        states, now = dict.fromkeys(SHOWN_STATES, 0), self.store.wall()
        for district in self.clever.known_districts() or ():
            held = self.store.find("calendar", district, "")
            states[shown_state(None if held is None else held.facts, now)] += 1
        return states

    def _has_terms(self, calendar: Calendar) -> bool:
        return calendar.terms is not None or not self.with_terms

    def is_cold(self, key: Key, freshness: Freshness) -> bool:
        """Tell whether what ``key`` names would have to be fetched."""
        required, held = self._required(freshness), self.store.find(*key)
        if held is not None and required.is_met_by(held.began):
            return key.kind == "user" and not self.suffices(held.facts)
        gone = self.store.found_gone(key)
        return gone is None or not required.is_met_by(gone.began)

    async def find_elsewhere(self, district: DistrictId, user: UserId) -> None:
        """Take over the facts of a user from another process, if one has read them."""
        await self.fetches.find_elsewhere(self._fetchable_user(Key("user", district, user)))

    def suffices(self, facts: PackedFacts) -> bool:
        """Tell whether facts are enough; those read while unconfirmed schools were kept may lack what is needed now."""
        return is_confirmed(facts) or not self.confirm_schools

    def _fetchable_user(self, key: Key) -> Fetchable[PackedFacts]:
        async def read(read_context: ReadContext) -> PackedFacts:
            user, district = UserId(key.which), key.district
            facts = await self.clever.facts(user, district, read_context, confirm_schools=self.confirm_schools)
            return packed(facts)

        return Fetchable(key, read, self.suffices, self.shared)

    async def _place(
        self, key: Key, read: Callable[[ReadContext], Awaitable[Said]], freshness: Freshness
    ) -> Snapshot[Said]:
        return self._prefetched(key, freshness) or await self._fresh(Fetchable(key, read), freshness)

    async def _list(
        self,
        key: Key,
        read: Callable[[ReadContext], Awaitable[Said]],
        freshness: Freshness,
        pages: int | None = None,
    ) -> Snapshot[Said]:
        wanted = Fetchable(key, read)
        # One that was read before is not too long, and may answer where Clever does not.
        if pages is None or self.store.find(*key) is not None or not self.is_cold(key, freshness):
            return await self._fresh(wanted, freshness)
        # Under a key of its own: others must not join a fetch that gives up after so many pages.
        short = replace(wanted, key=key._replace(which=f"{key.which}/{pages}"))
        snapshot = await self._fresh(short, freshness)
        self.store.drop(short.key)
        if snapshot.stale is None:
            self.store.put(key, snapshot)
        return snapshot

    def _prefetched(self, key: Key, freshness: Freshness) -> Snapshot[Any] | None:
        return self.prefetched.find(key, may_wait=not freshness.without_waiting)

    def _cached(self, kind: str, district: str, which: str, freshness: Freshness) -> Snapshot[Any] | None:
        """Return what is fresh in memory and not yet due for renewal; the caller counts the lookup."""
        if freshness.max_age is not None or freshness.no_cache:
            return None
        store = self.store
        held = store.find(kind, district, which)
        if held is None:
            return None
        now = store.clock()
        return held if now < held.renew_at and now - held.began <= store.fresh_seconds else None

    def _required(self, freshness: Freshness) -> Required:
        return Required.by(freshness, self.store.clock(), self.store.fresh_seconds)

    async def _fresh(self, wanted: Fetchable[Said], freshness: Freshness) -> Snapshot[Said]:
        """Return a snapshot as recent as the request asks, or one marked stale if that cannot be had in time."""
        with tracing.tracer().internal_span("cache") as span:
            kind = wanted.key.kind

            def count(outcome: str) -> None:
                # Every answer looks at the calendar as well: it would count twice.
                if kind != "calendar":
                    metrics.record_cache_lookup("users" if kind == "user" else "places", outcome)
                span.set_attribute("outcome", outcome)

            return await self._counted(wanted, freshness, count)

    async def _counted(
        self, wanted: Fetchable[Said], freshness: Freshness, count: Callable[[str], None]
    ) -> Snapshot[Said]:
        """Do what ``_fresh`` does, and ``count`` what the cache had: ``hit``, ``stale``, ``miss`` or ``gone``."""
        required, held = self._required(freshness), self._held(wanted)
        if held is not None and required.is_met_by(held.began):
            self._renew(wanted, held, freshness)
            count("hit")
            return held
        gone = self.store.found_gone(wanted.key)
        if gone is not None and required.is_met_by(gone.began):
            count("gone")
            error: type[QuestionError] = gone.facts
            raise error
        older = held if held is not None and self._may_answer_stale(wanted, held, freshness, required) else None
        if older and freshness.max_stale is not None and required.oldest - older.began <= freshness.max_stale:
            count("stale")
            return older.aged("accepted")
        if freshness.only_if_cached or freshness.without_waiting:
            raise NotCached
        read_context = freshness.read_context(held=older is not None)
        circuit_open = self.clever.circuit_open(wanted.key.district)
        if circuit_open is not None and older is not None:
            count("stale")
            return older.aged(circuit_open.outcome)
        if older is None:
            count("miss")
            if circuit_open is not None and wanted.shared is None:
                raise circuit_open
            return await self._cold(wanted, read_context, freshness, required)
        snapshot = await self._unless_slow(wanted, read_context, older, required)
        count("stale" if snapshot.stale else "miss")
        return snapshot

    def _held(self, wanted: Fetchable[Said]) -> Snapshot[Said] | None:
        held = self.store.find(*wanted.key)
        return held if held is not None and wanted.suffices(held.facts) else None

    def _may_answer_stale(
        self, wanted: Fetchable[Said], held: Snapshot[Said], freshness: Freshness, required: Required
    ) -> bool:
        """Whether an older snapshot may answer, marked stale, if Clever cannot be read."""
        oldest = required.now - self.stale_seconds
        if freshness.max_age is not None:
            # Whoever says how old an answer may be gets no older one, but for the seconds of `max-stale`.
            oldest = max(oldest, required.asked - freshness.max_age - (freshness.max_stale or 0))
        # A token that Clever refuses is an answer, too: what a district no longer shares is not shown for much longer.
        return not freshness.no_cache and held.began >= oldest and self.store.allows_stale(wanted.key)

    def _renew(self, wanted: Fetchable[Said], held: Snapshot[Said], freshness: Freshness) -> None:
        """Renew a snapshot in the background, if it is due."""
        now, fresh_seconds = self.store.clock(), self.store.fresh_seconds
        if now < held.renew_at or freshness.only_if_cached or self.fetches.is_fetching(wanted.key):
            return
        held.renew_at = now + fresh_seconds * _PAUSE_AFTER_RENEWAL
        until = asyncio.get_running_loop().time() + RENEWAL_SECONDS
        due = now - fresh_seconds * RENEWED_FROM
        read_context = ReadContext(freshness.caller.digest, Urgency.RENEWAL, until)
        self.fetches.start(wanted, read_context, lambda began: began > due)

    async def _fetched(self, wanted: Fetchable[Said], read_context: ReadContext, required: Required) -> Snapshot[Said]:
        return await self.fetches.join_or_fetch(wanted, read_context, required.is_met_by_fetch, anew=required.anew)

    async def _cold(
        self, wanted: Fetchable[Said], read_context: ReadContext, freshness: Freshness, required: Required
    ) -> Snapshot[Said]:
        """Fetch, or fall back on an older snapshot of another process."""
        try:
            return await self._fetched(wanted, read_context, required)
        except REFUSALS:
            raise
        except CleverError as error:
            older = self._held(wanted)
            if older is None or not self._may_answer_stale(wanted, older, freshness, required):
                raise
            return older.aged(error.outcome)

    async def _unless_slow(
        self, wanted: Fetchable[Said], read_context: ReadContext, older: Snapshot[Said], required: Required
    ) -> Snapshot[Said]:
        """Fetch, or fall back on the older snapshot if that fails or is slow; the fetch goes on for later requests.

        Raises:
            UserUnknown, RecordUnknown: Clever has no such record.
            CleverError: Clever refuses the token, or refused it meanwhile; then the older snapshot may not answer.
        """
        try:
            async with asyncio.timeout(self.deadlines.slow):
                return await self._fetched(wanted, read_context, required)
        except REFUSALS:
            raise
        except CleverError as error:
            if not self.store.allows_stale(wanted.key):
                raise
            return older.aged(error.outcome)
        except TimeoutError:
            if self.store.allows_stale(wanted.key):
                return older.aged("slow")
        return await self._fetched(wanted, read_context, required)
