"""What is at hand and what is not, asked of the service past its connections: the other tests compare answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.types import Receive, Scope, Send

from app.api.at_hand import AnswerAtHand, Reply
from app.api.heads import Headers as RawHeaders
from app.api.heads import head_of
from app.main import MOST_BODY_BYTES, create_app, default_policy
from app.policy_files.reload import ActivePolicy
from app.policy_files.yaml import read_policy
from app.telemetry import tracing
from tests.api.asking import (
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
from tests.api.test_fastlane import UNUSUAL
from tests.conftest import KEY, MovedClock, Sandbox, api_key, settings_over


@dataclass
class Beside:
    """A service without a socket: what it answers the whole way, and what it has at hand."""

    client: httpx.AsyncClient
    active_policy: ActivePolicy
    at_hand: AnswerAtHand
    names: Names

    async def whole(self, target: str, said: str | None = None, headers: Headers = USUAL) -> httpx.Response:
        """Ask the whole way."""
        method, content = ("GET", None) if said is None else ("POST", self.names.in_body(said))
        return await self.client.request(
            method, self.names.in_target(target), content=content, headers={**headers, **UNUSUAL}
        )

    def has(self, target: str, said: str | None = None, headers: Headers = USUAL) -> bool:
        """Tell whether the answer is at hand."""
        return self.answer(target, said, headers) is not None

    def answer(self, target: str, said: str | None = None, headers: Headers = USUAL) -> bytes | None:
        """Return the body of the answer at hand."""
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        method, body = (b"GET", b"") if said is None else (b"POST", self.names.in_body(said))
        reply = self.reply(method, self.names.in_target(target).encode(), raw, body)
        return None if reply is None else reply[2]

    def reply(self, method: bytes, target: bytes, headers: RawHeaders, body: bytes) -> Reply | None:
        """Return the answer at hand, as the connection asks for it."""
        head = head_of(headers)
        return None if head is None else self.at_hand(method, target, head, body)

    async def has_of(self, target: str, bodies: list[str]) -> list[str]:
        """Return the bodies of which the answer is at hand, once each has been answered the whole way."""
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
            yield Beside(client, state["active_policy"], state["at_hand"], names_in(sandbox.world))


async def test_plain_questions_are_at_hand_and_no_others(sandbox: Sandbox, clock: MovedClock, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    async with beside(sandbox, clock, policy=policy) as service:
        assert not any(service.has(EVALUATION, said) for said in PLAIN)
        assert await service.has_of(EVALUATION, PLAIN + NOT_PLAIN) == PLAIN
        assert await service.has_of(EVALUATIONS, PLAIN_MANY + NOT_PLAIN_MANY) == PLAIN_MANY


async def test_what_a_user_may_is_at_hand_for_those_who_ask_plainly(sandbox: Sandbox, clock: MovedClock) -> None:
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
        assert not any(service.has(PERMISSIONS + query) for query in plain + other)
        for query in plain + other:
            await service.whole(PERMISSIONS + query)
        assert [query for query in plain + other if service.has(PERMISSIONS + query)] == plain
        for user in ("f" * 24, "ann", "%61nn", "$section"):
            await service.whole(f"/v1/users/{user}/permissions")
            assert not service.has(f"/v1/users/{user}/permissions")


UNUSUAL_HEADERS: list[Headers] = [
    *({name: "a"} for name in ("Cache-Control", "Origin", "Expect", "Upgrade")),
    {"X-Request-ID": "not fit for logs"},
    {"X-Request-ID": ""},
]


async def test_unusual_headers_have_no_answer_at_hand(sandbox: Sandbox, clock: MovedClock) -> None:
    async with beside(sandbox, clock) as service:
        for target, said in EVERY_KIND:
            await service.whole(target, said)
            usual: Headers = USUAL | {"X-Request-ID": "mine", "If-None-Match": "*", "Accept": "text/html", "A": "b"}
            assert service.has(target, said, usual)
            assert not any(service.has(target, said, {**USUAL, **headers}) for headers in UNUSUAL_HEADERS)
            without = [{**JSON, **headers} for headers in CREDENTIALS.values()]
            assert not any(service.has(target, said, headers) for headers in without)


async def test_a_header_that_is_there_twice_leaves_nothing_at_hand(sandbox: Sandbox, clock: MovedClock) -> None:
    headers = [(b"authorization", f"Bearer {KEY}".encode()), (b"accept", b"*/*")]
    async with beside(sandbox, clock) as service:
        await service.whole(PERMISSIONS)
        target = service.names.in_target(PERMISSIONS).encode()
        assert service.reply(b"GET", target, headers, b"") is not None
        for header in headers:
            assert service.reply(b"GET", target, [*headers, header], b"") is None


async def test_a_body_that_is_larger_than_is_read_leaves_nothing_at_hand(sandbox: Sandbox, clock: MovedClock) -> None:
    async with beside(sandbox, clock) as service:
        largest, larger = (
            WHOLE + " " * (MOST_BODY_BYTES - len(service.names.in_body(WHOLE)) + more) for more in (0, 1)
        )
        assert [(await service.whole(EVALUATION, said)).status_code for said in (largest, larger)] == [200, 413]
        assert [service.has(EVALUATION, said) for said in (WHOLE, larger)] == [True, False]


async def test_a_body_where_none_is_wanted_leaves_nothing_at_hand(sandbox: Sandbox, clock: MovedClock) -> None:
    async with beside(sandbox, clock) as service:
        await service.whole(PERMISSIONS)
        target, credential = service.names.in_target(PERMISSIONS).encode(), f"Bearer {KEY}".encode()
        bodies = (b"", b"a" * (MOST_BODY_BYTES + 1))
        replies = [service.reply(b"GET", target, [(b"authorization", credential)], body) for body in bodies]
        assert [reply is None for reply in replies] == [False, True]


async def test_who_may_not_ask_has_nothing_at_hand(sandbox: Sandbox, clock: MovedClock) -> None:
    keys = (
        api_key("evaluates", "one", scopes={"access:evaluate"}),
        api_key("reads", "two", scopes={"permissions:read"}),
        api_key("elsewhere", "three", districts={"f" * 24}),
    )
    async with beside(sandbox, clock, api_keys=keys) as service:
        one, two, three = (JSON | {"Authorization": f"Bearer {key}"} for key in ("one", "two", "three"))
        await service.whole(EVALUATION, WHOLE, one)
        await service.whole(PERMISSIONS, None, two)
        assert [service.has(EVALUATION, WHOLE, who) for who in (one, two, three)] == [True, False, False]
        assert [service.has(PERMISSIONS, None, who) for who in (one, two, three)] == [False, True, False]
        assert not service.has(PERMISSIONS + "?district=$district", None, three)
        assert not service.has(EVALUATION, question(district='"$district"'), three)


async def test_what_is_to_be_renewed_is_no_longer_at_hand(sandbox: Sandbox, clock: MovedClock) -> None:
    async with beside(sandbox, clock) as service:
        for target, said in EVERY_KIND:
            await service.whole(target, said)
        for seconds, at_hand in ((199, True), (99, False), (10, False), (1_000_000, False)):
            clock.move(seconds)
            assert [service.has(target, said) for target, said in EVERY_KIND] == [at_hand] * 3


async def test_what_answers_stale_is_not_at_hand(sandbox: Sandbox, clock: MovedClock) -> None:
    async with beside(sandbox, clock) as service:
        await service.whole(PERMISSIONS)
        clock.move(301)
        faults = {"faults": [{"path": "/v3.1/*", "kind": "status", "status": 500}]}
        async with httpx.AsyncClient(base_url=sandbox.url) as clever:
            (await clever.put("/_sandbox/faults", json=faults)).raise_for_status()
        assert (await service.whole(PERMISSIONS)).json()["stale"]
        assert not service.has(PERMISSIONS)
        assert not service.has(EVALUATION, WHOLE)


async def test_while_requests_are_traced_nothing_is_at_hand(sandbox: Sandbox, clock: MovedClock) -> None:
    async with beside(sandbox, clock) as service:
        await service.whole(PERMISSIONS)
        with tracing.switched_on(InMemorySpanExporter):
            assert not service.has(PERMISSIONS)
        assert service.has(PERMISSIONS)


FOR_STAFF = (
    default_policy()
    .replace("[section:view, section:edit", "[section:view")
    .replace("[school:view, section:view", "[school:view, section:edit, section:view", 1)
)
"""What only teachers could do only staff can."""


async def test_under_another_policy_nothing_is_told_that_held_before(sandbox: Sandbox, clock: MovedClock) -> None:
    async with beside(sandbox, clock) as service:
        before = [(await service.whole(target, said)).content for target, said in EVERY_KIND]
        assert [service.answer(target, said) for target, said in EVERY_KIND] == before
        service.active_policy.take(read_policy(FOR_STAFF))
        permissions, *decisions = [service.answer(target, said) for target, said in EVERY_KIND]
        assert permissions is None
        assert all(b'"not_permitted"' in (decision or b"") for decision in decisions)
        assert [(await service.whole(target, said)).content for target, said in EVERY_KIND][1:] == decisions
        assert service.answer(PERMISSIONS) not in {None, before[0]}
