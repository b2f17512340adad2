"""The hot path over HTTP: the permission set of a cached user, beside a bare server that answers the same bytes."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from app.domain.callers import CallerScope
from app.sandbox.world import World, generate
from tests.bench import tools
from tests.bench.cast import LARGE_BYTES, USUAL_BYTES, administering, path_of
from tests.bench.load import Generator, Pair, Question, Rates, generator
from tests.bench.processes import CREDENTIAL, Served, module, sandbox, service, serving, settings, until_ready
from tests.chaos.report import Figure, at_least, told
from tests.identity.provider import AUDIENCE, DISTRICTS_CLAIM, FakeProvider, running_provider

SECONDS, ROUNDS = 1, 13

BARE, KEY, BARE_TOKEN, TOKEN, STRIPPED, HELD, NAMED, USUAL = (
    "bare",
    "key",
    "bare, token",
    "token",
    "stripped",
    "304",
    "named",
    "usual",
)
BARE_LARGE, KEY_LARGE = "bare, 20 KB", "key, 20 KB"
PAIRS = (
    Pair(KEY, BARE),
    Pair(KEY_LARGE, BARE_LARGE),
    Pair(TOKEN, BARE_TOKEN),
    Pair(KEY, STRIPPED),
    Pair(TOKEN, STRIPPED),
    Pair(HELD, BARE),
    Pair(NAMED, BARE),
    Pair(USUAL, BARE),
)


def main() -> list[Figure]:
    """Measure, and return what was reached."""
    world = generate()
    with (
        sandbox() as clever,
        running_provider() as provider,
        generator(tools.wrk(), seconds=SECONDS, rounds=ROUNDS) as load,
        service(settings(clever, **_taking_tokens(provider))) as ours,
    ):
        until_ready(ours)
        return [*_measured(load, clever, provider, ours, world)]


def _taking_tokens(provider: FakeProvider) -> Mapping[str, str]:
    return {
        "ROSTERGUARD_OIDC_ISSUER": provider.url,
        "ROSTERGUARD_OIDC_AUDIENCE": AUDIENCE,
        "ROSTERGUARD_OIDC_DISTRICTS_CLAIM": DISTRICTS_CLAIM,
    }


def _token(provider: FakeProvider, district: str) -> str:
    given: dict[str, Any] = {"scope": CallerScope.PERMISSIONS_READ.value, DISTRICTS_CLAIM: [district]}
    return provider.token(exp=int(time.time()) + 3600, **given)


def _measured(load: Generator, clever: Served, provider: FakeProvider, ours: Served, world: World) -> Iterator[Figure]:
    usual, large = world.cases["staff_portal_only"].user, world.cases["staff_both_qualifiers"].user
    sizes = {usual: USUAL_BYTES, large: LARGE_BYTES}
    answers = {user: administering(clever, ours, user, most) for user, most in sizes.items()}
    bearer = f"Bearer {_token(provider, world.cases['staff_portal_only'].district)}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        files = {user: folder / user for user in answers}
        for user, answer in answers.items():
            files[user].write_bytes(answer)

        def beside(name: str, *arguments: object, **environment: str) -> str:
            return stack.enter_context(serving(module(name, *arguments), environment=environment)).url

        of = path_of(usual)
        stripped = beside("stripped", **settings(clever))
        bare = beside("bare", files[usual])
        questions = (
            Question(BARE, bare + of, CREDENTIAL),
            Question(KEY, ours.url + of, CREDENTIAL),
            Question(TOKEN, ours.url + of, {"Authorization": bearer}),
            Question(BARE_TOKEN, bare + of, {"Authorization": bearer}),
            Question(STRIPPED, stripped + of, CREDENTIAL),
            Question(HELD, ours.url + of, CREDENTIAL | {"If-None-Match": _tag(ours, usual)}),
            Question(NAMED, ours.url + of, CREDENTIAL | {"X-Request-ID": "of-the-caller"}),
            Question(USUAL, beside("usual", files[usual]) + of, CREDENTIAL),
            Question(BARE_LARGE, beside("bare", files[large]) + path_of(large), CREDENTIAL),
            Question(KEY_LARGE, ours.url + path_of(large), CREDENTIAL),
        )
        for question in questions:
            _check(question, answers[large if "20 KB" in question.name else usual])
        yield from _figures(load.rates(questions, PAIRS), answers)


def _tag(ours: Served, user: str) -> str:
    with ours.asking() as asking:
        return asking.get(path_of(user)).raise_for_status().headers["etag"]


def _check(question: Question, wanted: bytes) -> None:
    """See to it that what is compared answers the same."""
    answer = httpx.get(question.url, headers=dict(question.headers), timeout=30)
    status, body = (304, b"") if question.name == HELD else (200, wanted)
    if answer.status_code != status or (answer.content != body and question.name != USUAL):
        raise AssertionError(f"another answer than was expected: {question.name}: {answer.status_code}")
    if question.name == USUAL:
        assert answer.json() == httpx.Response(200, content=wanted).json()


def _figures(rates: Rates, answers: Mapping[str, bytes]) -> Iterator[Figure]:
    small, big = (f"{len(answer):,} bytes" for answer in answers.values())
    yield told(f"bare server, {small}: requests a second", rates.of(BARE))
    yield told(f"bare server, {big}: requests a second", rates.of(BARE_LARGE))
    yield told("ours, with an API key: requests a second", rates.of(KEY))
    yield at_least("ours, with an API key / bare (aim 0.70)", rates.ratio(KEY, BARE), 0.60)
    yield told("ours, with a cached RS256 token: requests a second", rates.of(TOKEN))
    yield at_least(
        "ours / bare with a cached RS256 token, / the same with a key",
        rates.ratio_of_ratios((TOKEN, BARE_TOKEN), (KEY, BARE)),
        0.95,
    )
    yield at_least(
        f"ours / bare at {big}, / the same at {small}",
        rates.ratio_of_ratios((KEY_LARGE, BARE_LARGE), (KEY, BARE)),
        0.90,
    )
    yield at_least("ours, with a key / without callers, lines, metrics and ids", rates.ratio(KEY, STRIPPED), 0.90)
    yield at_least("ours, with a token / the same", rates.ratio(TOKEN, STRIPPED), 0.85)
    yield told("ours, 304 / bare", rates.ratio(HELD, BARE))
    yield told("ours, where callers name each request / bare", rates.ratio(NAMED, BARE))
    yield told("the usual way / bare", rates.ratio(USUAL, BARE))
