"""What Clever said last: snapshots in memory, what it said does not exist, and what it refused to say."""

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any, NamedTuple, TypeVar

from app.domain.calendar import Calendar
from app.domain.errors import CleverError, CleverRefusedToken, QuestionError
from app.domain.facts import Facts
from app.domain.ids import DistrictId, UserId
from app.domain.serialization import PackedFacts, packed, unpacked
from app.domain.snapshot import Snapshot
from app.roster.district import District
from app.roster.loaded import said_by
from app.roster.ports import Cache, Clock

Said = TypeVar("Said")

RENEWED_FROM, _RENEWED_UNTIL = 2 / 3, 0.95
"""Between which parts of the fresh time a snapshot becomes due for renewal, spread at random."""

_PEOPLE = "people"
_LISTED = frozenset({_PEOPLE, "record"})
"""Kinds of snapshots that hold people as lists have them."""


class Key(NamedTuple):
    """What a snapshot is of.

    Attributes:
        kind: ``user``, ``section``, ``school``; ``record`` for a user without their sections; ``people``, ``sections``
            or ``schools`` for a list; ``calendar`` for that of the district.
        district: whose it is.
        which: what tells it from others of that kind in the district, such as its id.
    """

    kind: str
    district: DistrictId
    which: str = ""

    @property
    def text(self) -> str:
        """What it is cached under; users also in Redis."""
        return f"{self.district}/{self.which}" if self.kind == "user" else "/".join(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The one place where snapshots in memory are looked up and put.

    Attributes:
        users: snapshots of users, each complete.
        places: snapshots of sections and schools, and of lists of what is in them.
        gone: what Clever has lately said does not exist, as the error to raise.
        outdated: per key, the fetch before which no snapshot is true any more, wherever it may come from.
        clock: by it snapshots age.
        wall: Unix seconds, to say since when a stale answer has been true.
        fresh_seconds: how long a snapshot answers without being renewed.
        jitter: spreads renewals, from 0 up to 1.
    """

    users: Cache
    places: Cache
    gone: Cache
    outdated: Cache
    clock: Clock
    wall: Clock
    fresh_seconds: int
    jitter: Callable[[], float] = random.random
    _districts: dict[str, District] = field(default_factory=dict)
    # The facts that a loaded district gave last: whoever asked for them is about to look into them.
    _given_last: list[tuple[PackedFacts, Facts]] = field(default_factory=list)
    # When the last fetch began that Clever refused, by district and, if only this kind is forbidden, by kind.
    _refused: dict[tuple[DistrictId, str | None], float] = field(default_factory=dict)
    # When the last fetch began that succeeded, by the same.
    _answered: dict[tuple[DistrictId, str | None], float] = field(default_factory=dict)

    def sizes(self) -> dict[str, int]:
        """Return how many snapshots each cache holds."""
        return {"users": len(self.users), "places": len(self.places)}

    def find(self, kind: str, district: str, which: str) -> Snapshot[Any] | None:
        """Return the snapshot of what a ``Key`` of these parts names, however old it is; None if there is none.

        Of a loaded district it comes from there, unless something newer was read alone.
        """
        held = (
            self.users.get(f"{district}/{which}") if kind == "user" else self.places.get(f"{kind}/{district}/{which}")
        )
        loaded = self._districts.get(district)
        if loaded is None:
            return held
        if held is not None and held.load == loaded.number and (kind == "user" or held.facts is loaded.calendar()):
            # Whatever changes it drops it, so that it is as recent as all that is loaded.
            held.began, held.at = loaded.as_of
            return held
        return self._newest(loaded, Key(kind, loaded.id, which), held)

    def facts_in(self, packed_facts: PackedFacts) -> Facts:
        """Return the facts of a snapshot of a user, without unpacking them if a loaded district has just given them."""
        for given, facts in self._given_last:
            if given is packed_facts:
                return facts
        return unpacked(packed_facts)

    def put_district(self, district: District) -> None:
        """Answer from a loaded district from now on, in place of an earlier load of it."""
        self._districts[district.id] = district
        # By its id: a district that referred to itself would stay in memory until the garbage collector finds it.
        district.on_change = partial(self._drop_users, district.id)

    def drop_district(self, district: DistrictId) -> None:
        """Answer no longer from a loaded district, and keep nothing of it."""
        self._districts.pop(district, None)
        self._given_last.clear()

    def district(self, district: str) -> District | None:
        """Return a loaded district, however old; None if it is not loaded."""
        return self._districts.get(district)

    def districts(self) -> int:
        """Return how many districts are loaded."""
        return len(self._districts)

    def largest_lag(self) -> float:
        """Return how old what is known is, of the loaded district for which it is oldest; 0 if none is loaded."""
        now = self.clock()
        return max((now - loaded.as_of.began for loaded in self._districts.values()), default=0.0)

    def put(self, key: Key, snapshot: Snapshot[Any]) -> None:
        """Keep a snapshot, unless a newer one is there or it is known to be outdated."""
        if not self.is_outdated(key, snapshot):
            self._cache(key).put(key.text, snapshot)

    def loaded_record(self, key: Key) -> tuple[int, Any] | None:
        """Return which load holds a user, and what it says of them; None if none does."""
        loaded = self._districts.get(key.district) if key.kind == "user" else None
        said = None if loaded is None else said_by(loaded, key.kind, key.which)
        return None if loaded is None or said is None else (loaded.number, said)

    def compare(self, key: Key, read: Snapshot[Any], before: tuple[int, Any] | None) -> None:
        """Have a user who was read alone answered by that for as long as the load that holds them says something else.

        An event may come late: until then the older record must not bring back what was lost.

        Args:
            key: who was read.
            read: their facts, or the error that says that they are gone.
            before: what ``loaded_record`` returned when the reading began; where it says something else by now, an
                event has told something newer.
        """
        held = self.loaded_record(key)
        if held is None or held != before:
            return
        loaded, said = self._districts[key.district], held[1]
        if read.facts == (packed(said) if isinstance(said, Facts) else said):
            loaded.read_since.pop(key.which, None)
        else:
            loaded.read_since[key.which] = read.began
            self.users.forget(key.text)

    def drop(self, key: Key) -> None:
        """Keep no snapshot of this."""
        self._cache(key).forget(key.text)

    def drop_user(self, key: str, at: float) -> None:
        """Drop what was said ``at`` Unix seconds or before: another process found that the user is gone."""
        at = min(at, self.wall())
        newer: Snapshot[None] = Snapshot(None, self.clock() - (self.wall() - at), at)
        self.users.forget(key, newer.began)
        # What was fetched from Redis before, and arrives only now, is no longer true either.
        self.outdated.put(key, newer)

    def dated(self, said: Said, began: float, at: float) -> Snapshot[Said]:
        """Return a snapshot of what was said to a fetch that ``began`` by the clock, ``at`` Unix seconds."""
        # Without the jitter all that is fetched in the morning's first minute would be renewed in one minute, for ever.
        renewed_from = RENEWED_FROM + self.jitter() * (_RENEWED_UNTIL - RENEWED_FROM)
        return Snapshot(said, began, at, began + self.fresh_seconds * renewed_from)

    def is_outdated(self, key: Key, snapshot: Snapshot[Any]) -> bool:
        """Tell whether a later fetch found that what a snapshot says is no longer true."""
        keys = (key, Key(_PEOPLE, key.district)) if key.kind in _LISTED else (key,)
        found = (self.outdated.get(each.text) for each in keys)
        return any(newer is not None and snapshot.began < newer.began for newer in found)

    def found_gone(self, key: Key) -> Snapshot[type[QuestionError]] | None:
        """Return when Clever has lately said that there is no such thing, and the error to raise; else None."""
        gone, loaded = self.gone.get(key.text), self._districts.get(key.district)
        if loaded is None or (gone is not None and gone.began > loaded.as_of.began) or _is_read_since(loaded, key):
            return gone
        said = said_by(loaded, key.kind, key.which)
        if said is None:
            return gone
        return Snapshot(said, *loaded.as_of) if isinstance(said, type) else None

    def gone_since(self, key: Key, began: float) -> type[QuestionError] | None:
        """Return the error if a fetch after ``began`` found no such thing; otherwise forget that there was none."""
        self.gone.forget(key.text, began)
        gone = self.gone.get(key.text)
        return None if gone is None else gone.facts

    def put_gone(self, key: Key, gone: Snapshot[type[QuestionError]]) -> None:
        """Note that Clever said that there is no such thing; whatever is cached of it is dropped."""
        self._cache(key).forget(key.text, gone.began)
        self.gone.put(key.text, gone)
        self.outdated.put(key.text, gone)

    def put_listed(self, key: Key, said: Said, listed: Snapshot[Any]) -> Snapshot[Said] | type[QuestionError]:
        """Keep one entry of a list as if it had been fetched alone; return it, or the error if it is gone since."""
        snapshot = self.dated(said, listed.began, listed.at)
        if listed.stale is not None:
            return snapshot.aged(listed.stale)
        gone = self.gone_since(key, listed.began)
        if gone is not None:
            return gone
        self.put(key, snapshot)
        return snapshot

    def allows_stale(self, key: Key) -> bool:
        """Tell whether an older snapshot may answer: not if Clever refused when it was last asked."""
        return not any(map(self._is_refused, _refusals_of(key)))

    def note_answer(self, key: Key, began: float) -> None:
        """Note that a fetch succeeded: what was refused before is no longer."""
        for refusal in _refusals_of(key):
            self._answered[refusal] = max(began, self._answered.get(refusal, began))
            if self._refused.get(refusal, inf) <= began:
                del self._refused[refusal]

    def note_refusal(self, district: DistrictId, kind: str | None, began: float) -> None:
        """Note that Clever refused a fetch, whatever it was of or because it was of this kind."""
        refusal = district, kind
        if began >= max(self._answered.get(refusal, began), self._refused.get(refusal, began)):
            self._refused[refusal] = began

    def _is_refused(self, refusal: tuple[DistrictId, str | None]) -> bool:
        began, (district, kind) = self._refused.get(refusal), refusal
        loaded = self._districts.get(district)
        # Whoever follows a district has its token accepted, too.
        return began is not None and (kind is not None or loaded is None or loaded.as_of.began <= began)

    def _newest(self, loaded: District, key: Key, held: Snapshot[Any] | None) -> Snapshot[Any] | None:
        """Return what a loaded district says, or what was read alone if that is newer or the district does not know."""
        as_of = loaded.as_of
        alone = held if held is not None and held.load is None else None
        if alone is not None and alone.began > as_of.began:
            return alone
        if _is_read_since(loaded, key):
            return alone if alone is not None and alone.began >= loaded.read_since[key.which] else None
        said = said_by(loaded, key.kind, key.which)
        if said is None:
            return None if alone is not None and self.is_outdated(key, alone) else alone
        if isinstance(said, Facts):
            facts, said = said, packed(said)
            self._given_last[:] = [(said, facts)]
        snapshot = Snapshot(said, *as_of, load=loaded.number)
        if isinstance(said, type) or self.is_outdated(key, snapshot):
            return None
        if key.kind in {"user", "calendar"}:
            if held is not None and held.facts == said:
                snapshot.rendered = held.rendered
            self._cache(key).put(key.text, snapshot)
        return snapshot

    def _drop_users(self, district: DistrictId, users: Collection[UserId]) -> None:
        now: Snapshot[None] = Snapshot(None, self.clock(), self.wall())
        loaded = self._districts[district]
        for user in users:
            key = Key("user", district, user)
            self.users.forget(key.text)
            loaded.read_since.pop(user, None)
            if said_by(loaded, key.kind, user) is None:
                # Of whoever is not loaded, other processes and fetches in progress may have what was true before,
                # and so may every list in which they stand.
                self.outdated.put(key.text, now)
                self.outdated.put(Key(_PEOPLE, district).text, now)
                self.gone.forget(key.text)

    def _cache(self, key: Key) -> Cache:
        return self.users if key.kind == "user" else self.places


def _is_read_since(loaded: District, key: Key) -> bool:
    """Tell whether something else than a loaded district says was read of a user later."""
    return key.kind == "user" and key.which in loaded.read_since


def _refusals_of(key: Key) -> tuple[tuple[DistrictId, str | None], ...]:
    return (key.district, None), (key.district, key.kind)


@dataclass(frozen=True, slots=True)
class Prefetched:
    """What one request has read by lists.

    Attributes:
        snapshots: of sections, schools and users, each complete; or the error that says that there is none such.
        records: of users, complete but for their sections.
        no_students: who is no student, if anybody.
        refused: the districts whose token Clever refused meanwhile, which are not read any more.
        calendars: of districts, or why one could not be read: all questions need it, and none asks for it again.
    """

    snapshots: dict[Key, Snapshot[Any] | type[QuestionError]] = field(default_factory=dict)
    records: dict[Key, Snapshot[Facts]] = field(default_factory=dict)
    no_students: set[Key] = field(default_factory=set)
    refused: dict[str, CleverRefusedToken] = field(default_factory=dict)
    calendars: dict[str, Snapshot[Calendar] | CleverError] = field(default_factory=dict)

    def find(self, key: Key, *, may_wait: bool) -> Snapshot[Any] | None:
        """Return what the request has read, or raise what that says; None where it has not read this.

        Raises:
            UserUnknown, RecordUnknown: a list said that there is none such.
            CleverRefusedToken: the district has refused the token, and the request ``may_wait`` for it to be asked.
        """
        found = self.snapshots.get(key)
        if found is None:
            if may_wait and key.district in self.refused:
                raise self.refused[key.district]
            return None
        if isinstance(found, Snapshot):
            return found
        raise found


NOTHING_PREFETCHED = Prefetched()
"""The layer of a request that has read no list."""
