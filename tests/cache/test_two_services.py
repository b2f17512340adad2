"""Two services with one Redis: one reading for both, and what one learns the other knows; no request fails for it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr

from app.telemetry import tracing
from tests.api.connecting import until
from tests.cache.conftest import NOW
from tests.conftest import MovedClock, Sandbox, serving, settings_over
from tests.valkey import Valkey, valkey

AFRESH, CACHED = {"Cache-Control": "no-cache"}, {"Cache-Control": "only-if-cached"}

Services = list[httpx.Client]


def served(
    stack: ExitStack, redis: Valkey, sandbox: Sandbox, clock: MovedClock, patience: float, ahead: float = 0
) -> Services:
    """Serve twice, with one Redis; the clock of the second is so many seconds ahead."""
    settings = settings_over(sandbox, redis_url=SecretStr(redis.url), redis_deadline_seconds=patience, caller_share=1)
    walls = (lambda: NOW + clock.now), (lambda: NOW + clock.now + ahead)
    return [stack.enter_context(serving(settings, clock, wall)) for wall in walls]


@pytest.fixture(scope="module")
def running_services(running_redis: Valkey, running_sandbox: Sandbox, running_clock: MovedClock) -> Iterator[Services]:
    with ExitStack() as stack:
        # They wait for Redis for as long as a busy machine may need.
        yield served(stack, running_redis, running_sandbox, running_clock, patience=1)


@pytest.fixture
def services(running_services: Services, redis: Valkey, sandbox: Sandbox, clock: MovedClock) -> Services:
    """Two services that have nothing in their caches, nor in Redis, that could answer."""
    return running_services


def permissions(sandbox: Sandbox, case: str = "teacher_only") -> str:
    return f"/v1/users/{sandbox.user(case)}/permissions"


def snapshots(sandbox: Sandbox, case: str = "teacher_only") -> int:
    return sandbox.requests[f"/v3.1/users/{sandbox.user(case)}"]


def make_staff(sandbox: Sandbox) -> None:
    """Have the teacher be staff instead."""
    change: dict[str, object] = {"roles": {"teacher": None, "staff": {"schools": []}}}
    httpx.patch(f"{sandbox.url}/_sandbox/users/{sandbox.user('teacher_only')}", json=change).raise_for_status()


def test_what_one_has_read_the_other_answers_without_asking_clever(
    services: Services, sandbox: Sandbox, redis: Valkey
) -> None:
    here, there = services
    first = here.get(permissions(sandbox))
    until(redis.texts)
    second = there.get(permissions(sandbox))
    assert (first.status_code, second.status_code, snapshots(sandbox)) == (200, 200, 1)
    assert (second.content, second.headers["etag"]) == (first.content, first.headers["etag"])


def test_the_age_of_an_answer_counts_from_when_the_other_began_to_read(
    services: Services, sandbox: Sandbox, redis: Valkey, clock: MovedClock
) -> None:
    here, there = services
    here.get(permissions(sandbox))
    until(redis.texts)
    clock.move(100)
    answer = there.get(permissions(sandbox))
    assert (answer.headers["age"], snapshots(sandbox)) == ("100", 1)


def test_what_the_other_has_read_is_no_fresher_than_it_is(
    services: Services, sandbox: Sandbox, redis: Valkey, clock: MovedClock
) -> None:
    here, there = services
    here.get(permissions(sandbox))
    until(redis.texts)
    clock.move(301)
    answer = there.get(permissions(sandbox))
    assert (answer.headers["age"], answer.json()["stale"], snapshots(sandbox)) == ("0", False, 2)


def test_both_asked_at_once_read_once(services: Services, sandbox: Sandbox, redis: Valkey) -> None:
    sandbox.app.state.delay_ms = 200
    with ThreadPoolExecutor() as threads:
        answers = list(threads.map(lambda service: service.get(permissions(sandbox)), services * 3))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert snapshots(sandbox) == 1


def test_what_a_forced_reading_finds_at_one_is_answered_by_the_other(
    services: Services, sandbox: Sandbox, redis: Valkey
) -> None:
    here, there = services
    for service in (here, there):
        assert service.get(permissions(sandbox)).json()["roles"] == ["teacher"]
        until(redis.texts)
    make_staff(sandbox)
    assert here.get(permissions(sandbox), headers=AFRESH).json()["roles"] == ["staff"]
    until(lambda: there.get(permissions(sandbox)).json()["roles"] == ["staff"])
    assert snapshots(sandbox) == 2


def test_what_was_there_before_a_change_was_heard_of_is_not_believed_when_it_comes_after(
    services: Services, sandbox: Sandbox, redis: Valkey, clock: MovedClock
) -> None:
    here, there = services
    for service in (here, there):
        assert service.get(permissions(sandbox)).json()["roles"] == ["teacher"]
        until(redis.texts)
    [name] = redis.names()
    before = redis.client.get(name)
    assert isinstance(before, bytes)
    clock.move(1)
    make_staff(sandbox)
    assert here.get(permissions(sandbox), headers=AFRESH).json()["roles"] == ["staff"]
    until(lambda: there.get(permissions(sandbox), headers=CACHED).status_code == 504)
    redis.client.set(name, before)
    assert there.get(permissions(sandbox)).json()["roles"] == ["staff"]
    assert snapshots(sandbox) == 3


def test_what_one_whose_clock_is_ahead_announces_the_other_takes_from_it(
    redis: Valkey, sandbox: Sandbox, clock: MovedClock
) -> None:
    with ExitStack() as stack:
        here, there = served(stack, redis, sandbox, clock, patience=1, ahead=4)
        for service in (there, here):
            assert service.get(permissions(sandbox)).json()["roles"] == ["teacher"]
            until(redis.texts)
        clock.move(1)
        make_staff(sandbox)
        assert there.get(permissions(sandbox), headers=AFRESH).json()["roles"] == ["staff"]
        until(lambda: here.get(permissions(sandbox), headers=CACHED).status_code == 504)
        assert here.get(permissions(sandbox)).json()["roles"] == ["staff"]
        assert snapshots(sandbox) == 2


def test_who_is_gone_at_one_is_gone_at_the_other(services: Services, sandbox: Sandbox, redis: Valkey) -> None:
    here, there = services
    for service in (here, there):
        assert service.get(permissions(sandbox)).status_code == 200
        until(redis.texts)
    httpx.delete(f"{sandbox.url}/_sandbox/users/{sandbox.user('teacher_only')}").raise_for_status()
    assert here.get(permissions(sandbox), headers=AFRESH).status_code == 404
    until(lambda: there.get(permissions(sandbox)).status_code == 404)


def test_killing_redis_while_many_ask_fails_no_request(sandbox: Sandbox, clock: MovedClock) -> None:
    cases = list(sandbox.world.cases)
    with valkey() as redis, ExitStack() as stack, ThreadPoolExecutor(4) as threads:
        services = served(stack, redis, sandbox, clock, patience=0.01)

        def ask(place: int) -> int:
            if place == 40:
                redis.kill()
            return services[place % 2].get(permissions(sandbox, cases[place % len(cases)]), headers=AFRESH).status_code

        assert set(threads.map(ask, range(80))) == {200}
        until(lambda: services[0].get("/readyz").json()["parts"]["redis"] == "unreachable")
        ready = services[0].get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")


def test_what_is_asked_of_redis_is_traced(services: Services, sandbox: Sandbox) -> None:
    spans = InMemorySpanExporter()
    with tracing.switched_on(lambda: spans):
        services[0].get(permissions(sandbox))
    told = {span.name: dict(span.attributes or {}) for span in spans.get_finished_spans()}
    assert (told["shared"], told["lease"]) == ({"outcome": "miss"}, {})


def test_readiness_shows_the_state_of_redis(services: Services) -> None:
    assert [service.get("/readyz").json()["parts"]["redis"] for service in services] == ["ok", "ok"]


@pytest.mark.parametrize("texts", [b"", b"garbage"])
def test_what_somebody_puts_into_redis_changes_no_answer(
    services: Services, sandbox: Sandbox, redis: Valkey, texts: bytes
) -> None:
    here, there = services
    answer = here.get(permissions(sandbox))
    until(redis.texts)
    for name in redis.names():
        redis.client.set(name, texts)
    assert there.get(permissions(sandbox)).content == answer.content
    assert snapshots(sandbox) == 2


def test_services_that_read_different_versions_of_the_api_share_nothing(
    redis: Valkey, sandbox: Sandbox, clock: MovedClock
) -> None:
    (account,) = sandbox.world.districts[0].users[sandbox.user("teacher_only")].ids_in("teacher", "legacy_id")
    settings = settings_over(sandbox, redis_url=SecretStr(redis.url), redis_deadline_seconds=1)
    older = settings.model_copy(update={"clever_version": "v2.1"})
    with serving(older, clock) as before, serving(settings, clock) as after:
        for path in (f"/v1/users/{account}/permissions", permissions(sandbox, "student_one_school")):
            assert before.get(path).status_code == 200
        until(lambda: redis.do("DBSIZE") == 2)
        assert after.get(f"/v1/users/{account}/permissions").status_code == 404
        assert after.get(permissions(sandbox, "student_one_school")).headers["age"] == "0"
        assert snapshots(sandbox, "student_one_school") == 1
