import asyncio
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
import pytest

from app.clever.resilience import Transport
from app.clever.tokens import Tokens, listed_tokens, one_token, with_token
from app.domain.errors import (
    CleverBusy,
    CleverFailed,
    CleverMalformed,
    CleverPagingBroken,
    CleverRefusedToken,
    CleverTimedOut,
    UserUnknown,
)
from app.domain.ids import DistrictId, IdShape
from tests.waiting import turn

NORTH, SOUTH = DistrictId("1" * 24), DistrictId("2" * 24)
API, AUTH = "https://api.clever.test/v3.0", "https://clever.test"
LISTING = "/oauth/tokens?owner_type=district"


@dataclass
class Clever:
    """Answers by path and query, and remembers what it was asked; a status alone is an answer, too."""

    answers: dict[str, object]
    asked: list[str] = field(default_factory=list)
    now: float = 100.0
    wakes: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.wakes.set()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await turn()  # lets others join the flight
        await self.wakes.wait()
        self.asked.append(f"{request.headers['authorization']} {request.url.raw_path.decode()}")
        answer = self.answers[request.url.raw_path.decode()]
        return (
            httpx.Response(answer, json={"message": "hush"})
            if isinstance(answer, int)
            else httpx.Response(200, json=answer)
        )

    def transport(self) -> Transport:
        return Transport(httpx.MockTransport(self))

    def one(self) -> Tokens:
        return one_token(self.transport(), API, "token-n", IdShape())

    def discovered(self) -> Tokens:
        return listed_tokens(self.transport(), AUTH, ("id", "secret"), IdShape(), lambda: self.now)


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(one.levelname, one.getMessage()) for one in caplog.records if one.name == "rosterguard"]


def districts(*ids: str) -> Mapping[str, object]:
    return {"data": [{"data": {"id": one, "name": "A district"}, "uri": f"/v3.0/districts/{one}"} for one in ids]}


def entry(district: str, token: str | None, created: str = "2024-01-01T00:00:00.000Z") -> Mapping[str, object]:
    owner = {"type": "district", "id": district}
    return {"id": "f" * 24, "created": created, "owner": owner, "access_token": token, "scopes": ["read:sis"]}


def listing(*entries: Mapping[str, object], following: str | None = None) -> Mapping[str, object]:
    return {"data": list(entries), "links": [{"rel": "next", "uri": following}] if following else []}


async def test_the_district_of_the_only_token_is_the_one_that_clever_names_for_it() -> None:
    clever = Clever({"/v3.0/districts": districts(NORTH)})
    tokens = clever.one()
    assert await asyncio.gather(*(tokens.districts() for _ in range(5))) == [{NORTH}] * 5
    assert await tokens.token(NORTH) == "token-n"
    with pytest.raises(UserUnknown):
        await tokens.token(SOUTH)
    assert clever.asked == ["Bearer token-n /v3.0/districts"]


@pytest.mark.parametrize("named", [(), (NORTH, SOUTH), ("district 1",)])
async def test_the_only_token_has_to_read_exactly_one_district(named: tuple[str, ...]) -> None:
    with pytest.raises(CleverMalformed):
        await Clever({"/v3.0/districts": districts(*named)}).one().districts()


