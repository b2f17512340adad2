"""What every cache promises, whatever it keeps readings in."""

import pytest

from app.cache.memory import MemoryCache
from app.domain.facts import Facts
from app.domain.ids import DistrictId, UserId
from app.domain.reading import Reading
from tests.conftest import MovedClock

ANN, BEN, CAT, NORTH, SOUTH = UserId("ann"), UserId("ben"), UserId("cat"), DistrictId("north"), DistrictId("south")


def reading(user: UserId, began: float, district: DistrictId = NORTH) -> Reading:
    return Reading(Facts(user, district), began)


@pytest.fixture
def cache(clock: MovedClock) -> MemoryCache:
    return MemoryCache(users=2, keep_seconds=300, clock=clock)


def test_a_reading_is_found_under_its_user_and_district_alone(cache: MemoryCache, clock: MovedClock) -> None:
    kept = reading(ANN, clock.now)
    cache.put(kept)
    assert cache.get(ANN, NORTH) is kept
    assert cache.get(ANN, SOUTH) is None
    assert cache.get(BEN, NORTH) is None


def test_a_reading_is_kept_from_when_it_began_and_not_from_when_it_arrived(
    cache: MemoryCache, clock: MovedClock
) -> None:
    cache.put(reading(ANN, clock.now - 299))
    assert cache.get(ANN, NORTH) is not None
    clock.move(1)
    assert cache.get(ANN, NORTH) is None


def test_a_reading_that_comes_too_late_to_be_of_use_is_not_kept(cache: MemoryCache, clock: MovedClock) -> None:
    cache.put(reading(ANN, clock.now - 300))
    assert cache.get(ANN, NORTH) is None


def test_an_older_reading_never_replaces_a_newer_one(cache: MemoryCache, clock: MovedClock) -> None:
    newer = reading(ANN, clock.now)
    cache.put(newer)
    cache.put(reading(ANN, clock.now - 1))
    assert cache.get(ANN, NORTH) is newer


def test_a_newer_reading_replaces_an_older_one(cache: MemoryCache, clock: MovedClock) -> None:
    cache.put(reading(ANN, clock.now - 1))
    newer = reading(ANN, clock.now)
    cache.put(newer)
    assert cache.get(ANN, NORTH) is newer


def test_the_least_recently_used_makes_room(cache: MemoryCache, clock: MovedClock) -> None:
    cache.put(reading(ANN, clock.now))
    cache.put(reading(BEN, clock.now))
    cache.get(ANN, NORTH)
    cache.put(reading(CAT, clock.now))
    assert cache.get(ANN, NORTH) is not None
    assert cache.get(BEN, NORTH) is None


def test_what_is_forgotten_is_gone(cache: MemoryCache, clock: MovedClock) -> None:
    cache.put(reading(ANN, clock.now))
    cache.forget(ANN, NORTH)
    cache.forget(BEN, NORTH)
    assert cache.get(ANN, NORTH) is None
