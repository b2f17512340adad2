"""The hot path over HTTP: the permission set of a cached user, beside a bare server that answers the same bytes.

What counts is the head that a proxy and a usual client make, since that is how the service is run; wrk's own, of two
headers, stands beside it. Of a pair both get the same head.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from app.domain.callers import CallerScope
from app.sandbox.world import World, generate
from tests.auth.provider import AUDIENCE, DISTRICTS_CLAIM, FakeProvider, running_provider
from tests.bench import tools
from tests.bench.cast import LARGE_BYTES, USUAL_BYTES, administering, path_of
from tests.bench.load import Generator, Pair, Question, Rates, generator
from tests.bench.processes import (
    CREDENTIAL,
    PROXIED,
    Served,
    collector,
    module,
    sandbox,
    service,
    serving,
    settings,
    until_ready,
)
from tests.chaos.report import Figure, at_least, told

SECONDS, ROUNDS = 1, 7

BARE, OURS, HELD, TRACED, USUAL = "bare", "ours", "304", "traced", "usual"
BARE_PLAIN, OURS_PLAIN, HELD_PLAIN, TRACED_PLAIN = "bare, plain", "ours, plain", "304, plain", "traced, plain"
BARE_TOKEN, TOKEN = "bare, token", "token"
BARE_LARGE, LARGE = "bare, 20 KB", "ours, 20 KB"
PAIRS = (
    Pair(OURS, BARE),
    Pair(OURS_PLAIN, BARE_PLAIN),
    Pair(HELD, BARE),
    Pair(HELD_PLAIN, BARE_PLAIN),
    Pair(TRACED, BARE),
    Pair(TRACED_PLAIN, BARE_PLAIN),
    Pair(TOKEN, BARE_TOKEN),
    Pair(LARGE, BARE_LARGE),
    Pair(USUAL, BARE),
)


def main() -> Iterator[Figure]:
    """Measure, and yield what was reached."""
    world = generate()
    with (
        sandbox() as clever,
        running_provider() as provider,
        generator(tools.wrk(), seconds=SECONDS, rounds=ROUNDS) as load,
        collector() as tracing,
        service(settings(clever, **_taking_tokens(provider))) as ours,
        service(settings(clever, **tracing)) as traced,
    ):
        until_ready(ours)
        until_ready(traced)
        yield from _measured(load, clever, provider, (ours, traced), world)


def _taking_tokens(provider: FakeProvider) -> Mapping[str, str]:
    return {
        "ROSTERGUARD_OIDC_ISSUER": provider.url,
        "ROSTERGUARD_OIDC_AUDIENCE": AUDIENCE,
        "ROSTERGUARD_OIDC_DISTRICTS_CLAIM": DISTRICTS_CLAIM,
    }


def _token(provider: FakeProvider, district: str) -> str:
    given: dict[str, Any] = {"scope": CallerScope.PERMISSIONS_READ.value, DISTRICTS_CLAIM: [district]}
    return provider.token(exp=int(time.time()) + 3600, **given)


def _measured(
    load: Generator, clever: Served, provider: FakeProvider, both: tuple[Served, Served], world: World
) -> Iterator[Figure]:
    ours, traced = both
    typical, large = world.cases["staff_portal_only"].user, world.cases["staff_both_qualifiers"].user
    sizes = {typical: USUAL_BYTES, large: LARGE_BYTES}
    answers = {user: administering(clever, ours, user, most) for user, most in sizes.items()}
    bearer = {"Authorization": f"Bearer {_token(provider, world.cases['staff_portal_only'].district)}"}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        files = {user: folder / user for user in answers}
        for user, answer in answers.items():
            files[user].write_bytes(answer)

        def beside(name: str, *arguments: object) -> str:
            return stack.enter_context(serving(module(name, *arguments))).url

        def proxied(name: str, url: str, head: Mapping[str, str] = CREDENTIAL) -> Question:
            return Question(name, url, {**PROXIED, **head}, numbered=True)

        of = path_of(typical)
        bare, held = beside("bare", files[typical]), CREDENTIAL | {"If-None-Match": _tag(ours, typical)}
        questions = (
            proxied(BARE, bare + of),
            proxied(OURS, ours.url + of),
            proxied(HELD, ours.url + of, held),
            proxied(TRACED, traced.url + of),
            proxied(TOKEN, ours.url + of, bearer),
            proxied(BARE_TOKEN, bare + of, bearer),
            proxied(USUAL, beside("usual", files[typical]) + of),
            proxied(BARE_LARGE, beside("bare", files[large]) + path_of(large)),
            proxied(LARGE, ours.url + path_of(large)),
            Question(BARE_PLAIN, bare + of, CREDENTIAL),
            Question(OURS_PLAIN, ours.url + of, CREDENTIAL),
            Question(HELD_PLAIN, ours.url + of, held),
            Question(TRACED_PLAIN, traced.url + of, CREDENTIAL),
        )
        for question in questions:
            _check(question, answers[large if "20 KB" in question.name else typical])
        yield from _figures(load.rates(questions, PAIRS), answers)


def _tag(ours: Served, user: str) -> str:
    with ours.asking() as asking:
        return asking.get(path_of(user)).raise_for_status().headers["etag"]


def _check(question: Question, wanted: bytes) -> None:
    """See to it that what is compared answers the same."""
    answer = httpx.get(question.url, headers=dict(question.headers), timeout=30)
    status, body = (304, b"") if question.name in {HELD, HELD_PLAIN} else (200, wanted)
    if answer.status_code != status or (answer.content != body and question.name != USUAL):
        raise AssertionError(f"another answer than was expected: {question.name}: {answer.status_code}")
    if question.name == USUAL:
        assert answer.json() == httpx.Response(200, content=wanted).json()


def _figures(rates: Rates, answers: Mapping[str, bytes]) -> Iterator[Figure]:
    small, big = (f"{len(answer):,} bytes" for answer in answers.values())
    yield at_least("ours / bare, with a proxy's head", rates.ratio(OURS, BARE), 0.45)
    yield at_least("ours / bare, with wrk's plain head", rates.ratio(OURS_PLAIN, BARE_PLAIN), 0.45)
    yield at_least("304 / bare, with a proxy's head", rates.ratio(HELD, BARE), 0.45)
    yield at_least("304 / bare, with wrk's plain head", rates.ratio(HELD_PLAIN, BARE_PLAIN), 0.45)
    yield at_least("traces of 1 % / bare, with a proxy's head", rates.ratio(TRACED, BARE), 0.25)
    yield at_least("traces of 1 % / bare, with wrk's plain head", rates.ratio(TRACED_PLAIN, BARE_PLAIN), 0.25)
    yield told(f"bare server, {small}, a proxy's head: requests a second", rates.of(BARE))
    yield told(f"bare server, {small}, wrk's plain head: requests a second", rates.of(BARE_PLAIN))
    yield told(f"bare server, {big}: requests a second", rates.of(BARE_LARGE))
    yield told("ours, with a proxy's head: requests a second", rates.of(OURS))
    yield told("ours, with wrk's plain head: requests a second", rates.of(OURS_PLAIN))
    yield told("ours, with a cached RS256 token: requests a second", rates.of(TOKEN))
    yield at_least(
        "ours / bare with a cached RS256 token, / the same with a key",
        rates.ratio_of_ratios((TOKEN, BARE_TOKEN), (OURS, BARE)),
        0.95,
    )
    yield at_least(
        f"ours / bare at {big}, / the same at {small}",
        rates.ratio_of_ratios((LARGE, BARE_LARGE), (OURS, BARE)),
        0.90,
    )
    yield told("the usual way / bare", rates.ratio(USUAL, BARE))
