import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import httpx
import pytest

from app.clever.client import CleverClient, ReadTimeouts
from app.clever.pagination import Endpoint
from app.clever.resilience import CleverState, TokenStates, Transport
from app.clever.tokens import listed_tokens, one_token
from app.clever.versions import FAMILIES
from app.domain.calendar import Calendar, Term
from app.domain.errors import (
    CleverCircuitOpen,
    CleverFailed,
    CleverForbade,
    CleverMalformed,
    CleverRecordMissing,
    CleverRefusedToken,
    CleverTimedOut,
    RosterguardError,
    UserUnknown,
)
from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import DistrictId, IdShape, UserId
from app.domain.read_context import ReadContext
from app.domain.scopes import Scope
from tests.waiting import eventually

REFUSED = (
    "Clever refuses the token: see whether the district is still connected to the application, and put a valid"
    " district token, or client id and secret, into the settings"
)

CLIENT_REFUSED = (
    "Clever refuses the client id and secret: see whether both are those of the application, and put them right in the"
    " settings"
)

READ_CONTEXT = ReadContext()
ME, DISTRICT = UserId("a" * 24), DistrictId("d" * 24)
NORTH, ALGEBRA = "1" * 24, "4" * 24

NEVER = "never"
LISTING = "/oauth/tokens"


@dataclass
class Clever:
    """A Clever of one user: answers by path, where a number is a status and `NEVER` no answer at all."""

    roles: Mapping[str, object]
    answers: dict[str, object] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    broken_off: list[str] = field(default_factory=list)
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    wakes: asyncio.Event = field(default_factory=asyncio.Event)
    now: float = 0.0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix(f"/v3.0/users/{ME}")
        self.asked.append(path)
        if request.headers["authorization"].removeprefix("Bearer ") in self.refused:
            return httpx.Response(401)
        usual: dict[str, object] = {
            "": {"data": {"id": ME, "district": DISTRICT, "roles": self.roles}},
            "/sections": {"data": [{"data": {"id": ALGEBRA, "district": DISTRICT, "teacher": ME}}]},
            "/schools": {"data": [{"data": {"id": NORTH, "district": DISTRICT}}]},
            "/v3.0/districts": {"data": [{"data": {"id": DISTRICT}}]},
            LISTING: tokens("new"),
        }
        answer = (usual | self.answers)[path]
        if answer == NEVER:
            await self._hang(path)
        return (
            httpx.Response(answer, json={"message": "hush"})
            if isinstance(answer, int)
            else httpx.Response(200, json=answer)
        )

    async def _hang(self, path: str) -> None:
        self.hanging.set()
        try:
            await self.wakes.wait()
        except asyncio.CancelledError:
            self.broken_off.append(path)
            raise

    def client(self, *, discover: bool = False, snapshot: float = 15) -> CleverClient:
        timeouts = ReadTimeouts(snapshot, grace=0.02)
        transport = Transport(httpx.MockTransport(self), token_states=TokenStates(lambda: self.now))
        endpoint, family = Endpoint("https://clever.test/v3.0", IdShape()), FAMILIES["v3.0"]
        if discover:
            ticks = iter(range(0, 1000, 10))
            auth = "https://clever.test"
            found = listed_tokens(transport, auth, ("id", "secret"), IdShape(), lambda: next(ticks))
            return CleverClient(transport, found, endpoint, family, timeouts)
        only = one_token(transport, endpoint.api, "token", IdShape())
        return CleverClient(transport, only, endpoint, family, timeouts)

    async def facts(self, *, confirm_schools: bool = False) -> Facts:
        return await self.client().facts(ME, DISTRICT, READ_CONTEXT, confirm_schools=confirm_schools)


def tokens(token: str) -> Mapping[str, object]:
    return {"data": [{"owner": {"type": "district", "id": DISTRICT}, "access_token": token}]}


def teacher(*sections: str) -> HeldRole:
    return HeldRole(Role.TEACHER, (Standing(((Scope.SECTION, sections),)),))


def staff(unconfirmed: tuple[str, ...] | None) -> HeldRole:
    return HeldRole(Role.STAFF, (Standing(((Scope.SCHOOL, (NORTH,)),), unconfirmed=unconfirmed),))


