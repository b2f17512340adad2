"""What other processes have read of a user, and when Clever is asked all the same; with a fake of their store."""

import asyncio
from dataclasses import dataclass, field
from math import inf

import pytest

from app.domain.errors import (
    CleverBusy,
    CleverCircuitOpen,
    CleverRefusedToken,
    CleverTimedOut,
    CleverUnreachable,
    NotCached,
    UserUnknown,
)
from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.read_context import ReadContext, Urgency
from app.domain.serialization import PackedFacts, packed
from app.domain.snapshot import Found, Snapshot, Staleness
from app.roster.concurrency import ReadSlots, SlotLimits
from app.roster.freshness import Freshness
from tests.conftest import MovedClock
from tests.services.counting import ANN, KEY, NORTH, Asked, CountingClever, asked_of
from tests.waiting import settled, turn

TEACHER = Facts(ANN, NORTH, (HeldRole(Role.TEACHER, (Standing(),)),))
UNCONFIRMED = Facts(ANN, NORTH, (HeldRole(Role.STAFF, (Standing(unconfirmed=None),)),))


@dataclass
class InMemory:
    """A store that two processes share, with all that was asked of it."""

    there: dict[str, Found[PackedFacts]] = field(default_factory=dict)
    gone: dict[str, float] = field(default_factory=dict)
    leases: dict[str, asyncio.Event] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def find(self, key: str) -> Found[PackedFacts] | None:
        self.asked.append("find")
        return self.there.get(key)

    async def lead(self, key: str, until: float | None) -> bool:
        self.asked.append("lead")
        ended, before = self.leases.get(key), self.there.get(key)
        if ended is None:
            self.leases[key] = asyncio.Event()
            return True
        try:
            async with asyncio.timeout_at(until):
                await ended.wait()
        except TimeoutError:
            return True
        return self.there.get(key) is before

    def put(self, key: str, said: PackedFacts, at: float) -> None:
        self.asked.append("put")
        there = self.there.get(key)
        if at > max(self.gone.get(key, -inf), there.at if there else -inf):
            self.there[key] = Found(said, at)
        self._end(key)

    def forget(self, key: str, at: float) -> None:
        self.asked.append("forget")
        self.gone[key] = at
        if key in self.there and self.there[key].at <= at:
            del self.there[key]
        self._end(key)

    def give_up(self, key: str) -> None:
        self.asked.append("give up")
        self._end(key)

    def _end(self, key: str) -> None:
        if key in self.leases:
            self.leases.pop(key).set()


@dataclass
class Both:
    """Two processes, here and there, and what they share."""

    here: Asked
    there: Asked
    shared: InMemory
    clock: MovedClock

    @property
    def snapshots(self) -> tuple[int, int]:
        """How often each has asked Clever."""
        return self.here.clever.snapshots, self.there.clever.snapshots

    async def read_there(self, facts: Facts = TEACHER, seconds_ago: float = 0) -> Snapshot[PackedFacts]:
        """Have the other process read the user, some time ago."""
        self.there.clever.facts_given = facts
        snapshot = await self.there.snapshot(Freshness(no_cache=True))
        self.clock.move(seconds_ago)
        self.shared.asked.clear()
        self.there.clever.snapshots = 0
        return snapshot


def both_by(clock: MovedClock) -> Both:
    """Two processes whose Clever answers at once, with nothing in their caches."""
    shared = InMemory()
    return Both(process(shared, clock), process(shared, clock), shared, clock)


def process(shared: InMemory, clock: MovedClock) -> Asked:
    clever = CountingClever()
    clever.let.set()
    return asked_of(clever, clock, shared=shared)


async def test_what_another_has_read_answers_without_clever_being_asked(clock: MovedClock) -> None:
    both = both_by(clock)
    other = await both.read_there(seconds_ago=100)
    found = await both.here.snapshot()
    assert (found.facts, found.began, found.at, found.stale) == (packed(TEACHER), other.began, other.at, None)
    assert (both.snapshots, both.shared.asked) == ((0, 0), ["find"])
    assert await both.here.snapshot() is found
    assert both.shared.asked == ["find"]


async def test_its_age_counts_by_the_wall_wherever_the_clock_of_the_other_began(clock: MovedClock) -> None:
    both = both_by(clock)
    of_there = MovedClock(both.clock() + 50_000)
    both.there = asked_of(both.there.clever, of_there, wall=lambda: 1_700_000_000.0 + both.clock(), shared=both.shared)
    await both.read_there(seconds_ago=100)
    assert both.clock() - (await both.here.snapshot()).began == pytest.approx(100)


