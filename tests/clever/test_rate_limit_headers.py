"""What the headers of Clever's answers say of its limits: of one, or of several where a gateway has its own."""

import math
from itertools import permutations

import httpx
import pytest

from app.clever.http import RequestContext
from app.clever.models import Entry
from app.clever.rate_limit import Rate, fields_of, rates_of, wait_of
from app.clever.records import UserRecord
from app.clever.resilience import TokenStates, Transport
from app.domain.errors import CleverLimited
from app.domain.read_context import ReadContext, Urgency
from tests.conftest import MovedClock

NOW = 1_000
SHORT, LONG = (200, 3, NOW + 20), (1200, 900, NOW + 50)
ME = "a" * 24

HeaderLines = list[tuple[bytes, bytes]]


def line(name: str, *entries: object, between: str = ", ") -> tuple[bytes, bytes]:
    return f"X-RateLimit-{name}".encode(), between.join(map(str, entries)).encode()


def header_lines(*buckets: tuple[object, object, object], between: str = ", ") -> HeaderLines:
    names = ("Limit", "Remaining", "Reset")
    return [
        line(name, *entries, between=between) for name, entries in zip(names, zip(*buckets, strict=True), strict=True)
    ]


def repeated(*buckets: tuple[object, object, object]) -> HeaderLines:
    return [each for bucket in buckets for each in header_lines(bucket)]


def rates(said: HeaderLines) -> list[tuple[int, int, int]]:
    return [(rate.limit, rate.left, rate.reset) for rate in rates_of(fields_of(said), lambda: NOW)]


def wait(said: HeaderLines) -> int | None:
    return wait_of(fields_of(said), lambda: NOW, limited=True)


@pytest.mark.parametrize("buckets", list(permutations((SHORT, LONG, (5000, 4000, NOW + 9)))))
@pytest.mark.parametrize("write", [header_lines, repeated, lambda *buckets: header_lines(*buckets, between=" ,\t,")])
def test_the_bucket_with_the_fewest_requests_left_comes_first(buckets: object, write: object) -> None:
    assert rates(write(*buckets)) == [SHORT, LONG, (5000, 4000, NOW + 9)]  # type: ignore[operator,misc]


def test_of_lines_in_any_order_those_of_one_name_are_one_list() -> None:
    assert rates(sorted(repeated(LONG, SHORT), key=lambda each: each[0])) == [SHORT, LONG]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([line("Limit", 200, 1200), line("Remaining", 3), line("Reset", NOW + 20, NOW + 50)], (200, 3, NOW + 50)),
        ([line("Limit", 1200), line("Remaining", 900, 3), line("Reset", NOW + 20)], (1200, 3, NOW + 20)),
        ([line("Limit", 200, 1200), line("Remaining", 900), line("Reset", NOW + 20)], (200, 200, NOW + 20)),
        ([line("Limit", 200, 1200), line("Remaining", 900, 3), line("Reset", 1, NOW + 2)], (200, 3, NOW + 2)),
        (header_lines((1200, 900, NOW + 50), ("many", 3, NOW + 20)), (1200, 3, NOW + 50)),
        (header_lines((1200, 900, NOW + 50), (200, "few", NOW + 20)), (200, 200, NOW + 50)),
        (header_lines((1200, 900, NOW + 50), (200, 3, "soon")), (200, 3, NOW + 50)),
        ([line("Limit", "10, 10;w=1, 1000;w=3600"), line("Remaining", 9), line("Reset", NOW + 1)], (10, 9, NOW + 1)),
    ],
)
def test_entries_that_do_not_belong_together_are_one_bucket_as_small_as_any(
    said: HeaderLines, expected: tuple[int, int, int]
) -> None:
    assert rates(said) == [expected]


@pytest.mark.parametrize(
    "said",
    [
        [],
        header_lines((1200, 900, "soon")),
        header_lines(("", 900, NOW + 20)),
        header_lines((0, 0, NOW + 20)),
        header_lines((-1, "", NOW + 20), ("x" * 5000, "y", "z")),
        header_lines(SHORT)[:2],
    ],
)
def test_what_is_not_all_said_says_nothing(said: HeaderLines) -> None:
    assert rates(said) == []


