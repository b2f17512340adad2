"""What the fast path answers itself, and what it leaves to the application: the other tests compare answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from app.api import fast_path
from app.api.fast_path import MOST_BYTES, FastPath
from app.api.security_headers import RawHeaders
from app.main import create_app, default_policy
from app.policy_files.reload import ActivePolicy
from app.policy_files.yaml import read_policy
from tests.api.asking import (
    BY_ROUTE,
    CREDENTIALS,
    EVALUATION,
    EVALUATIONS,
    EVERY_KIND,
    JSON,
    NOT_PLAIN,
    NOT_PLAIN_MANY,
    PERMISSIONS,
    PLAIN,
    PLAIN_MANY,
    POLICY,
    USUAL,
    WHOLE,
    Headers,
    Names,
    names_in,
    question,
)
from tests.conftest import KEY, MovedClock, Sandbox, api_key, settings_over


@dataclass
class Beside:
    """A service without a socket: what its routes answer, and what its fast path does."""

    client: httpx.AsyncClient
    active_policy: ActivePolicy
    fast_path: FastPath
    names: Names

    async def whole(self, target: str, said: str | None = None, headers: Headers = USUAL) -> httpx.Response:
        """Ask a route."""
        method, content = ("GET", None) if said is None else ("POST", self.names.in_body(said))
        return await self.client.request(
            method, self.names.in_target(target), content=content, headers={**headers, **BY_ROUTE}
        )

    def has(self, target: str, said: str | None = None, headers: Headers = USUAL) -> bool:
        """Tell whether the fast path answers."""
        return self.answer(target, said, headers) is not None

    def answer(self, target: str, said: str | None = None, headers: Headers = USUAL) -> bytes | None:
        """Return the body of what the fast path answers."""
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        method, body = (b"GET", b"") if said is None else (b"POST", self.names.in_body(said))
        return self.sent(method, self.names.in_target(target).encode(), raw, body)

    def sent(self, method: bytes, target: bytes, headers: RawHeaders, body: bytes = b"") -> bytes | None:
        """Return the body of what the fast path answers to a request as it came."""
        answer = self.fast_path(method, target, headers, body)
        return None if answer is None else answer[2]

    async def has_of(self, target: str, bodies: list[str]) -> list[str]:
        """Return the bodies that the fast path answers, once each has been answered by a route."""
        for said in bodies:
            await self.whole(target, said)
        return [said for said in bodies if self.has(target, said)]


@asynccontextmanager
async def beside(sandbox: Sandbox, clock: MovedClock, **given: object) -> AsyncIterator[Beside]:
    app = create_app(settings_over(sandbox, **given), clock=clock)
    async with app.router.lifespan_context(app) as state:
        assert state is not None

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state)}, receive, send)

        transport = httpx.ASGITransport(with_state)
        async with httpx.AsyncClient(transport=transport, base_url="http://beside") as client:
            yield Beside(client, state["active_policy"], state["fast_path"], names_in(sandbox.world))


async def test_usual_questions_are_answered_and_what_routes_refuse_is_left(
    sandbox: Sandbox, clock: MovedClock, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    async with beside(sandbox, clock, policy=policy) as service:
        assert not [said for said in PLAIN if service.has(EVALUATION, said)]
        for target, plain, odd in ((EVALUATION, PLAIN, NOT_PLAIN), (EVALUATIONS, PLAIN_MANY, NOT_PLAIN_MANY)):
            assert await service.has_of(target, plain) == plain
            for said in odd:
                if (await service.whole(target, said)).status_code != 200:
                    assert not service.has(target, said), said


async def test_what_a_user_may_do_is_answered_from_memory_to_those_who_ask_plainly(
    sandbox: Sandbox, clock: MovedClock
) -> None:
    plain = ["", "?", "?role=teacher", "?district=$district", "?district=$district&role=teacher"]
    other = [
        "?role=staff",
        "?role=",
        "?role=principal",
        "?role=teacher&role=teacher",
        "?a=1",
        "?district=jane",
        "#a",
        "/",
    ]
    async with beside(sandbox, clock) as service:
        assert not [query for query in plain + other if service.has(PERMISSIONS + query)]
        for query in plain + other:
            await service.whole(PERMISSIONS + query)
        assert [query for query in plain + other if service.has(PERMISSIONS + query)] == plain
        for user in ("f" * 24, "ann", "%61nn", "$section"):
            await service.whole(f"/v1/users/{user}/permissions")
            assert not service.has(f"/v1/users/{user}/permissions")


UNUSUAL_HEADERS: list[Headers] = [{name: "a"} for name in ("Cache-Control", "Origin")]


async def test_headers_that_ask_for_more_than_the_usual_answer_are_left(sandbox: Sandbox, clock: MovedClock) -> None:
    async with beside(sandbox, clock) as service:
        for target, said in EVERY_KIND:
            await service.whole(target, said)
            usual: Headers = USUAL | {"X-Request-ID": "mine", "If-None-Match": "*", "Accept": "text/html", "A": "b"}
            assert service.has(target, said, usual)
            assert not [each for each in UNUSUAL_HEADERS if service.has(target, said, {**USUAL, **each})]
            without = [{**JSON, **headers} for headers in CREDENTIALS.values()]
            assert not [each for each in without if service.has(target, said, each)]


async def test_a_header_that_is_there_twice_is_left(sandbox: Sandbox, clock: MovedClock) -> None:
    headers = ((b"authorization", f"Bearer {KEY}".encode()), (b"accept", b"*/*"))
    async with beside(sandbox, clock) as service:
        await service.whole(PERMISSIONS)
        target = service.names.in_target(PERMISSIONS).encode()
        assert service.sent(b"GET", target, headers) is not None
        for header in headers:
            assert service.sent(b"GET", target, (*headers, header)) is None


async def test_a_long_body_is_left_unread(sandbox: Sandbox, clock: MovedClock) -> None:
    async with beside(sandbox, clock) as service:
        await service.whole(EVALUATION, WHOLE)
        most, more = (WHOLE + " " * (MOST_BYTES - len(service.names.in_body(WHOLE)) + more) for more in (0, 1))
        assert [service.has(EVALUATION, said) for said in (most, more)] == [True, False]


async def test_a_body_where_none_is_wanted_is_left(sandbox: Sandbox, clock: MovedClock) -> None:
    async with beside(sandbox, clock) as service:
        await service.whole(PERMISSIONS)
        target, credential = service.names.in_target(PERMISSIONS).encode(), f"Bearer {KEY}".encode()
        answers = [service.sent(b"GET", target, [(b"authorization", credential)], body) for body in (b"", b"a")]
        assert [answer is None for answer in answers] == [False, True]


async def test_who_may_not_ask_is_answered_nothing_from_memory(sandbox: Sandbox, clock: MovedClock) -> None:
    keys = (
        api_key("tests", KEY),
        api_key("evaluates", "one", scopes={"access:evaluate"}),
        api_key("reads", "two", scopes={"permissions:read"}),
        api_key("elsewhere", "three", districts={"f" * 24}),
    )
    async with beside(sandbox, clock, api_keys=keys) as service:
        one, two, three = (JSON | {"Authorization": f"Bearer {key}"} for key in ("one", "two", "three"))
        await service.whole(EVALUATION, WHOLE)
        await service.whole(PERMISSIONS)
        assert [service.has(EVALUATION, WHOLE, who) for who in (one, two, three)] == [True, False, False]
        assert [service.has(PERMISSIONS, None, who) for who in (one, two, three)] == [False, True, False]
        assert not service.has(PERMISSIONS + "?district=$district", None, three)
        assert not service.has(EVALUATION, question(district='"$district"'), three)


async def test_what_is_to_be_renewed_is_no_longer_answered_from_memory_at_once(
    sandbox: Sandbox, clock: MovedClock
) -> None:
    async with beside(sandbox, clock) as service:
        for target, said in EVERY_KIND:
            await service.whole(target, said)
        for seconds, at_hand in ((199, True), (99, False), (10, False), (1_000_000, False)):
            clock.move(seconds)
            assert [service.has(target, said) for target, said in EVERY_KIND] == [at_hand] * 3


async def test_what_is_stale_is_not_answered_from_memory_at_once(sandbox: Sandbox, clock: MovedClock) -> None:
    async with beside(sandbox, clock) as service:
        await service.whole(PERMISSIONS)
        clock.move(301)
        faults = {"faults": [{"path": "/v3.1/*", "kind": "status", "status": 500}]}
        async with httpx.AsyncClient(base_url=sandbox.url) as clever:
            (await clever.put("/_sandbox/faults", json=faults)).raise_for_status()
        assert (await service.whole(PERMISSIONS)).json()["stale"]
        assert not service.has(PERMISSIONS)
        assert not service.has(EVALUATION, WHOLE)


async def test_a_fault_of_ours_is_logged_and_the_application_answers(
    sandbox: Sandbox, clock: MovedClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    async with beside(sandbox, clock) as service:
        for target, said in EVERY_KIND:
            await service.whole(target, said)
        for name in ("cached_permissions", "cached_decision", "cached_decisions"):
            monkeypatch.setattr(fast_path, name, broken)
        assert [service.has(target, said) for target, said in EVERY_KIND] == [False] * 3
    assert [record.getMessage() for record in caplog.records if record.exc_info] == ["the fast path failed"] * 3


FOR_STAFF = (
    default_policy()
    .replace("[section:view, section:edit", "[section:view")
    .replace("[school:view, section:view", "[school:view, section:edit, section:view", 1)
)
"""What only teachers could do only staff can."""


async def test_under_another_policy_nothing_is_answered_that_held_before(sandbox: Sandbox, clock: MovedClock) -> None:
    async with beside(sandbox, clock) as service:
        before = [(await service.whole(target, said)).content for target, said in EVERY_KIND]
        assert [service.answer(target, said) for target, said in EVERY_KIND] == before
        service.active_policy.take(read_policy(FOR_STAFF))
        permissions, *decisions = [service.answer(target, said) for target, said in EVERY_KIND]
        assert permissions not in {None, before[0]}
        assert all(b'"not_permitted"' in (decision or b"") for decision in decisions)
        assert [(await service.whole(target, said)).content for target, said in EVERY_KIND] == [permissions, *decisions]
