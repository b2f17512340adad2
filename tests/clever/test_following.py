"""When Clever counts as connected: not before it accepted the token of a district."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
import pytest

from app.clever.resilience import CleverState, Transport
from app.clever.tokens import keep_connected, listed_tokens, one_token
from app.domain.ids import IdShape

NORTH, SOUTH = "1" * 24, "2" * 24
API = "https://api.clever.test/v3.0"
LISTING = "Basic /oauth/tokens"


@dataclass
class Clever:
    """A Clever of some districts by token, of which it refuses some; the pauses between attempts are numbered."""

    listed: dict[str, str]
    refused: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    later: dict[int, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.transport = Transport(httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        scheme, secret = request.headers["authorization"].split(" ")
        if scheme == "Basic":
            self.asked.append(LISTING)
            return httpx.Response(200, json={"data": [_entry(*one) for one in self.listed.items()]})
        assert str(request.url) == f"{API}/districts"
        self.asked.append(secret)
        if secret in self.refused:
            return httpx.Response(401)
        return httpx.Response(200, json={"data": [{"data": {"id": self.listed[secret]}}]})

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.listed = self.later.get(len(self.pauses), self.listed)
        if len(self.pauses) == 3:
            raise asyncio.CancelledError

    async def follow(self, *, only: str | None = None) -> CleverState:
        found = listed_tokens(self.transport, "https://clever.test", ("id", "secret"), IdShape(), self._ticks)
        tokens = one_token(self.transport, API, only, IdShape()) if only else found
        with pytest.raises(asyncio.CancelledError):
            await keep_connected(self.transport, tokens, API, sleep=self._sleep)
        return self.transport.state

    def _ticks(self) -> float:
        return 10.0 * len(self.asked)


def _entry(token: str, district: str) -> Mapping[str, object]:
    return {"owner": {"type": "district", "id": district}, "access_token": token}


async def test_after_discovery_one_district_token_is_tried_and_no_traffic_is_needed() -> None:
    clever = Clever({"north": NORTH, "south": SOUTH})
    assert await clever.follow() == CleverState(accepted_once=True, outcome="ok")
    assert clever.asked == [LISTING, "north", LISTING, LISTING]
    assert clever.pauses == [600, 600, 600]


async def test_after_a_token_that_is_refused_another_districts_is_tried() -> None:
    clever = Clever({"north": NORTH, "south": SOUTH}, refused={"north"})
    assert await clever.follow() == CleverState(accepted_once=True, outcome="ok")
    assert clever.asked == [LISTING, "north", LISTING, "south", LISTING]
    assert clever.pauses == [2, 600, 600]


async def test_tokens_that_are_listed_and_refused_do_not_count_as_accepted() -> None:
    clever = Clever({"north": NORTH}, refused={"north"})
    assert await clever.follow() == CleverState(accepted_once=False, outcome="token_refused")
    assert clever.pauses == [2, 4, 8]


async def test_a_token_that_was_replaced_since_is_found_and_tried() -> None:
    clever = Clever({"old": NORTH}, refused={"old"}, later={1: {"new": NORTH}})
    assert await clever.follow() == CleverState(accepted_once=True, outcome="ok")
    assert clever.asked == [LISTING, "old", LISTING, "old", LISTING, "new", LISTING]


async def test_without_districts_nothing_was_accepted_until_one_is_connected() -> None:
    clever = Clever({})
    assert await clever.follow() == CleverState(accepted_once=False, outcome="not_asked")
    clever = Clever({}, later={2: {"north": NORTH}})
    assert await clever.follow() == CleverState(accepted_once=True, outcome="ok")
    assert clever.asked == [LISTING, LISTING, LISTING, "north"]


async def test_the_token_of_the_settings_is_tried_once() -> None:
    clever = Clever({"only": NORTH})
    assert await clever.follow(only="only") == CleverState(accepted_once=True, outcome="ok")
    assert clever.asked == ["only"]


async def test_the_first_district_to_be_connected_does_not_wait_for_long() -> None:
    clever = Clever({}, later={2: {"new": NORTH}})
    assert await clever.follow() == CleverState(accepted_once=True, outcome="ok")
    assert clever.pauses == [2, 4, 600]