async def test_the_three_reads_of_a_user_run_at_once() -> None:
    together = asyncio.Barrier(3)

    class Patient(Clever):
        async def __call__(self, request: httpx.Request) -> httpx.Response:
            if "/users/" in request.url.path:
                async with asyncio.timeout(5):
                    await together.wait()
            return await super().__call__(request)

    clever = Patient({"teacher": {}, "staff": {"schools": [NORTH]}})
    assert await clever.facts() == Facts(ME, DISTRICT, (staff(()), teacher(ALGEBRA)))
    assert sorted(clever.asked) == ["", "/schools", "/sections", "/v3.0/districts"]


@pytest.mark.parametrize("trouble", [404, 500, 403, NEVER, {"data": "x"}])
async def test_reads_that_no_role_needs_may_fail_or_be_late(trouble: object) -> None:
    clever = Clever({"district_admin": {}}, {"/sections": trouble, "/schools": trouble})
    assert await clever.facts(confirm_schools=True) == Facts(
        ME, DISTRICT, (HeldRole(Role.DISTRICT_ADMIN, (Standing(((Scope.DISTRICT, (DISTRICT,)),)),)),)
    )


@pytest.mark.parametrize("trouble", [404, 500, NEVER])
async def test_schools_that_the_policy_does_not_need_confirmed_stay_unconfirmed_where_the_list_fails(
    trouble: object,
) -> None:
    clever = Clever({"staff": {"schools": [NORTH]}}, {"/schools": trouble})
    assert await clever.facts(confirm_schools=False) == Facts(ME, DISTRICT, (staff(None),))


@pytest.mark.parametrize("role", ["teacher", "student"])
@pytest.mark.parametrize(
    ("trouble", "error"),
    [(404, CleverRecordMissing), (403, CleverForbade), (500, CleverFailed), ({"data": "x"}, CleverMalformed)],
)
async def test_sections_that_a_role_needs_are_never_taken_for_none(
    role: str, trouble: object, error: type[RosterguardError]
) -> None:
    with pytest.raises(error):
        await Clever({role: {}}, {"/sections": trouble}).facts()


@pytest.mark.parametrize(("trouble", "error"), [(404, CleverRecordMissing), (500, CleverFailed)])
async def test_schools_that_have_to_be_confirmed_are_never_taken_for_none(
    trouble: object, error: type[RosterguardError]
) -> None:
    with pytest.raises(error):
        await Clever({"staff": {}}, {"/schools": trouble}).facts(confirm_schools=True)


@pytest.mark.parametrize(("status", "error"), [(404, UserUnknown), (500, CleverFailed), (403, CleverForbade)])
@pytest.mark.parametrize("others", [NEVER, 502])
async def test_the_error_of_the_user_comes_first_and_the_other_reads_are_not_waited_for(
    status: int, error: type[RosterguardError], others: object
) -> None:
    clever = Clever({}, {"": status, "/sections": others, "/schools": others})
    client = clever.client()
    # Where all three fail, and again and again, Clever may count as down before the last attempt.
    with pytest.raises((error, CleverCircuitOpen)):
        await client.facts(ME, DISTRICT, READ_CONTEXT, confirm_schools=False)
    assert client.requests_in_progress() == (2 if others == NEVER else 0)
    assert clever.broken_off == []
    await client.aclose()
    assert sorted(clever.broken_off) == (["/schools", "/sections"] if others == NEVER else [])


async def test_reads_of_a_caller_who_gives_up_go_on_and_end_with_their_answers() -> None:
    clever = Clever({}, {"": NEVER, "/sections": NEVER, "/schools": NEVER})
    client = clever.client()
    caller = asyncio.create_task(client.facts(ME, DISTRICT, READ_CONTEXT, confirm_schools=False))
    asked = {"", "/schools", "/sections"}
    await eventually(lambda: asked.issubset(clever.asked))
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert client.requests_in_progress() == 3
    clever.wakes.set()
    await eventually(lambda: not client.requests_in_progress())
    assert clever.broken_off == []


async def test_a_reading_that_takes_longer_than_it_may_is_broken_off() -> None:
    clever = Clever({"teacher": {}}, {"/sections": NEVER, "/schools": NEVER})
    client = clever.client(snapshot=0.02)
    before = asyncio.all_tasks()
    with pytest.raises(CleverTimedOut, match=r"^Clever was not read within the time that a request may take$"):
        await client.facts(ME, DISTRICT, READ_CONTEXT, confirm_schools=True)
    await eventually(lambda: not client.requests_in_progress())
    assert sorted(clever.broken_off) == ["/schools", "/sections"]
    assert asyncio.all_tasks() - before == set()