async def test_nobody_has_read_it_and_so_one_reads_for_all(clock: MovedClock) -> None:
    both = both_by(clock)
    snapshot = await both.here.snapshot()
    assert both.shared.asked == ["find", "lead", "put"]
    assert both.shared.there == {KEY.text: Found(snapshot.facts, snapshot.at)}
    assert (await both.there.snapshot()).facts == snapshot.facts
    assert both.snapshots == (1, 0)


async def test_what_is_older_than_the_caller_demands_is_not_taken_as_fresh(clock: MovedClock) -> None:
    both = both_by(clock)
    await both.read_there(seconds_ago=301)
    assert (await both.here.snapshot()).began == both.clock()
    assert both.snapshots == (1, 0)


async def test_what_is_too_old_stands_in_where_clever_fails(clock: MovedClock) -> None:
    both = both_by(clock)
    other = await both.read_there(seconds_ago=301)
    both.here.clever.error = CleverUnreachable("no connection")
    answer = await both.here.snapshot()
    assert (answer.facts, answer.staleness()) == (packed(TEACHER), Staleness("unreachable", other.at))
    assert (both.snapshots, both.shared.asked) == ((1, 0), ["find", "lead", "give up"])


async def test_what_is_past_the_stale_time_stands_in_for_nothing(clock: MovedClock) -> None:
    both = both_by(clock)
    await both.read_there(seconds_ago=3601)
    both.here.clever.error = CleverUnreachable("no connection")
    with pytest.raises(CleverUnreachable):
        await both.here.snapshot()


@pytest.mark.parametrize(
    "freshness",
    [Freshness(max_age=99), Freshness(max_age=0), Freshness(max_age=99, max_stale=0)],
    ids=["less", "none", "not stale"],
)
async def test_who_says_how_old_an_answer_may_be_gets_no_older_one_of_another(
    freshness: Freshness, clock: MovedClock
) -> None:
    both = both_by(clock)
    await both.read_there(seconds_ago=100)
    assert (await both.here.snapshot(freshness)).began == both.clock()
    both.here.clever.error = CleverUnreachable("no connection")
    both.clock.move(100)
    with pytest.raises(CleverUnreachable):
        await both.here.snapshot(freshness)


async def test_a_request_with_no_cache_is_not_answered_by_what_another_has_fetched_and_shares_what_comes(
    clock: MovedClock,
) -> None:
    both = both_by(clock)
    await both.read_there()
    snapshot = await both.here.snapshot(Freshness(no_cache=True))
    assert (both.snapshots, both.shared.asked) == ((1, 0), ["put"])
    assert both.shared.there[KEY.text].at == pytest.approx(snapshot.at)
    both.here.clever.error = CleverUnreachable("no connection")
    with pytest.raises(CleverUnreachable):
        await both.here.snapshot(Freshness(no_cache=True))


async def test_who_wants_it_anew_does_not_join_who_takes_what_another_has_read(clock: MovedClock) -> None:
    both = both_by(clock)
    await both.read_there()
    answers = await asyncio.gather(both.here.snapshot(), both.here.snapshot(Freshness(no_cache=True)))
    assert [answer.facts for answer in answers] == [packed(TEACHER), packed(Facts(ANN, NORTH))]
    assert both.snapshots == (1, 0)


async def test_nor_is_a_request_with_no_cache_answered_by_what_another_fetched_while_it_waited_for_a_slot(
    clock: MovedClock,
) -> None:
    both = both_by(clock)
    both.here.roster.fetches.read_slots = ReadSlots(SlotLimits(of_many_of_one=1))
    async with both.here.roster.fetches.read_slots.turn(NORTH, ReadContext(urgency=Urgency.BULK)):
        anew = both.here.reading_under_way(Freshness(no_cache=True, one_of_many=True))
        await settled(lambda: bool(both.here.roster.fetches.in_progress))
        await turn()
        both.clock.move(1)
        await both.read_there()
        assert (await both.here.snapshot()).facts == packed(TEACHER)
    assert (await anew).facts == packed(Facts(ANN, NORTH))
    assert both.snapshots == (1, 0)


async def test_who_may_not_wait_does_not_ask_the_others(clock: MovedClock) -> None:
    both = both_by(clock)
    await both.read_there()
    for freshness in (Freshness(only_if_cached=True), Freshness().at_once()):
        with pytest.raises(NotCached):
            await both.here.snapshot(freshness)
    assert both.shared.asked == []


async def test_whoever_does_not_lead_waits_for_who_does(clock: MovedClock) -> None:
    both = both_by(clock)
    both.there.clever.let.clear()
    leader = both.there.reading_under_way()
    await settled(lambda: both.snapshots == (0, 1))
    follower = both.here.reading_under_way()
    await settled(lambda: both.shared.asked.count("lead") == 2)
    both.there.clever.let.set()
    assert (await follower).facts == (await leader).facts
    assert both.snapshots == (0, 1)
    assert both.shared.asked == ["find", "lead", "find", "lead", "put", "find"]


