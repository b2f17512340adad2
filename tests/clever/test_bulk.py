"""Pages of a whole district, decoded piece by piece: they say what the same records say alone."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import pytest

from app.clever.bulk import BulkList, BulkPage
from app.clever.client import CleverClient
from app.clever.mapping import Answers, facts_of
from app.clever.models import Page
from app.clever.records import UserFields, UserRecord
from app.domain.errors import CleverMalformed, CleverPagingBroken, RecordUnknown
from app.domain.facts import Facts, Role
from app.domain.ids import DistrictId, IdShape
from app.domain.places import Section
from app.domain.read_context import ReadContext, Urgency
from app.sandbox.faults import Fault, Faults
from app.sandbox.serialization import fields_3_1
from tests.conftest import Sandbox

Connect = Callable[..., CleverClient]

USERS = BulkList(UserFields)
LOAD = ReadContext(urgency=Urgency.LOAD)
DISTRICT = DistrictId("d" * 24)
NEXT = {"rel": "next", "uri": "/v3.1/users?limit=2&starting_after=b"}


def facts(answers: Answers) -> Facts:
    return facts_of(answers, DISTRICT, IdShape(), Counter())


async def bulk_page(body: bytes) -> BulkPage[Facts]:
    return await USERS.of(lambda records: [facts(Answers(record)) for record in records]).parse(bytearray(body))


async def alone(body: bytes) -> list[Facts]:
    return [facts(Answers(record)) for record in (await Page[UserRecord].parse(bytearray(body))).records()]


def entries(sandbox: Sandbox) -> Sequence[Mapping[str, object]]:
    users = sandbox.world.districts[0].users.values()
    return [{"data": fields_3_1(user), "uri": f"/v3.1/users/{user.id}"} for user in users]


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,\n", ": ")])
@pytest.mark.parametrize("times", [1, 3])
async def test_a_page_says_what_its_records_say_alone(
    sandbox: Sandbox, separators: tuple[str, str], times: int
) -> None:
    listed = [*entries(sandbox)] * times
    body = json.dumps({"links": [NEXT | {"uri": "/v3.1/users"}], "data": listed}, separators=separators).encode()
    page = await bulk_page(body)
    assert page.records() == await alone(body)
    assert (len(page.records()), page.following()) == (len(listed), "/v3.1/users")


async def test_a_page_that_cannot_be_cut_is_read_in_one_go(sandbox: Sandbox) -> None:
    listed = [{**entry, "with": [{"a": 1}, {"data": 2}] * 4_000} for entry in entries(sandbox)[:3]]
    body = json.dumps({"data": listed, "links": [], "more": listed}).encode()
    assert (await bulk_page(body)).records() == await alone(body)


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"data":[1]}', b'{"data":[{"data":{"id":7}}]}', b'{"data":[', b"7"])
async def test_a_page_of_another_shape_is_malformed(body: bytes) -> None:
    with pytest.raises(CleverMalformed) as caught:
        await bulk_page(body)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


async def test_a_page_with_a_piece_of_another_shape_is_malformed(sandbox: Sandbox) -> None:
    body = json.dumps({"data": [*entries(sandbox), {"data": {"id": 7}}, *entries(sandbox)], "links": []})
    with pytest.raises(CleverMalformed):
        await bulk_page(body.encode())


@pytest.mark.parametrize("times", [10_000, 500_000])
async def test_a_page_with_more_records_than_any_page_has_is_malformed(times: int) -> None:
    record = b'{"data":{"id":"a"}}'
    with pytest.raises(CleverMalformed):
        await bulk_page(b'{"data":[%b%b]}' % ((record + b",") * times, record))


async def test_a_next_link_that_skips_or_repeats_records_is_found_out() -> None:
    body = b'{"data":[{"data":{"id":"a"}},{"data":{"id":"%b"}}],"links":[%b]}'
    assert (await bulk_page(body % (b"b", json.dumps(NEXT).encode()))).following() == NEXT["uri"]
    for other in (b"a", b"c"):
        with pytest.raises(CleverPagingBroken):
            await bulk_page(body % (other, json.dumps(NEXT).encode()))


async def test_a_list_is_read_page_by_page_each_at_the_cursor_of_the_one_before(
    connected: Connect, sandbox: Sandbox
) -> None:
    client, district = connected(bulk_limit=7), sandbox.world.districts[0]
    sections: list[Section] = []
    after = None
    while after is not None or not sections:
        page = await client.section_page(DistrictId(district.id), LOAD, sections.append, after)
        after = page.cursor
    assert [section.id for section in sections] == [*district.sections]
    assert [times for path, times in sandbox.requests.items() if path.endswith("/sections")] == [-(-len(sections) // 7)]


async def test_people_are_listed_with_all_their_roles_or_by_one(connected: Connect, sandbox: Sandbox) -> None:
    client, district = connected(), sandbox.world.districts[0]
    everybody, staff = list[Facts](), list[Facts]()
    listed = await client.people_page(DistrictId(district.id), None, LOAD, everybody.append)
    await client.people_page(DistrictId(district.id), Role.STAFF, LOAD, staff.append)
    assert [facts.user for facts in everybody] == [*listed.records] == [*district.users]
    assert staff == [facts for facts in everybody if Role.STAFF in facts.held()]


async def test_schools_are_listed_by_id(connected: Connect, sandbox: Sandbox) -> None:
    district = sandbox.world.districts[0]
    assert [*(await connected().school_page(DistrictId(district.id), LOAD, bool)).records] == [*district.schools]


async def test_records_of_another_district_are_left_out(connected: Connect, sandbox: Sandbox) -> None:
    sandbox.app.state.faults.put(Faults(faults=(Fault(kind="other_district", path="*/sections"),)))
    page = await connected().section_page(DistrictId(sandbox.world.districts[0].id), LOAD, bool)
    assert [*page.records] == []


async def test_a_district_that_is_not_connected_is_unknown(connected: Connect) -> None:
    with pytest.raises(RecordUnknown):
        await connected().section_page(DistrictId("e" * 24), LOAD, bool)
