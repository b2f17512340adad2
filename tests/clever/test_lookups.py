"""Places and the people in them, as a client reads them from a Clever that also sends what it should not."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import httpx
import pytest

from app.clever.client import CleverClient, ReadTimeouts
from app.clever.pagination import Endpoint
from app.clever.resilience import Transport
from app.clever.tokens import listed_tokens
from app.clever.versions import FAMILIES
from app.domain.errors import (
    CleverFailed,
    CleverForbade,
    CleverLimited,
    CleverMalformed,
    CleverPagingBroken,
    CleverRecordMissing,
    CleverRefusedToken,
    CleverTimedOut,
    RecordUnknown,
    RosterguardError,
)
from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import DistrictId, IdShape, SchoolId, SectionId, UserId
from app.domain.places import Place, Section
from app.domain.read_context import ReadContext
from app.domain.scopes import Scope
from tests.waiting import turn

DISTRICT, FOREIGN = DistrictId("d" * 24), DistrictId("e" * 24)
NORTH, SOUTH = SchoolId("1" * 24), SchoolId("2" * 24)
ALGEBRA, BIOLOGY = SectionId("4" * 24), SectionId("5" * 24)
ADA, BOB, CY, OLD = UserId("a" * 24), UserId("b" * 24), UserId("c" * 24), "f" * 24

IN_SECTION, IN_SCHOOL = f"/sections/{ALGEBRA}/users?limit=2000", f"/schools/{NORTH}/users?limit=2000"
CONTACTS, EVERYBODY = f"/users/{ADA}/mycontacts?limit=2000", "/users?limit=2000"
AT_SCHOOL, EVERYWHERE = f"/schools/{NORTH}/sections?limit=2000", "/sections?limit=2000"
SCHOOLS, ONE_SECTION, ONE_SCHOOL = "/schools?limit=2000", f"/sections/{ALGEBRA}", f"/schools/{NORTH}"

SECTION, SCHOOL = (Scope.SECTION, ALGEBRA), (Scope.SCHOOL, NORTH)
STUDENT, WHOLE = (Scope.STUDENT, ADA), (Scope.DISTRICT, DISTRICT)

READ_CONTEXT = ReadContext()

Lookup = Callable[[CleverClient], Awaitable[object]]


@dataclass
class Clever:
    """A Clever that answers by path and parameters; a number is a status."""

    answers: Mapping[str, object]
    tokens: list[str] = field(default_factory=lambda: ["token"])
    refused: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    used: list[str] = field(default_factory=list)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().removeprefix("/v3.0")
        if path.startswith("/oauth/tokens"):
            return httpx.Response(200, json=self._listing())
        self.asked.append(path)
        self.used.append(request.headers["authorization"].removeprefix("Bearer "))
        if self.used[-1] in self.refused:
            return httpx.Response(401)
        answer = self.answers[path]
        return (
            httpx.Response(answer, json={"message": "hush"})
            if isinstance(answer, int)
            else httpx.Response(200, json=answer)
        )

    def _listing(self) -> object:
        token = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
        return {"data": [{"owner": {"type": "district", "id": DISTRICT}, "access_token": token}]}

    def client(self, *, timeouts: ReadTimeouts | None = None) -> CleverClient:
        transport = Transport(httpx.MockTransport(self), wall=lambda: 0)
        ticks = iter(range(0, 1000, 10))
        found = listed_tokens(transport, "https://clever.test", ("id", "secret"), IdShape(), clock=lambda: next(ticks))
        endpoint = Endpoint("https://clever.test/v3.0", IdShape())
        return CleverClient(transport, found, endpoint, FAMILIES["v3.0"], timeouts)


def clever(answers: Mapping[str, object]) -> CleverClient:
    return Clever(answers).client()


def one(record: Mapping[str, object]) -> object:
    return {"data": {"district": DISTRICT, **record}}


def several(*records: Mapping[str, object], following: str | None = None) -> object:
    links = [{"rel": "next", "uri": following}] if following else []
    return {"data": [one(record) for record in records], "links": links}


def odd(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "rosterguard"]


def user(who: str, **roles: object) -> Mapping[str, object]:
    return {"id": who, "roles": roles}


def teaching(who: UserId, *sections: str, at: tuple[str, ...] = ()) -> Facts:
    places = ((Scope.SECTION, sections),) if sections else ()
    return Facts(who, DISTRICT, (HeldRole(Role.TEACHER, (Standing(places, section_schools=at),)),))


async def test_a_section_is_its_school_and_its_students_once_in_order(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rosterguard")
    sent = {"id": ALGEBRA, "school": SOUTH, "teacher": ADA, "students": [CY, "pupil 1", BOB, CY]}
    assert await clever({ONE_SECTION: one(sent)}).section(ALGEBRA, DISTRICT, READ_CONTEXT) == Section(
        ALGEBRA, DISTRICT, SOUTH, (BOB, CY), (ADA,)
    )
    assert odd(caplog) == ["odd data from Clever: id_malformed=1"]


@pytest.mark.parametrize("place", [SCHOOL, WHOLE])
async def test_sections_come_once_in_order_without_those_of_another_district(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rosterguard")
    path = AT_SCHOOL if place == SCHOOL else EVERYWHERE
    following = f"{path}&starting_after=x"
    here = several(
        {"id": BIOLOGY, "school": NORTH, "students": [CY]}, {"id": "biology!"}, following=f"/v3.0{following}"
    )
    there = several(
        {"id": ALGEBRA, "school": "school-42", "students": [CY]},
        {"id": ALGEBRA, "school": NORTH, "students": [BOB]},
        {"id": "6" * 24, "district": FOREIGN},
        {"id": "7" * 24, "district": None},
    )
    client = clever({path: here, following: there})
    assert await client.sections(place, DISTRICT, READ_CONTEXT) == (
        Section(ALGEBRA, DISTRICT, NORTH, (BOB,)),
        Section(BIOLOGY, DISTRICT, NORTH, (CY,)),
    )
    assert odd(caplog) == ["odd data from Clever: district_foreign=2, id_malformed=1"]


async def test_schools_are_their_ids_in_order(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rosterguard")
    here = several({"id": SOUTH}, {"id": "school-42"}, following="?starting_after=x")
    there = several({"id": NORTH}, {"id": "3" * 24, "district": FOREIGN})
    client = clever({SCHOOLS: here, "/schools?starting_after=x": there})
    assert await client.schools(DISTRICT, READ_CONTEXT) == (NORTH, SOUTH)
    assert odd(caplog) == ["odd data from Clever: district_foreign=1, id_malformed=1"]


async def test_people_of_a_section_hold_it_in_the_role_in_which_they_stand_in_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "rosterguard")
    section = one({"id": ALGEBRA, "school": SOUTH, "teacher": BOB, "teachers": [OLD], "students": [ADA]})
    users = several(
        user(CY, teacher={"legacy_id": OLD}), user(BOB, teacher={}), user(ADA, student={"schools": [NORTH]})
    )
    assert await clever({ONE_SECTION: section, IN_SECTION: users}).people(SECTION, DISTRICT, None, READ_CONTEXT) == (
        Facts(
            ADA,
            DISTRICT,
            (
                HeldRole(
                    Role.STUDENT,
                    (Standing(((Scope.SCHOOL, (NORTH,)), (Scope.SECTION, (ALGEBRA,))), section_schools=(SOUTH,)),),
                ),
            ),
        ),
        teaching(BOB, ALGEBRA, at=(SOUTH,)),
        Facts(CY, DISTRICT, (HeldRole(Role.TEACHER, legacy_id=OLD),)),
    )
    assert odd(caplog) == ["odd data from Clever: legacy_id_in_section=1"]


async def test_people_of_a_school_hold_no_sections_and_administer_schools_that_nobody_confirmed() -> None:
    users = several(user(ADA, teacher={}, staff={"schools": [NORTH], "title": "Principal"}))
    assert await clever({IN_SCHOOL: users}).people(SCHOOL, DISTRICT, None, READ_CONTEXT) == (
        Facts(
            ADA,
            DISTRICT,
            (
                HeldRole(
                    Role.STAFF, (Standing(((Scope.SCHOOL, (NORTH,)),), (("title", ("principal",)),), unconfirmed=None),)
                ),
                HeldRole(Role.TEACHER),
            ),
        ),
    )


async def test_contacts_of_a_student_stand_by_all_their_entries() -> None:
    entries = [{"student": BOB, "type": "Emergency"}, {"student": ADA, "relationship": "Parent"}]
    users = several(user(CY, contact={"student_relationships": entries}))
    assert await clever({CONTACTS: users}).people(STUDENT, DISTRICT, None, READ_CONTEXT) == (
        Facts(
            CY,
            DISTRICT,
            (
                HeldRole(
                    Role.CONTACT,
                    (
                        Standing(((Scope.STUDENT, (ADA,)),), (("relationship", ("parent",)),)),
                        Standing(((Scope.STUDENT, (BOB,)),), (("type", ("emergency",)),)),
                    ),
                ),
            ),
        ),
    )


async def test_people_come_once_in_order_without_those_of_another_district(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rosterguard")
    here = several(user(CY), {"id": "user 1"}, following="?starting_after=x")
    there = several(
        user(BOB, student={}), user(BOB, teacher={}), {"id": ADA, "district": FOREIGN}, {"id": OLD, "district": None}
    )
    client = clever({EVERYBODY: here, "/users?starting_after=x": there})
    assert await client.people(WHOLE, DISTRICT, None, READ_CONTEXT) == (teaching(BOB), Facts(CY, DISTRICT))
    assert odd(caplog) == ["odd data from Clever: district_foreign=2, id_malformed=1"]


@pytest.mark.parametrize(
    ("place", "path", "roles"),
    [
        (SECTION, IN_SECTION, (Role.TEACHER, Role.STUDENT)),
        (SCHOOL, IN_SCHOOL, (Role.STAFF, Role.TEACHER, Role.STUDENT)),
        (WHOLE, EVERYBODY, tuple(Role)),
    ],
)
async def test_a_role_is_asked_for_and_held_by_everybody_who_is_returned(
    place: Place, path: str, roles: tuple[Role, ...]
) -> None:
    for role in roles:
        users = several(user(ADA, **{role: {}}), user(BOB))
        client = clever({f"{path}&role={role}": users, ONE_SECTION: one({"id": ALGEBRA})})
        found = await client.people(place, DISTRICT, role, READ_CONTEXT)
        assert [(facts.user, facts.held()) for facts in found] == [(ADA, (role,))]


@pytest.mark.parametrize(
    ("place", "role"),
    [
        (SECTION, Role.STAFF),
        (SECTION, Role.CONTACT),
        (SCHOOL, Role.DISTRICT_ADMIN),
        (SCHOOL, Role.CONTACT),
        (STUDENT, Role.CONTACT),
        ((Scope.SELF, ADA), None),
    ],
)
async def test_clever_is_not_asked_for_people_whom_it_does_not_list(place: Place, role: Role | None) -> None:
    with pytest.raises(ValueError, match="Clever cannot be asked for the people of"):
        await clever({}).people(place, DISTRICT, role, READ_CONTEXT)


@pytest.mark.parametrize("place", [SECTION, STUDENT, (Scope.SELF, ADA)])
async def test_clever_is_not_asked_for_sections_that_it_does_not_list(place: Place) -> None:
    with pytest.raises(ValueError, match="Clever lists no sections of"):
        await clever({}).sections(place, DISTRICT, READ_CONTEXT)


LOOKUPS: dict[str, tuple[str, Lookup]] = {
    "section": (ONE_SECTION, lambda client: client.section(ALGEBRA, DISTRICT, READ_CONTEXT)),
    "school": (ONE_SCHOOL, lambda client: client.school(NORTH, DISTRICT, READ_CONTEXT)),
    "sections of a school": (AT_SCHOOL, lambda client: client.sections(SCHOOL, DISTRICT, READ_CONTEXT)),
    "sections of the district": (EVERYWHERE, lambda client: client.sections(WHOLE, DISTRICT, READ_CONTEXT)),
    "schools": (SCHOOLS, lambda client: client.schools(DISTRICT, READ_CONTEXT)),
    "people of a section": (IN_SECTION, lambda client: client.people(SECTION, DISTRICT, None, READ_CONTEXT)),
    "the section of the people": (ONE_SECTION, lambda client: client.people(SECTION, DISTRICT, None, READ_CONTEXT)),
    "people of a school": (IN_SCHOOL, lambda client: client.people(SCHOOL, DISTRICT, None, READ_CONTEXT)),
    "contacts of a student": (CONTACTS, lambda client: client.people(STUDENT, DISTRICT, None, READ_CONTEXT)),
    "people of the district": (EVERYBODY, lambda client: client.people(WHOLE, DISTRICT, None, READ_CONTEXT)),
}
OF_THE_DISTRICT = ("sections of the district", "schools", "people of the district")
ONES = ("section", "school", "the section of the people")

USUAL: dict[str, object] = {
    ONE_SECTION: one({"id": ALGEBRA}),
    ONE_SCHOOL: one({"id": NORTH}),
    **{path: several() for path in (IN_SECTION, IN_SCHOOL, CONTACTS, EVERYBODY, AT_SCHOOL, EVERYWHERE, SCHOOLS)},
}


@pytest.mark.parametrize("name", LOOKUPS)
@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (403, CleverForbade),
        (429, CleverLimited),
        (500, CleverFailed),
        ({"data": "x"}, CleverMalformed),
        ({"data": [{"data": {"district": DISTRICT}}]}, CleverMalformed),
    ],
)
async def test_what_cannot_be_read_is_an_error(name: str, trouble: object, error: type[RosterguardError]) -> None:
    path, look_up = LOOKUPS[name]
    with pytest.raises(error):
        await look_up(clever(USUAL | {path: trouble}))


@pytest.mark.parametrize("name", sorted(LOOKUPS.keys() - set(OF_THE_DISTRICT)))
async def test_what_clever_does_not_find_is_unknown(name: str) -> None:
    path, look_up = LOOKUPS[name]
    with pytest.raises(RecordUnknown):
        await look_up(clever(USUAL | {path: 404}))


@pytest.mark.parametrize("name", OF_THE_DISTRICT)
async def test_a_connected_district_without_its_lists_is_an_error(name: str) -> None:
    path, look_up = LOOKUPS[name]
    with pytest.raises(CleverRecordMissing):
        await look_up(clever(USUAL | {path: 404}))


@pytest.mark.parametrize("name", sorted(LOOKUPS.keys() - set(ONES)))
@pytest.mark.parametrize(
    ("second", "error"),
    [
        (404, CleverPagingBroken),
        (500, CleverFailed),
        ({"data": "x"}, CleverMalformed),
        (several({"id": ADA}), CleverPagingBroken),
        ("circle", CleverPagingBroken),
    ],
)
async def test_a_list_with_a_page_that_cannot_be_read_is_no_shorter_list(
    name: str, second: object, error: type[RosterguardError]
) -> None:
    path, look_up = LOOKUPS[name]
    following = f"{path}&starting_after={ADA}"
    page = several({"id": ADA}, following=f"/v3.0{following}")
    with pytest.raises(error):
        await look_up(clever(USUAL | {path: page, following: page if second == "circle" else second}))


@pytest.mark.parametrize("name", ONES)
@pytest.mark.parametrize("district", [FOREIGN, None])
async def test_a_record_of_another_district_is_unknown_and_counted(
    name: str, district: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rosterguard")
    path, look_up = LOOKUPS[name]
    found = {"id": NORTH if name == "school" else ALGEBRA, "district": district}
    with pytest.raises(RecordUnknown):
        await look_up(clever(USUAL | {path: one(found)}))
    assert odd(caplog) == ["odd data from Clever: district_foreign=1"]


@pytest.mark.parametrize("name", ONES)
async def test_another_record_than_the_one_asked_for_is_no_answer(name: str) -> None:
    path, look_up = LOOKUPS[name]
    with pytest.raises(CleverMalformed):
        await look_up(clever(USUAL | {path: one({"id": BIOLOGY})}))


@pytest.mark.parametrize("name", LOOKUPS)
async def test_a_refused_token_is_renewed_once_and_the_question_asked_again(name: str) -> None:
    _, look_up = LOOKUPS[name]
    fake = Clever(USUAL, tokens=["old", "new"], refused={"old"})
    assert await look_up(fake.client()) == await look_up(clever(USUAL))
    assert list(dict.fromkeys(fake.used)) == ["old", "new"]


@pytest.mark.parametrize("name", LOOKUPS)
async def test_a_token_that_stays_refused_is_an_error(name: str) -> None:
    _, look_up = LOOKUPS[name]
    fake = Clever(USUAL, tokens=["old", "new"], refused={"old", "new"})
    with pytest.raises(CleverRefusedToken):
        await look_up(fake.client())
    assert list(dict.fromkeys(fake.used)) == ["old", "new"]
    assert max(Counter(fake.asked).values()) == 2


@pytest.mark.parametrize(
    "look_up",
    [
        lambda client: client.section(ALGEBRA, FOREIGN, READ_CONTEXT),
        lambda client: client.school(NORTH, FOREIGN, READ_CONTEXT),
        lambda client: client.sections(SCHOOL, FOREIGN, READ_CONTEXT),
        lambda client: client.schools(FOREIGN, READ_CONTEXT),
        lambda client: client.people(SCHOOL, FOREIGN, None, READ_CONTEXT),
    ],
)
async def test_in_a_district_that_is_not_connected_everything_is_unknown(look_up: Lookup) -> None:
    fake = Clever(USUAL)
    with pytest.raises(RecordUnknown):
        await look_up(fake.client())
    assert fake.asked == []


@pytest.mark.parametrize("text", ["../users", "", "4" * 23, f"{ALGEBRA}?role=staff"])
@pytest.mark.parametrize("scope", [Scope.SECTION, Scope.SCHOOL, Scope.STUDENT])
async def test_what_is_no_id_is_unknown_and_never_gets_into_a_url(scope: Scope, text: str) -> None:
    fake = Clever(USUAL)
    client = fake.client()
    looked_up = [
        client.people((scope, text), DISTRICT, None, READ_CONTEXT),
        client.section(SectionId(text), DISTRICT, READ_CONTEXT),
        client.school(SchoolId(text), DISTRICT, READ_CONTEXT),
        client.sections((Scope.SCHOOL, text), DISTRICT, READ_CONTEXT),
    ]
    for lookup in looked_up:
        with pytest.raises(RecordUnknown):
            await lookup
    assert fake.asked == []


async def test_a_section_and_its_people_are_read_at_once() -> None:
    together = asyncio.Barrier(2)

    class Patient(Clever):
        async def __call__(self, request: httpx.Request) -> httpx.Response:
            if "/sections/" in request.url.path:
                async with asyncio.timeout(5):
                    await together.wait()
            return await super().__call__(request)

    fake = Patient(USUAL)
    assert await fake.client().people(SECTION, DISTRICT, None, READ_CONTEXT) == ()
    assert sorted(fake.asked) == [ONE_SECTION, IN_SECTION]


async def test_a_whole_district_lets_others_have_their_turn_between_its_users() -> None:
    turns = 0

    async def another() -> None:
        nonlocal turns
        while True:
            turns += 1
            await turn()

    async def turns_beside(people: int) -> int:
        before, users = turns, several(*(user(f"{number:024x}") for number in range(people)))
        assert len(await clever({EVERYBODY: users}).people(WHOLE, DISTRICT, None, READ_CONTEXT)) == people
        return turns - before

    beside = asyncio.create_task(another())
    assert await turns_beside(1000) - await turns_beside(1) == 5
    beside.cancel()


@pytest.mark.parametrize(
    ("look_up", "whole"),
    [
        (lambda client: client.section(ALGEBRA, DISTRICT, READ_CONTEXT), False),
        (lambda client: client.school(NORTH, DISTRICT, READ_CONTEXT), False),
        (lambda client: client.sections(SCHOOL, DISTRICT, READ_CONTEXT), False),
        (lambda client: client.people(SECTION, DISTRICT, None, READ_CONTEXT), False),
        (lambda client: client.people(STUDENT, DISTRICT, None, READ_CONTEXT), False),
        (lambda client: client.sections(WHOLE, DISTRICT, READ_CONTEXT), True),
        (lambda client: client.schools(DISTRICT, READ_CONTEXT), True),
        (lambda client: client.people(WHOLE, DISTRICT, None, READ_CONTEXT), True),
    ],
)
async def test_lists_of_a_whole_district_may_take_longer_than_other_lookups(look_up: Lookup, *, whole: bool) -> None:
    class Silent(Clever):
        async def __call__(self, request: httpx.Request) -> httpx.Response:
            if "/oauth/" not in request.url.path:
                await asyncio.Event().wait()
            return await super().__call__(request)

    timeouts = ReadTimeouts(snapshot=3600, district=0.02) if whole else ReadTimeouts(snapshot=0.02, district=3600)
    async with asyncio.timeout(5):
        with pytest.raises(CleverTimedOut, match=r"^Clever was not read within the time that a request may take$"):
            await look_up(Silent({}).client(timeouts=timeouts))


async def test_a_section_that_is_unknown_leaves_no_read_of_its_people_behind() -> None:
    before = asyncio.all_tasks()
    with pytest.raises(RecordUnknown):
        await clever(USUAL | {ONE_SECTION: 404}).people(SECTION, DISTRICT, None, READ_CONTEXT)
    assert asyncio.all_tasks() == before