async def test_a_failure_to_connect_is_shared_by_those_who_wait_and_then_forgotten() -> None:
    clever = Clever({"/v3.0/districts": 500})
    tokens = clever.one()
    failed = await asyncio.gather(*(tokens.districts() for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in failed] == [CleverFailed] * 3
    assert len(clever.asked) == 4
    clever.answers["/v3.0/districts"] = districts(NORTH)
    assert await tokens.districts() == {NORTH}


async def test_all_connected_districts_are_discovered_once_for_however_many_wait() -> None:
    clever = Clever({LISTING: listing(entry(NORTH, "token-n"), entry(SOUTH, "token-s"))})
    tokens = clever.discovered()
    assert await asyncio.gather(*(tokens.districts() for _ in range(5))) == [{NORTH, SOUTH}] * 5
    assert await tokens.token(SOUTH) == "token-s"
    assert clever.asked == [f"Basic {b64encode(b'id:secret').decode()} {LISTING}"]


async def test_discovery_goes_on_when_the_one_who_waited_gives_up() -> None:
    clever = Clever({LISTING: listing(entry(NORTH, "token-n"))})
    tokens = clever.discovered()
    impatient = asyncio.create_task(tokens.districts())
    await turn()
    impatient.cancel()
    assert await tokens.districts() == {NORTH}
    assert len(clever.asked) == 1


async def test_discovery_follows_its_pages_and_takes_the_newest_token_of_each_district_alone() -> None:
    second = f"{LISTING}&page=2"
    clever = Clever(
        {
            LISTING: listing(
                entry(NORTH, "newer", "2024-02-01T00:00:00.000Z"),
                entry(NORTH, "older", "2024-01-01T00:00:00.000Z"),
                entry("district 7", "malformed"),
                {"owner": {"type": "user", "id": "7" * 24}, "access_token": "not-a-district"},
                {"id": "f" * 24},
                following=second,
            ),
            second: listing(entry(SOUTH, "token-s")),
        }
    )
    tokens = clever.discovered()
    assert await tokens.districts() == {NORTH, SOUTH}
    assert (await tokens.token(NORTH), await tokens.token(SOUTH)) == ("newer", "token-s")


async def test_discovery_never_leaves_the_origin_that_gets_the_secret() -> None:
    clever = Clever({LISTING: listing(entry(NORTH, "token-n"), following=f"{API}{LISTING}")})
    with pytest.raises(CleverPagingBroken):
        await clever.discovered().districts()


async def test_to_read_with_the_token_of_an_unknown_district_triggers_no_discovery() -> None:
    clever = Clever({LISTING: listing(entry(NORTH, "token-n"))})
    tokens = clever.discovered()
    await tokens.districts()
    for _ in range(3):
        clever.now += 3600
        with pytest.raises(UserUnknown):
            await tokens.token(SOUTH)
    assert len(clever.asked) == 1


async def test_a_district_that_connected_is_found_by_a_look_for_however_many_wait() -> None:
    clever = Clever({LISTING: listing(entry(NORTH, "token-n"))})
    tokens = clever.discovered()
    await tokens.districts()
    clever.answers[LISTING] = listing(entry(NORTH, "token-n"), entry(SOUTH, "token-s"))
    assert not tokens.is_settled()
    assert await asyncio.gather(*(tokens.districts_now() for _ in range(5))) == [{NORTH, SOUTH}] * 5
    assert (await tokens.token(SOUTH), tokens.is_settled()) == ("token-s", True)
    assert len(clever.asked) == 2


async def test_looks_are_five_seconds_apart_and_the_last_one_counts_meanwhile() -> None:
    clever = Clever({LISTING: listing(entry(NORTH, "token-n"))})
    tokens = clever.discovered()
    assert await tokens.districts_now() == {NORTH}
    clever.answers[LISTING] = listing(entry(NORTH, "token-n"), entry(SOUTH, "token-s"))
    clever.now += 4.9
    assert await tokens.districts_now(after=100) == {NORTH}
    with pytest.raises(CleverBusy) as early:
        await tokens.districts_now(after=clever.now)
    assert (early.value.retry_after, len(clever.asked)) == (1, 1)
    clever.now += 0.1
    assert await tokens.districts_now(after=clever.now) == {NORTH, SOUTH}


async def test_a_discovery_that_fails_is_not_repeated_for_five_seconds_and_is_raised_to_all() -> None:
    clever = Clever({LISTING: listing(entry(NORTH, "token-n"))})
    tokens = clever.discovered()
    await tokens.districts()
    clever.answers[LISTING] = 503
    for _ in range(3):
        with pytest.raises(CleverFailed):
            await tokens.districts_now()
    assert await tokens.districts() == {NORTH}
    assert len(clever.asked) == 1 + 4
    clever.answers[LISTING] = listing(entry(SOUTH, "token-s"))
    clever.now += 5
    assert await tokens.districts_now() == {SOUTH}


async def test_nobody_waits_long_for_a_look_and_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.clever.tokens.LOOK_UP_TIMEOUT", 0.01)
    clever = Clever({LISTING: listing(entry(NORTH, "token-n"))})
    tokens = clever.discovered()
    clever.wakes.clear()
    for _ in range(1000):
        with pytest.raises(CleverTimedOut) as late:
            await tokens.districts_now()
        assert (late.value.retry_after, tokens.is_settled()) == (1, False)
    clever.wakes.set()
    await tokens.districts()
    assert await tokens.districts_now() == {NORTH}
    assert len(clever.asked) == 1


async def test_with_one_token_there_is_nothing_to_look_for() -> None:
    clever = Clever({"/v3.0/districts": districts(NORTH)})
    tokens = clever.one()
    for _ in range(3):
        assert await tokens.districts_now(after=1e9) == {NORTH}
        assert tokens.is_settled()
    assert len(clever.asked) == 1


async def test_a_refused_token_is_discovered_again_once_for_however_many_wait() -> None:
    clever = Clever({LISTING: listing(entry(NORTH, "old"))})
    tokens = clever.discovered()
    await tokens.districts()
    clever.answers[LISTING] = listing(entry(NORTH, "new"))
    clever.now += 10
    assert await asyncio.gather(*(tokens.renewed_token(NORTH, "old") for _ in range(5))) == ["new"] * 5
    assert await tokens.renewed_token(NORTH, "old") == "new"
    assert await tokens.token(NORTH) == "new"
    assert len(clever.asked) == 2


async def test_discovery_because_of_refused_tokens_waits_ten_seconds_after_the_last_one() -> None:
    clever = Clever({LISTING: listing(entry(NORTH, "old"))})
    tokens = clever.discovered()
    await tokens.districts()
    clever.now += 9.9
    assert await tokens.renewed_token(NORTH, "old") is None
    assert len(clever.asked) == 1
    clever.now += 0.1
    assert await tokens.renewed_token(NORTH, "old") is None
    assert len(clever.asked) == 2


async def test_whether_a_token_was_rightly_refused_stays_unknown_while_discovery_fails() -> None:
    clever = Clever({LISTING: listing(entry(NORTH, "old"))})
    tokens = clever.discovered()
    await tokens.districts()
    clever.answers[LISTING] = 503
    clever.now += 10
    for _ in range(2):
        with pytest.raises(CleverFailed):
            await tokens.renewed_token(NORTH, "old")
    assert len(clever.asked) == 5


async def refusal(tokens: Tokens, *, within: float = 2) -> CleverRefusedToken:
    """What a reading ends in that Clever refuses with every token."""
    refused = CleverRefusedToken("refused")

    async def snapshot(_: str) -> None:
        raise refused

    with pytest.raises(CleverRefusedToken) as caught:
        await with_token(tokens, NORTH, snapshot, within=within)
    assert caught.value is refused
    return caught.value


@pytest.mark.parametrize("trouble", [401, 503, {"data": "hush"}])
async def test_a_refused_token_is_an_answer_where_no_other_can_be_had(trouble: object) -> None:
    clever = Clever({LISTING: listing(entry(NORTH, "old"))})
    tokens = clever.discovered()
    await tokens.districts()
    clever.answers[LISTING] = trouble
    clever.now += 10
    assert str(await refusal(tokens)) == "refused"


async def test_another_token_than_a_refused_one_is_not_waited_for_long() -> None:
    clever = Clever({LISTING: listing(entry(NORTH, "old"))})
    tokens = clever.discovered()
    await tokens.districts()
    clever.wakes.clear()
    clever.now += 10
    async with asyncio.timeout(5):
        assert str(await refusal(tokens, within=0.01)) == "refused"
    clever.answers[LISTING] = listing(entry(NORTH, "new"))
    clever.wakes.set()
    assert await tokens.renewed_token(NORTH, "old") == "new"


async def test_a_district_that_disconnected_is_unknown_from_the_next_refresh_on() -> None:
    clever = Clever({LISTING: listing(entry(NORTH, "token-n"), entry(SOUTH, "token-s"))})
    tokens = clever.discovered()
    await tokens.districts()
    clever.answers[LISTING] = listing(entry(NORTH, "token-n"))
    await tokens.refresh()
    assert await tokens.districts() == {NORTH}
    with pytest.raises(UserUnknown):
        await tokens.token(SOUTH)


async def test_a_refresh_that_fails_leaves_all_as_it_was() -> None:
    clever = Clever({LISTING: listing(entry(NORTH, "token-n"))})
    tokens = clever.discovered()
    await tokens.districts()
    clever.answers[LISTING] = 401
    with pytest.raises(CleverRefusedToken):
        await tokens.refresh()
    assert await tokens.districts() == {NORTH}


@pytest.mark.parametrize("bad", ["", "two words", "line\nbreak", "ümlaut"])
async def test_what_cannot_stand_in_a_header_is_no_token_and_is_not_repeated(bad: str) -> None:
    with pytest.raises(ValueError, match=r"^a token has visible ASCII characters only$"):
        one_token(Clever({}).transport(), API, bad, IdShape())
    with pytest.raises(CleverMalformed) as caught:
        await Clever({LISTING: listing(entry(NORTH, bad))}).discovered().districts()
    assert not bad or bad not in f"{caught.value} {caught.value.__cause__}"


ODD_TOKENS: list[object] = [None, "", "two words", "line\nbreak", "ümlaut", 7, []]
ODD_RECORDS: list[object] = [
    *({**entry(SOUTH, "token-s"), "access_token": odd} for odd in ODD_TOKENS),
    {key: value for key, value in entry(SOUTH, "token-s").items() if key != "access_token"},
    {**entry(SOUTH, "token-s"), "owner": None},
    {**entry(SOUTH, "token-s"), "owner": "district"},
    {**entry(SOUTH, "token-s"), "owner": {"type": 7, "id": SOUTH}},
    {**entry(SOUTH, "token-s"), "owner": {"id": SOUTH}},
    {**entry(SOUTH, "token-s"), "owner": {"type": "district"}},
    entry("district 2", "token-s"),
    None,
    "hush",
    {},
]


@pytest.mark.parametrize("odd", ODD_RECORDS)
async def test_a_record_that_cannot_be_used_takes_out_no_other(odd: object, caplog: pytest.LogCaptureFixture) -> None:
    tokens = Clever({LISTING: {"data": [odd, entry(NORTH, "token-n"), odd]}}).discovered()
    assert await tokens.districts() == {NORTH}
    assert await tokens.token(NORTH) == "token-n"
    assert told(caplog) == [
        ("WARNING", "district tokens that Clever lists and that cannot be used are left out: 2"),
    ]


@pytest.mark.parametrize("odd", ODD_RECORDS)
async def test_a_list_of_which_no_record_can_be_used_is_no_list_without_districts(odd: object) -> None:
    with pytest.raises(CleverMalformed, match=r"^Clever lists tokens of districts, and none of them can be used$"):
        await Clever({LISTING: {"data": [odd]}}).discovered().districts()


@pytest.mark.parametrize("created", [None, 7, "", [1]])
async def test_when_a_token_was_made_may_be_unknown(created: object) -> None:
    undated = {**entry(SOUTH, "token-s"), "created": created}
    tokens = Clever({LISTING: listing(undated, entry(NORTH, "token-n"))}).discovered()
    assert await tokens.districts() == {NORTH, SOUTH}


@pytest.mark.parametrize("entries", [[], [{"owner": {"type": "user", "id": NORTH}, "access_token": "token"}]])
async def test_a_list_without_districts_is_fine_and_logged_once_per_discovery(
    entries: list[Mapping[str, object]], caplog: pytest.LogCaptureFixture
) -> None:
    tokens = Clever({LISTING: listing(*entries)}).discovered()
    assert await asyncio.gather(*(tokens.districts() for _ in range(3))) == [frozenset()] * 3
    none = ("WARNING", "no district is connected: Clever lists no district token for the client id and secret")
    assert told(caplog) == [none]
    await tokens.refresh()
    assert told(caplog) == [none, none]


async def test_a_refresh_without_a_usable_record_leaves_all_as_it_was() -> None:
    clever = Clever({LISTING: listing(entry(NORTH, "token-n"))})
    tokens = clever.discovered()
    await tokens.districts()
    clever.answers[LISTING] = listing(entry(NORTH, None))
    with pytest.raises(CleverMalformed):
        await tokens.refresh()
    assert await tokens.token(NORTH) == "token-n"


async def test_a_refused_client_is_reported_as_such_and_not_as_a_refused_district_token() -> None:
    with pytest.raises(CleverRefusedToken, match=r"^Clever refuses the client id and secret: ") as caught:
        await Clever({LISTING: 401}).discovered().districts()
    assert "district" not in str(caught.value)
    with pytest.raises(CleverRefusedToken, match=r"^Clever refuses the token: "):
        await Clever({"/v3.0/districts": 401}).one().districts()


async def test_tokens_and_secrets_do_not_show() -> None:
    clever = Clever({LISTING: listing(entry(NORTH, "token-n"))})
    one, discovered = clever.one(), clever.discovered()
    await discovered.districts()
    assert "token-n" not in f"{one!r} {discovered!r}"