async def test_when_who_leads_fails_whoever_waits_reads(clock: MovedClock) -> None:
    both = both_by(clock)
    both.there.clever.let.clear()
    both.there.clever.error = CleverUnreachable("no connection")
    leader = both.there.reading_under_way()
    await settled(lambda: both.snapshots == (0, 1))
    follower = both.here.reading_under_way()
    await settled(lambda: both.shared.asked.count("lead") == 2)
    both.there.clever.let.set()
    with pytest.raises(CleverUnreachable):
        await leader
    assert (await follower).stale is None
    assert both.snapshots == (1, 1)
    assert both.shared.leases == {}


async def test_whoever_waits_for_who_leads_does_so_no_longer_than_the_caller(clock: MovedClock) -> None:
    both = both_by(clock)
    both.shared.leases[KEY.text] = asyncio.Event()
    until = asyncio.get_running_loop().time() + 0.02
    with pytest.raises(CleverTimedOut):
        await both.here.snapshot(Freshness(until=until))
    await settled(lambda: not both.here.roster.fetches.in_progress)
    assert (both.shared.asked, both.snapshots) == (["find", "lead", "put"], (1, 0))


async def test_a_reading_that_nobody_awaits_any_more_is_shared_all_the_same(clock: MovedClock) -> None:
    both = both_by(clock)
    both.here.clever.let.clear()
    only = both.here.reading_under_way()
    await settled(lambda: both.snapshots == (1, 0))
    only.cancel()
    both.here.clever.let.set()
    await settled(lambda: not both.here.roster.fetches.in_progress)
    assert (list(both.shared.there), both.shared.leases) == ([KEY.text], {})


async def test_a_reading_that_is_ended_gives_up_its_lead(clock: MovedClock) -> None:
    both = both_by(clock)
    both.here.clever.let.clear()
    waiting = both.here.reading_under_way()
    await settled(lambda: both.snapshots == (1, 0))
    await both.here.roster.fetches.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (both.shared.asked, both.shared.leases) == (["find", "lead", "give up"], {})


async def test_a_fetch_that_gets_no_slot_gives_up_its_lead(clock: MovedClock) -> None:
    both = both_by(clock)
    both.here.roster.fetches.read_slots = ReadSlots(SlotLimits(of_one_district=1, waiting=0))
    async with both.here.roster.fetches.read_slots.turn(NORTH, ReadContext()):
        with pytest.raises(CleverBusy):
            await both.here.snapshot()
    assert (both.shared.asked, both.shared.leases) == (["find", "lead", "give up"], {})


async def test_what_another_has_fetched_needs_no_slot(clock: MovedClock) -> None:
    both = both_by(clock)
    await both.read_there()
    both.here.roster.fetches.read_slots = ReadSlots(SlotLimits(of_one_district=1, waiting=0))
    async with both.here.roster.fetches.read_slots.turn(NORTH, ReadContext()):
        assert (await both.here.snapshot()).facts == packed(TEACHER)


async def test_a_user_who_is_gone_is_forgotten_for_all(clock: MovedClock) -> None:
    both = both_by(clock)
    await both.read_there(seconds_ago=10)
    both.here.clever.error = UserUnknown()
    with pytest.raises(UserUnknown):
        await both.here.snapshot(Freshness(no_cache=True))
    assert (both.shared.asked, both.shared.there) == (["forget"], {})
    assert both.shared.gone[KEY.text] == both.here.roster.store.wall()


async def test_who_is_gone_does_not_come_back_from_a_store_that_could_not_be_reached(clock: MovedClock) -> None:
    both = both_by(clock)
    await both.read_there()
    kept = both.shared.there[KEY.text]
    both.clock.move(1)
    both.here.clever.error = UserUnknown()
    with pytest.raises(UserUnknown):
        await both.here.snapshot(Freshness(no_cache=True))
    both.shared.there[KEY.text] = kept
    both.clock.move(100)
    with pytest.raises(UserUnknown):
        await both.here.snapshot()
    assert both.here.clever.snapshots == 2


@pytest.mark.parametrize(("seconds", "snapshots"), [(0, (0, 0)), (1, (1, 0))], ids=["announced", "outdated"])
async def test_what_is_older_than_what_was_announced_is_as_if_it_were_not_there(
    seconds: int, snapshots: tuple[int, int], clock: MovedClock
) -> None:
    both = both_by(clock)
    other = await both.read_there(seconds_ago=10)
    both.here.roster.store.outdated.put(KEY.text, Snapshot(None, other.began + seconds, other.at + seconds))
    await both.here.snapshot()
    assert both.snapshots == snapshots


