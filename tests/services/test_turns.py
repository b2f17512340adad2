"""How many readings are under way at once, who waits, and who is sent away."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from app.domain.errors import CleverBusy
from app.domain.read_context import ReadContext, Urgency
from app.roster.concurrency import ReadSlots, SlotLimits
from tests.waiting import settled

COLD, MANY, RENEWAL = (ReadContext(urgency=urgency) for urgency in (Urgency.COLD, Urgency.BULK, Urgency.RENEWAL))


class Crowd:
    """Readings that hold their turns until they are let go."""

    def __init__(self, room: SlotLimits) -> None:
        self.read_slots = ReadSlots(room)
        self.let = asyncio.Event()
        self.snapshot: list[str] = []

    async def read(self, read_context: ReadContext, district: str = "north") -> None:
        async with self.read_slots.turn(district, read_context):
            self.snapshot.append(read_context.urgency)
            await self.let.wait()

    def begin(self, read_context: ReadContext, district: str = "north") -> asyncio.Task[None]:
        return asyncio.create_task(self.read(read_context, district))

    def are_reading(self, number: int) -> Callable[[], bool]:
        return lambda: len(self.snapshot) == number


async def test_more_fetches_than_there_are_slots_wait_for_one() -> None:
    crowd = Crowd(SlotLimits(at_once=2, of_one_district=2))
    snapshots = [crowd.begin(COLD) for _ in range(3)]
    await settled(crowd.are_reading(2))
    crowd.let.set()
    await asyncio.gather(*snapshots)
    assert len(crowd.snapshot) == 3


async def test_past_a_short_queue_a_reading_is_refused_at_once() -> None:
    crowd = Crowd(SlotLimits(at_once=1, of_one_district=1, waiting=1))
    snapshots = [crowd.begin(COLD) for _ in range(2)]
    await settled(crowd.are_reading(1))
    with pytest.raises(CleverBusy) as refused:
        await crowd.read(COLD)
    assert refused.value.retry_after == 1
    crowd.let.set()
    await asyncio.gather(*snapshots)


async def test_a_fetch_waits_only_so_long_for_its_slot() -> None:
    crowd = Crowd(SlotLimits(at_once=1, of_one_district=1, patience=0.01))
    first = crowd.begin(COLD)
    await settled(crowd.are_reading(1))
    with pytest.raises(CleverBusy):
        await crowd.read(COLD)
    crowd.let.set()
    await first
    await crowd.read(COLD)


async def test_batches_leave_room_for_single_readings() -> None:
    crowd = Crowd(SlotLimits(at_once=4, of_one_district=4, of_many=2, of_many_of_one=2))
    snapshots = [crowd.begin(MANY) for _ in range(50)]
    await settled(crowd.are_reading(2))
    snapshots += [crowd.begin(COLD) for _ in range(2)]
    await settled(crowd.are_reading(4))
    assert crowd.snapshot == ["bulk", "bulk", "cold", "cold"]
    crowd.let.set()
    await asyncio.gather(*snapshots)
    assert len(crowd.snapshot) == 52


async def test_a_district_leaves_room_for_the_others() -> None:
    crowd = Crowd(SlotLimits(at_once=3, of_one_district=2))
    snapshots = [crowd.begin(COLD) for _ in range(3)]
    await settled(crowd.are_reading(2))
    snapshots.append(crowd.begin(COLD, "south"))
    await settled(crowd.are_reading(3))
    crowd.let.set()
    await asyncio.gather(*snapshots)


async def test_batches_of_one_district_leave_places_to_those_of_others_and_to_renewals() -> None:
    crowd = Crowd(SlotLimits(at_once=8, of_one_district=8, of_many=4, of_many_of_one=2))
    snapshots = [crowd.begin(MANY) for _ in range(20)]
    await settled(crowd.are_reading(2))
    snapshots += [crowd.begin(MANY, "south"), crowd.begin(RENEWAL, "south")]
    await settled(crowd.are_reading(4))
    crowd.let.set()
    await asyncio.gather(*snapshots)


async def test_a_renewal_takes_what_is_free_and_does_not_wait() -> None:
    crowd = Crowd(SlotLimits(at_once=2, of_one_district=2, of_renewals=1))
    renewal = crowd.begin(RENEWAL)
    await settled(crowd.are_reading(1))
    with pytest.raises(CleverBusy):
        await crowd.read(RENEWAL)
    crowd.let.set()
    await renewal


async def test_whoever_gives_up_leaves_their_slot_to_others() -> None:
    crowd = Crowd(SlotLimits(at_once=1, of_one_district=1, of_many=1))
    snapshots = [crowd.begin(read_context) for read_context in (COLD, COLD, MANY, MANY)]
    await settled(crowd.are_reading(1))
    for snapshot in snapshots:
        snapshot.cancel()
    await asyncio.gather(*snapshots, return_exceptions=True)
    crowd.let.set()
    async with AsyncExitStack() as held:
        await held.enter_async_context(crowd.read_slots.turn("north", MANY))
    assert crowd.snapshot == ["cold"]
