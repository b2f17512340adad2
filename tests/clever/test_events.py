"""Events of a district, as a client reads them from a Clever that also sends what it should not."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from app.clever.client import CleverClient
from app.clever.pagination import Endpoint
from app.clever.resilience import Transport
from app.clever.tokens import listed_tokens
from app.clever.versions import FAMILIES
from app.domain.errors import CleverMalformed, CleverPagingBroken, CleverUnexpected, EventsLost
from app.domain.events import Change, Event, EventPage, Flaw, Kind
from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import DistrictId, IdShape, SchoolId, SectionId, UserId
from app.domain.places import Section
from app.domain.read_context import ReadContext
from app.domain.scopes import Scope

DISTRICT, FOREIGN, FIRST, NEWEST = DistrictId("d" * 24), "e" * 24, "0" * 24, "f" * 24
ADA, BOB, CY = UserId("a" * 24), UserId("b" * 24), UserId("c" * 24)
NORTH, ALGEBRA, FALL = SchoolId("1" * 24), SectionId("4" * 24), "7" * 24

AFTER_FIRST = f"/events?limit=200&starting_after={FIRST}"
LAST = "/events?limit=1&ending_before=last"

STAFF = {"id": ADA, "district": DISTRICT, "roles": {"staff": {"schools": [NORTH]}}}
TAUGHT = {"id": ALGEBRA, "district": DISTRICT, "school": NORTH, "teacher": ADA, "teachers": [ADA], "students": [BOB]}


def clever(path: str, status: int, answer: object) -> CleverClient:
    def handle(request: httpx.Request) -> httpx.Response:
        asked = request.url.raw_path.decode().removeprefix("/v3.0")
        if asked.startswith("/oauth/tokens"):
            listed = {"owner": {"type": "district", "id": DISTRICT}, "access_token": "token"}
            return httpx.Response(200, json={"data": [listed]})
        assert asked == path
        return httpx.Response(status, json=answer)

    transport = Transport(httpx.MockTransport(handle), wall=lambda: 0)
    tokens = listed_tokens(transport, "https://clever.test", ("id", "secret"), IdShape(), clock=lambda: 0)
    return CleverClient(transport, tokens, Endpoint("https://clever.test/v3.0", IdShape()), FAMILIES["v3.0"])


async def after_first(*events: object, links: object = None, status: int = 200) -> EventPage:
    answer = {"data": [{"data": event} for event in events], "links": links or []}
    return await clever(AFTER_FIRST, status, answer).events(DISTRICT, FIRST, ReadContext())


def event(kind: object, told: object = None, **more: object) -> dict[str, Any]:
    return {"id": NEWEST, "type": kind, "created": "hush", "data": {"object": told, **more}}


def without(record: Mapping[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in record.items() if name not in names}


async def test_an_event_of_a_user_says_what_a_list_would_say_of_them() -> None:
    standing = Standing(((Scope.SCHOOL, (NORTH,)),), (), None)
    facts = Facts(ADA, DISTRICT, (HeldRole(Role.STAFF, (standing,)),))
    (created,) = (await after_first(event("users.created", STAFF))).events
    assert created == Event(NEWEST, Kind.USER, Change.CREATED, ADA, facts)


@pytest.mark.parametrize("place", ["beside the object", "beside the data"])
async def test_an_updated_section_says_who_was_there_before_in_either_place(place: str) -> None:
    sent = event("sections.updated", TAUGHT)
    where = sent["data"] if place == "beside the object" else sent
    where["previous_attributes"] = {"teacher": CY, "teachers": [CY, 7, "nobody"], "students": None, "name": "Hush"}
    section = Section(ALGEBRA, DISTRICT, NORTH, (BOB,), (ADA,))
    assert (await after_first(sent)).events == (
        Event(NEWEST, Kind.SECTION, Change.UPDATED, ALGEBRA, section, previous=(CY,)),
    )


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (event("users.deleted", STAFF), Event(NEWEST, Kind.USER, Change.DELETED, ADA)),
        (event("schools.created", {"id": NORTH, "district": DISTRICT}), (Kind.SCHOOL, Change.CREATED, NORTH, NORTH)),
        (event("terms.updated", {"id": FALL, "district": DISTRICT}), Event(NEWEST, Kind.TERM, record_id=FALL)),
        (event("districts.updated", {"id": DISTRICT}), Event(NEWEST, Kind.DISTRICT, record_id=DISTRICT)),
        (event("courses.deleted", {"id": FALL, "district": DISTRICT}), Event(NEWEST, Kind.OTHER)),
        (event("enrollments.deleted", STAFF), Event(NEWEST, Kind.UNKNOWN)),
        (event("users.renamed", STAFF), Event(NEWEST, Kind.UNKNOWN)),
        (event("users.updated", STAFF | {"id": "nobody"}), Event(NEWEST, Kind.OTHER)),
    ],
)
async def test_an_event_says_what_happened_to_which_record(sent: object, meant: Any) -> None:
    wanted = meant if isinstance(meant, Event) else Event(NEWEST, *meant)
    assert (await after_first(sent)).events == (wanted,)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ({}, Event(None, Kind.UNKNOWN, flaw=Flaw.HOLES)),
        (event(None, STAFF), Event(NEWEST, Kind.UNKNOWN, flaw=Flaw.HOLES)),
        (event("users.updated"), Event(NEWEST, Kind.USER, flaw=Flaw.HOLES)),
        ({"id": NEWEST, "type": "users.updated", "data": [STAFF]}, Event(NEWEST, Kind.USER, flaw=Flaw.HOLES)),
        ({**event("users.updated", STAFF), "id": 7}, Event(None, Kind.USER, record_id=ADA, flaw=None)),
        (event("users.updated", without(STAFF, "id")), Event(NEWEST, Kind.USER, flaw=Flaw.HOLES)),
        *(
            (event("users.updated", {**STAFF, **hole}), Event(NEWEST, Kind.USER, record_id=ADA, flaw=flaw))
            for hole, flaw in (
                ({"roles": None}, Flaw.HOLES),
                ({"roles": []}, Flaw.HOLES),
                ({"district": None}, Flaw.HOLES),
                ({"district": FOREIGN}, Flaw.FOREIGN),
            )
        ),
        *(
            (
                event("sections.created", without(TAUGHT, *names)),
                Event(NEWEST, Kind.SECTION, Change.CREATED, ALGEBRA, flaw=Flaw.HOLES),
            )
            for names in (("school",), ("students",), ("teacher", "teachers"))
        ),
        (
            event("districts.updated", {"id": FOREIGN}),
            Event(NEWEST, Kind.DISTRICT, record_id=FOREIGN, flaw=Flaw.FOREIGN),
        ),
    ],
)
async def test_an_event_with_holes_or_of_another_district_is_marked_and_spoils_no_other(
    sent: object, meant: Event
) -> None:
    first, second = (await after_first(sent, event("users.deleted", STAFF))).events
    assert (first.id, first.kind, first.record_id, first.flaw) == (meant.id, meant.kind, meant.record_id, meant.flaw)
    assert second.change is Change.DELETED
    assert first.flaw is None or first.record is None


@pytest.mark.parametrize("status", [400, 404])
async def test_a_place_in_the_events_that_clever_no_longer_knows_is_lost(status: int) -> None:
    with pytest.raises(EventsLost):
        await after_first(status=status)


async def test_a_status_that_says_nothing_of_the_place_does_not_lose_it() -> None:
    with pytest.raises(CleverUnexpected):
        await after_first(status=418)


async def test_what_cannot_be_the_id_of_an_event_is_not_asked_for() -> None:
    with pytest.raises(EventsLost):
        await clever("/nothing", 200, {}).events(DISTRICT, "../users", ReadContext())


async def test_a_page_tells_whether_there_are_more() -> None:
    following = [{"rel": "next", "uri": f"/v3.0/events?limit=200&starting_after={NEWEST}"}]
    assert not (await after_first(event("users.deleted", STAFF), links=following)).is_last
    assert (await after_first(event("users.deleted", STAFF))).is_last
    assert await after_first() == EventPage((), is_last=True)
    with pytest.raises(CleverPagingBroken):
        await after_first(event("users.deleted", STAFF), links=[{"rel": "next", "uri": "https://evil.test/"}])


async def test_the_newest_event_is_where_following_begins() -> None:
    def answer(*events: object) -> CleverClient:
        return clever(LAST, 200, {"data": [{"data": each} for each in events]})

    assert await answer(event("users.deleted", STAFF)).newest_event(DISTRICT, ReadContext()) == NEWEST
    assert await answer().newest_event(DISTRICT, ReadContext()) is None
    with pytest.raises(CleverMalformed):
        await answer({"type": "users.deleted"}).newest_event(DISTRICT, ReadContext())