@pytest.mark.parametrize("seconds", [10, 301])
async def test_after_a_refused_token_nothing_of_another_answers(seconds: int, clock: MovedClock) -> None:
    both = both_by(clock)
    await both.read_there(seconds_ago=seconds)
    both.here.clever.error = CleverRefusedToken("401")
    with pytest.raises(CleverRefusedToken):
        await both.here.snapshot(Freshness(no_cache=True))
    for error in (CleverRefusedToken("401"), CleverUnreachable("no connection")):
        both.here.clever.error = error
        with pytest.raises(type(error)):
            await both.here.snapshot()
    both.here.clever.error = None
    assert (await both.here.snapshot()).stale is None
    assert both.shared.asked == ["give up"] * 3 + ["put"]


async def test_a_renewal_takes_the_newer_reading_of_another(clock: MovedClock) -> None:
    both = both_by(clock)
    first = await both.here.snapshot()
    both.clock.move(201)
    await both.read_there()
    assert await both.here.snapshot() is first
    await settled(lambda: not both.here.roster.fetches.in_progress)
    renewed = await both.here.snapshot()
    assert (renewed.facts, renewed.began, both.snapshots) == (packed(TEACHER), both.clock(), (1, 0))


async def test_a_renewal_does_not_take_what_is_to_be_renewed_itself(clock: MovedClock) -> None:
    both = both_by(clock)
    await both.here.snapshot()
    both.clock.move(201)
    await both.here.snapshot()
    await settled(lambda: not both.here.roster.fetches.in_progress)
    assert both.snapshots == (2, 0)
    assert [read_context.urgency for read_context in both.here.clever.errands] == [Urgency.COLD, Urgency.RENEWAL]
    assert both.shared.asked == ["find", "lead", "put"] * 2


async def test_what_is_held_gives_way_to_the_newer_reading_of_another_past_the_fresh_time(clock: MovedClock) -> None:
    both = both_by(clock)
    await both.here.snapshot()
    both.clock.move(301)
    other = await both.read_there()
    found = await both.here.snapshot()
    assert (found.facts, found.began, both.snapshots) == (packed(TEACHER), other.began, (1, 0))


async def test_what_another_has_read_does_not_replace_a_newer_reading(clock: MovedClock) -> None:
    both = both_by(clock)
    await both.read_there(seconds_ago=100)
    newer = await both.here.snapshot(Freshness(no_cache=True))
    both.shared.there[KEY.text] = Found(packed(TEACHER), newer.at - 100)
    both.clock.move(201)
    both.here.clever.error = CleverUnreachable("no connection")
    assert await both.here.snapshot() is newer
    await settled(lambda: not both.here.roster.fetches.in_progress)
    assert await both.here.snapshot() is newer
    assert both.shared.asked == ["put", "find", "lead", "give up"]


async def test_facts_that_do_not_suffice_under_the_policy_in_force_are_not_taken(clock: MovedClock) -> None:
    both = both_by(clock)
    await both.read_there(UNCONFIRMED)
    both.here.drop_unconfirmed_schools()
    both.here.clever.facts_given = TEACHER
    assert (await both.here.snapshot()).facts == packed(TEACHER)
    assert both.snapshots == (1, 0)
    both.here.roster.store.drop(KEY)
    both.shared.there[KEY.text] = Found(packed(UNCONFIRMED), both.here.roster.store.wall())
    both.here.clever.error = CleverUnreachable("no connection")
    with pytest.raises(CleverUnreachable):
        await both.here.snapshot()


async def test_while_clever_is_barred_what_another_has_read_answers(clock: MovedClock) -> None:
    both = both_by(clock)
    other = await both.read_there(seconds_ago=10)
    both.here.clever.bar = CleverCircuitOpen("Clever is down")
    assert (await both.here.snapshot()).stale is None
    both.here.roster.store.drop(KEY)
    both.clock.move(300)
    answer = await both.here.snapshot()
    assert (answer.staleness(), both.snapshots) == (Staleness("barred", other.at), (0, 0))


async def test_while_clever_is_barred_and_nobody_has_read_it_nobody_waits(clock: MovedClock) -> None:
    both = both_by(clock)
    both.here.clever.bar = CleverCircuitOpen("Clever is down")
    both.shared.leases[KEY.text] = asyncio.Event()
    with pytest.raises(CleverCircuitOpen):
        await both.here.snapshot()
    assert (both.shared.asked, both.snapshots) == (["find"], (0, 0))


async def test_a_hundred_callers_ask_the_others_once(clock: MovedClock) -> None:
    both = both_by(clock)
    await both.read_there()
    snapshots = await asyncio.gather(*(both.here.snapshot() for _ in range(100)))
    assert all(snapshot is snapshots[0] for snapshot in snapshots)
    assert (both.shared.asked, both.snapshots) == (["find"], (0, 0))
