"""What every cache promises, whatever it keeps readings in."""

from app.cache.memory import MemoryCache
from app.domain.snapshot import Snapshot
from tests.conftest import MovedClock


def cache_by(clock: MovedClock) -> MemoryCache:
    return MemoryCache(most=2, keep_seconds=300, clock=clock)


def test_a_reading_is_found_under_its_key_alone(clock: MovedClock) -> None:
    cache = cache_by(clock)
    kept = Snapshot("facts", clock.now)
    cache.put(("north", "ann"), kept)
    assert cache.get(("north", "ann")) is kept
    assert cache.get(("south", "ann")) is None
    assert cache.get(("north", "ben")) is None


def test_a_reading_is_kept_from_when_it_began_and_not_from_when_it_arrived(clock: MovedClock) -> None:
    cache = cache_by(clock)
    cache.put("ann", Snapshot("facts", clock.now - 299))
    assert cache.get("ann") is not None
    clock.move(1)
    assert cache.get("ann") is None


def test_a_reading_that_comes_too_late_to_be_of_use_is_not_kept(clock: MovedClock) -> None:
    cache = cache_by(clock)
    cache.put("ann", Snapshot("facts", clock.now - 300))
    assert cache.get("ann") is None


def test_an_older_reading_never_replaces_a_newer_one(clock: MovedClock) -> None:
    cache = cache_by(clock)
    newer = Snapshot("facts", clock.now)
    cache.put("ann", newer)
    cache.put("ann", Snapshot("facts", clock.now - 1))
    assert cache.get("ann") is newer


def test_a_newer_reading_replaces_an_older_one(clock: MovedClock) -> None:
    cache = cache_by(clock)
    cache.put("ann", Snapshot("facts", clock.now - 1))
    newer = Snapshot("facts", clock.now)
    cache.put("ann", newer)
    assert cache.get("ann") is newer


def test_the_least_recently_used_makes_room(clock: MovedClock) -> None:
    cache = cache_by(clock)
    for user in ("ann", "ben"):
        cache.put(user, Snapshot("facts", clock.now))
    cache.get("ann")
    cache.put("cat", Snapshot("facts", clock.now))
    assert cache.get("ann") is not None
    assert cache.get("ben") is None


def test_what_is_forgotten_is_gone(clock: MovedClock) -> None:
    cache = cache_by(clock)
    cache.put("ann", Snapshot("facts", clock.now))
    cache.forget("ann")
    cache.forget("ben")
    assert cache.get("ann") is None


def test_what_began_later_than_what_is_to_be_forgotten_stays(clock: MovedClock) -> None:
    cache = cache_by(clock)
    newer = Snapshot("facts", clock.now)
    cache.put("ann", newer)
    cache.forget("ann", clock.now - 1)
    assert cache.get("ann") is newer
    cache.forget("ann", clock.now)
    assert cache.get("ann") is None


def test_large_readings_take_the_room_of_many_small_ones(clock: MovedClock) -> None:
    cache = MemoryCache(most=4, keep_seconds=300, clock=clock, size_of=lambda snapshot: len(snapshot.facts))
    cache.put("small", Snapshot("a", clock.now))
    cache.put("large", Snapshot("abc", clock.now))
    assert cache.get("small") is not None
    cache.put("larger", Snapshot("abcd", clock.now))
    assert [cache.get(key) is not None for key in ("small", "large", "larger")] == [False, False, True]


def test_a_reading_larger_than_all_the_room_is_not_kept_and_neither_is_what_it_replaces(clock: MovedClock) -> None:
    cache = MemoryCache(most=2, keep_seconds=300, clock=clock, size_of=lambda snapshot: len(snapshot.facts))
    cache.put("ann", Snapshot("a", clock.now))
    cache.put("ann", Snapshot("abc", clock.now))
    assert cache.get("ann") is None