@pytest.mark.parametrize("discover", [False, True])
async def test_whoever_waits_for_clever_to_name_the_districts_waits_no_longer_than_for_a_reading(
    *, discover: bool
) -> None:
    clever = Clever({}, {LISTING: NEVER, "/v3.0/districts": NEVER})
    client = clever.client(discover=discover, snapshot=0.02)
    with pytest.raises(CleverTimedOut):
        await client.facts(ME, DISTRICT, READ_CONTEXT, confirm_schools=True)
    assert clever.broken_off == []
    await client.aclose()


@pytest.mark.parametrize("district", [None, "e" * 24])
async def test_a_user_of_another_district_is_unknown_and_counted(
    district: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rosterguard")
    with pytest.raises(UserUnknown):
        await Clever({}, {"": {"data": {"id": ME, "district": district}}}).facts()
    assert [record.getMessage() for record in caplog.records if record.name == "rosterguard"] == [
        "odd data from Clever: district_foreign=1"
    ]


async def test_another_user_than_the_one_asked_for_is_no_answer() -> None:
    with pytest.raises(CleverMalformed):
        await Clever({}, {"": {"data": {"id": "b" * 24, "district": DISTRICT}}}).facts()


async def test_what_grants_nothing_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rosterguard")
    await Clever({"librarian": {}, "staff": {"schools": ["school-42"], "mood": "good"}}).facts()
    assert [record.getMessage() for record in caplog.records if record.name == "rosterguard"] == [
        "odd data from Clever: field_unknown=1, id_malformed=1, role_unknown=1"
    ]


async def test_a_refused_token_is_renewed_once_and_the_user_read_again() -> None:
    clever = Clever({"teacher": {}}, {LISTING: tokens("old")})
    client = clever.client(discover=True)
    assert await client.districts() == {DISTRICT}
    clever.answers[LISTING] = tokens("new")
    clever.refused.add("old")
    facts = await client.facts(ME, DISTRICT, READ_CONTEXT, confirm_schools=False)
    assert facts == Facts(ME, DISTRICT, (teacher(ALGEBRA),))
    assert clever.asked.count(LISTING) == 2
    assert client.state() == CleverState(accepted_once=True, outcome="ok")


async def test_a_token_that_stays_refused_is_an_error_that_tells_the_operator_what_to_do() -> None:
    clever = Clever({"teacher": {}}, {LISTING: tokens("old")}, refused={"old", "new"})
    client = clever.client(discover=True)
    await client.districts()
    clever.answers[LISTING] = tokens("new")
    with pytest.raises(CleverRefusedToken, match=REFUSED):
        await client.facts(ME, DISTRICT, READ_CONTEXT, confirm_schools=False)
    assert clever.asked.count(LISTING) == 2
    assert client.state() == CleverState(accepted_once=False, outcome="token_refused")


async def test_connecting_is_tried_until_it_succeeds_and_then_followed_up(caplog: pytest.LogCaptureFixture) -> None:
    clever = Clever({}, {LISTING: 503})
    client = clever.client(discover=True)
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clever.now += seconds
        if len(pauses) == 7:
            clever.answers[LISTING] = tokens("token")
        if len(pauses) == 8:
            clever.answers[LISTING] = 401
        if len(pauses) == 10:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await client.keep_connected(sleep=sleep)
    assert pauses == [2, 4, 8, 16, 30, 30, 30, 600, 600, 600]
    assert await client.districts() == {DISTRICT}
    # A service of another test may have turned on lines that are no warnings.
    warned = [record for record in caplog.records if record.name == "rosterguard" and record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in warned] == [
        "cannot connect to Clever, trying again in 2 s: Clever says that it is failing",
        "Clever failed several times in a row with one token, and is not asked with it for a moment",
        *(
            f"cannot connect to Clever, trying again in {pause} s: Clever says that it is failing"
            for pause in (4, 8, 16, 30, 30, 30)
        ),
        f"cannot ask Clever which districts are connected: {CLIENT_REFUSED}",
        f"cannot ask Clever which districts are connected: {CLIENT_REFUSED}",
    ]


async def test_the_only_token_is_not_tried_again_once_clever_refuses_it() -> None:
    clever = Clever({"teacher": {}})
    client = clever.client()
    await client.districts()
    clever.refused.add("token")
    with pytest.raises(CleverRefusedToken):
        await client.facts(ME, DISTRICT, READ_CONTEXT, confirm_schools=False)
    assert clever.asked.count("") == 1


@pytest.mark.parametrize("discover", [False, True])
async def test_closing_breaks_off_the_question_which_districts_are_connected(*, discover: bool) -> None:
    clever = Clever({}, {"/v3.0/districts": NEVER, LISTING: NEVER})
    client = clever.client(discover=discover)
    connecting = asyncio.create_task(client.keep_connected())
    await clever.hanging.wait()
    await client.aclose()
    assert clever.broken_off == [LISTING if discover else "/v3.0/districts"]
    with pytest.raises(asyncio.CancelledError):
        await connecting


@pytest.mark.parametrize("path", ["", "/sections", "/v3.0/districts"])
async def test_a_fetch_ends_when_its_request_has_to(path: str) -> None:
    clever = Clever({"teacher": {}}, {path: NEVER})
    read_context = ReadContext(until=asyncio.get_running_loop().time() + 0.02)
    with pytest.raises(CleverTimedOut):
        await clever.client().facts(ME, DISTRICT, read_context, confirm_schools=False)


async def test_a_record_is_no_larger_than_any_should_be_and_a_list_may_be() -> None:
    large = [{"data": {"id": ALGEBRA, "district": DISTRICT, "teacher": ME, "name": "x" * 2**20}}]
    assert await Clever({"teacher": {}}, {"/sections": {"data": large}}).facts() == Facts(
        ME, DISTRICT, (teacher(ALGEBRA),)
    )
    with pytest.raises(CleverMalformed, match=r"^Clever sent a body that is larger than any answer should be$"):
        await Clever({}, {"": {"data": {"id": ME, "district": DISTRICT, "name": "x" * 2**20}}}).facts()


async def test_a_users_own_lists_are_asked_for_in_pages_of_a_thousand() -> None:
    asked: list[str] = []

    class Noting(Clever):
        async def __call__(self, request: httpx.Request) -> httpx.Response:
            asked.append(request.url.query.decode())
            return await super().__call__(request)

    await Noting({"teacher": {}}).facts()
    assert sorted(asked) == ["", "", "limit=1000", "limit=1000"]


DISTRICT_PATH = f"/v3.0/districts/{DISTRICT}"
TERM = {"id": "7" * 24, "district": DISTRICT, "start_date": "2026-08-24"}


async def test_the_calendar_is_one_record_and_the_terms_where_they_are_wanted() -> None:
    record = {"data": {"id": DISTRICT, "name": "North", "state": "running", "launch_date": "2026-08-15"}}
    foreign = {**TERM, "id": "8" * 24, "district": "e" * 24}
    listed = {"data": [{"data": TERM}, {"data": foreign}]}
    clever = Clever({}, {DISTRICT_PATH: record, "/v3.0/terms": listed})
    client, without = clever.client(), Calendar("running", launch_date=date(2026, 8, 15))
    assert await client.calendar(DISTRICT, READ_CONTEXT, with_terms=False) == without
    assert DISTRICT_PATH in clever.asked
    assert "/v3.0/terms" not in clever.asked
    terms = (Term("7" * 24, date(2026, 8, 24)),)
    assert await client.calendar(DISTRICT, READ_CONTEXT, with_terms=True) == replace(without, terms=terms)


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({DISTRICT_PATH: 404}, CleverRecordMissing),
        ({DISTRICT_PATH: 403}, CleverForbade),
        ({DISTRICT_PATH: 500}, CleverFailed),
        ({DISTRICT_PATH: {"data": {"id": "e" * 24}}}, CleverMalformed),
        ({DISTRICT_PATH: {"data": {"id": DISTRICT, "state": 5}}}, CleverMalformed),
        ({"/v3.0/terms": 404}, CleverRecordMissing),
        ({"/v3.0/terms": {"data": [{"data": {"id": None}}]}}, CleverMalformed),
    ],
)
async def test_a_calendar_that_cannot_be_read_is_an_error(
    answers: dict[str, object], error: type[RosterguardError]
) -> None:
    usual: dict[str, object] = {DISTRICT_PATH: {"data": {"id": DISTRICT}}, "/v3.0/terms": {"data": []}}
    with pytest.raises(error):
        await Clever({}, usual | answers).client().calendar(DISTRICT, READ_CONTEXT, with_terms=True)


async def test_a_district_that_is_not_connected_has_no_calendar() -> None:
    with pytest.raises(UserUnknown):
        await Clever({}).client().calendar(DistrictId("e" * 24), READ_CONTEXT, with_terms=False)