def test_a_limit_of_none_is_no_bucket_and_very_many_are_cut_off() -> None:
    assert rates(header_lines(LONG, (0, 0, NOW + 9))) == [LONG]
    assert len(rates(header_lines(*((limit, 1, NOW + 9) for limit in range(1, 1000))))) == 8


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (header_lines((200, 0, NOW + 20), (1200, 900, NOW + 50)), 20),
        (header_lines((1200, 900, NOW + 5), (200, 0, NOW + 20)), 20),
        (repeated((1200, 900, NOW + 5), (200, 0, NOW + 20)), 20),
        (header_lines((200, 0, NOW + 20), (1200, 0, NOW + 50)), 50),
        (header_lines(SHORT, LONG), 20),
        ([*header_lines(SHORT, LONG), (b"Retry-After", b"9")], 9),
        ([*header_lines((200, 0, NOW + 20), LONG), (b"Retry-After", b"9")], 20),
        ([line("Reset", NOW + 20, NOW + 30)], 30),
        ([(b"Retry-After", b"9"), (b"retry-after", b"20")], 20),
        ([(b"Retry-After", b"9, soon")], 9),
        ([(b"Retry-After", b"Thu, 01 Jan 1970 00:17:07 GMT, Thu, 01 Jan 1970 00:16:50 GMT, 3")], 27),
        ([*header_lines((200, 0, 5_020), LONG), (b"Date", b"Thu, 01 Jan 1970 01:23:20 GMT"), (b"Date", b"never")], 20),
    ],
)
def test_the_wait_is_until_the_bucket_that_is_used_up_is_filled_again(said: HeaderLines, seconds: int) -> None:
    assert wait(said) == seconds


@pytest.mark.parametrize("write", [header_lines, repeated])
def test_a_gateway_may_tell_the_end_of_a_window_in_seconds_from_now(write: object) -> None:
    now = 1_700_000_000
    fields = fields_of(write((1200, 900, now + 50), (200, 0, 20)))  # type: ignore[operator]
    found = [(rate.limit, rate.reset, rate.seconds) for rate in rates_of(fields, lambda: now)]
    assert found == [(200, now + 20, 20), (1200, now + 50, 50)]
    assert wait_of(fields, lambda: now, limited=True) == 20
    assert wait_of(fields_of([line("Reset", 20)]), lambda: now, limited=True) == 20


def over(clock: MovedClock, said: HeaderLines, status: int) -> Transport:
    headers = [*said, (b"content-type", b"application/json")]
    way = httpx.MockTransport(lambda _: httpx.Response(status, headers=headers, json={"data": {"id": ME}}))
    return Transport(way, wall=lambda: NOW, token_states=TokenStates(clock))


async def read(transport: Transport, urgency: Urgency = Urgency.COLD) -> None:
    request_context = RequestContext("Bearer hush", ReadContext(urgency=urgency), math.inf)
    await transport.read(f"https://clever.test/v3.0/users/{ME}", request_context, Entry[UserRecord])


@pytest.mark.parametrize("write", [header_lines, repeated])
async def test_the_budget_goes_by_the_tightest_bucket(write: object) -> None:
    clock = MovedClock()
    transport = over(clock, write(LONG, SHORT), 200)  # type: ignore[operator]
    await read(transport)
    assert transport.token_states.budget_left() == 3 / 200
    with pytest.raises(CleverLimited) as caught:
        await read(transport, Urgency.RENEWAL)
    assert caught.value.retry_after == 20
    clock.move(20)
    assert transport.token_states.budget_left() == 900 / 1200


@pytest.mark.parametrize("write", [header_lines, repeated])
async def test_after_a_429_it_is_waited_for_the_bucket_that_is_used_up(write: object) -> None:
    transport = over(MovedClock(), write((1200, 900, NOW + 5), (200, 0, NOW + 20)), 429)  # type: ignore[operator]
    for _ in range(2):
        with pytest.raises(CleverLimited) as caught:
            await read(transport, Urgency.RENEWAL)
        assert caught.value.retry_after == 20


def test_a_rate_is_what_one_bucket_has() -> None:
    assert rates_of(fields_of(header_lines(SHORT)), lambda: NOW) == (Rate(200, 3, NOW + 20, 20),)
