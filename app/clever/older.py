"""Reads users of the API before 3.0, where each role of a person is an account of its own, with its own id.

An account is brought into the form of a user of API 3.x with one role, of which ``mapping`` makes facts. An account
without a `legacy_id` is its own: the id under which it is read.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Annotated, Protocol

import msgspec

from app.clever import places
from app.clever.bulk import BulkList, handed_over
from app.clever.events import RecordTypes
from app.clever.mapping import Answers, facts_of
from app.clever.models import MOST_ENTRIES, ApiModelWithExtras, BarePage, Entry, Listed, Page
from app.clever.pagination import MOST_PAGES, DistrictApi, ReadPage, pages, records_of
from app.clever.places import SCHOOLS, SECTION, SECTIONS
from app.clever.records import (
    ContactFields,
    DistrictAdminFields,
    RelationshipFields,
    RolesFields,
    SectionRecord,
    StaffFields,
    StudentFields,
    TeacherFields,
    UserFields,
    names,
)
from app.domain.calendar import Calendar
from app.domain.errors import CleverPagingBroken, RecordUnknown, UserUnknown
from app.domain.facts import Facts, Oddity, Role
from app.domain.ids import SchoolId, UserId
from app.domain.places import Place, Section
from app.domain.scopes import Scope


class AccountRecord(ApiModelWithExtras):
    """An account of any role, read alone or with the people of a place."""

    documented = names(
        "created credentials dob ell_status email enrollments ext gender grade graduation_year hispanic_ethnicity"
        " home_language iep_status last_modified location name phone phone_type race sis_id staff_id state_id"
        " student_number teacher_number unweighted_gpa weighted_gpa"
    )
    id: str
    district: str | None = None
    school: str | None = None
    schools: Listed[str] | None = None
    title: str | None = None
    department: str | None = None
    student: str | None = None
    students: Listed[str] | None = None
    relationship: str | None = None
    type: str | None = None


_Ids = Annotated[list[str], msgspec.Meta(max_length=MOST_ENTRIES)]


class AccountFields(msgspec.Struct, gc=False):
    """An account of a whole district; see ``AccountRecord``."""

    id: str
    district: str | None = None
    school: str | None = None
    schools: _Ids | None = None
    title: str | None = None
    department: str | None = None
    student: str | None = None
    students: _Ids | None = None
    relationship: str | None = None
    type: str | None = None


_Account = AccountRecord | AccountFields

_ACCOUNT, _ACCOUNTS, _BARE_ACCOUNTS = Entry[AccountRecord], Page[AccountRecord], BarePage[AccountRecord]
_ALL_ACCOUNTS = BulkList(AccountFields)

_COLLECTIONS: Mapping[Role, str] = {
    Role.TEACHER: "/teachers",
    Role.STUDENT: "/students",
    Role.STAFF: "/school_admins",
    Role.DISTRICT_ADMIN: "/district_admins",
    Role.CONTACT: "/contacts",
}
"""Where the accounts of each role are, in the order in which an id is looked for."""

_PEOPLE: Mapping[Scope, Mapping[Role, str]] = {
    Scope.DISTRICT: _COLLECTIONS,
    Scope.SCHOOL: {
        Role.TEACHER: "/schools/{}/teachers",
        Role.STUDENT: "/schools/{}/students",
        # No version lists those of one school.
        Role.STAFF: _COLLECTIONS[Role.STAFF],
    },
    Scope.SECTION: {Role.TEACHER: "/sections/{}/teachers", Role.STUDENT: "/sections/{}/students"},
    Scope.STUDENT: {Role.CONTACT: "/students/{}/contacts"},
}
"""Where the people of a place are listed, by role."""

_IN_SECTIONS = frozenset({Role.TEACHER, Role.STUDENT})

_AT_A_STRETCH = 200  # accounts; a whole district at once would keep other tasks waiting for seconds


class ReadCalendar(Protocol):
    """Reads the calendar of a district; see ``versions.Family``."""

    async def __call__(self, api: DistrictApi, *, with_terms: bool) -> Calendar:
        """Read the calendar."""


_NO_EVENTS: RecordTypes = {}


@dataclass(frozen=True, slots=True)
class OlderFamily:
    """Versions before 3.0 that are read in the same way; ``versions.Family`` says what each read returns and raises.

    Attributes:
        read_calendar: reads the calendar.
        bare: the paths of lists whose items stand in no envelope; these are read without a limit.
        names_all_schools: whether teachers and students name all their schools; if not, the schools of their sections
            are read.
    """

    read_calendar: ReadCalendar
    bare: frozenset[str] = frozenset()
    names_all_schools: bool = True

    # A contact is found in the last collection; whoever has sections or schools to read is in an earlier one.
    USER_REQUESTS = len(_COLLECTIONS)
    RECORD_TYPES = _NO_EVENTS

    async def read_user(self, api: DistrictApi, user: UserId, *, confirm_schools: bool, grace: float) -> Facts:
        """Read an account, and then its sections, or its schools if they are to be confirmed."""
        del grace  # nothing is read that no role needs
        role, account = await _account(api, user)
        sections, schools = list[SectionRecord](), None
        if role in _IN_SECTIONS:
            sections = await api.own_list(f"{_COLLECTIONS[role]}/{{}}/sections", user, SECTIONS)
        elif role is Role.STAFF and confirm_schools:
            schools = await api.own_list(f"{_COLLECTIONS[role]}/{{}}/schools", user, SCHOOLS)
        api.odd[Oddity.FIELD_UNKNOWN] += account.unknown_fields()
        more = () if self.names_all_schools else _schools_of(api, user, role, sections)
        return _facts_of(api, Answers(_user_of(role, account, more), sections, schools))

    async def read_people(
        self, api: DistrictApi, place: Place, role: Role | None, most_pages: int | None
    ) -> tuple[Facts, ...]:
        """Read the people of a place, a list for each role."""
        lists = _PEOPLE.get(place[0], {})
        if not lists or role not in {None, *lists}:
            raise ValueError(f"Clever cannot be asked for the people of a {place[0]} by the role {role}")
        roles = lists if role is None else (role,)
        sections, schools, found = await _found(api, place), await self._schools_in(api, roles), list[Facts]()
        for each in roles:
            # Of a place that is there, a list that is missing does not say that nobody is in it.
            accounts = await records_of(self._pages(api, lists[each], place, most_pages))
            for number, account in enumerate(api.own(accounts), 1):
                api.odd[Oddity.FIELD_UNKNOWN] += account.unknown_fields()
                user = _user_of(each, account, schools.get((each, account.id), ()))
                found.append(_facts_of(api, Answers(user, sections)))
                if number % _AT_A_STRETCH == 0:
                    await asyncio.sleep(0)
        return tuple(sorted((facts for facts in found if _is_in(facts, place)), key=lambda facts: facts.user))

    async def read_people_page(
        self, api: DistrictApi, role: Role | None, after: str | None, take: Callable[[Facts], object]
    ) -> ReadPage[str]:
        """Read one page of the accounts of a role, or of those of all roles, one collection after the other.

        A cursor is the number of a collection, and the URL of a page of it unless that is the first.
        """
        roles = [*_COLLECTIONS] if role is None else [role]
        number, _, cursor = (after or "0").partition(" ")
        page = await self._page(api, roles[int(number)], cursor or None, take)
        if page.cursor is not None:
            return ReadPage(page.records, f"{number} {page.cursor}")
        following = int(number) + 1
        return ReadPage(page.records, f"{following}" if following < len(roles) else None)

    def _pages(
        self, api: DistrictApi, path: str, place: Place, most_pages: int | None
    ) -> AsyncGenerator[ReadPage[AccountRecord]]:
        named = place[1] if "{}" in path else None
        if path not in self.bare:
            return api.pages(path, _ACCOUNTS, of=named, most_pages=most_pages)
        return self._bare_pages(api, api.url(path, named), None, most_pages)

    def _bare_pages(
        self, api: DistrictApi, url: str, cursor: str | None, most_pages: int | None
    ) -> AsyncGenerator[ReadPage[AccountRecord]]:
        return pages(
            api.transport,
            url,
            api.request_context,
            _BARE_ACCOUNTS,
            cursor=cursor,
            most_pages=MOST_PAGES if most_pages is None else most_pages,
        )

    async def _page(
        self, api: DistrictApi, role: Role, cursor: str | None, take: Callable[[Facts], object]
    ) -> ReadPage[str]:
        path, schools = _COLLECTIONS[role], await self._schools_in(api, (role,))

        def people(accounts: Sequence[_Account]) -> list[str]:
            every = api.listed([*accounts])
            users = (_user_of(role, account, schools.get((role, account.id), ())) for account in every)
            return handed_over([_facts_of(api, Answers(user)) for user in users], take, lambda facts: facts.user)

        if path not in self.bare:
            return await api.bulk_page(path, _ALL_ACCOUNTS.of(people), "", cursor)
        async with aclosing(self._bare_pages(api, api.url(path), cursor, 1)) as read:
            page = await anext(read)
        return ReadPage(people(page.records), page.cursor)

    async def _schools_in(self, api: DistrictApi, roles: Collection[Role]) -> Mapping[tuple[Role, str], set[str]]:
        """Return the schools of the sections of each teacher and student of the district, where they do not name them.

        That reads all sections, each time: nothing is kept here.
        """
        found: defaultdict[tuple[Role, str], set[str]] = defaultdict(set)
        wanted = () if self.names_all_schools else _IN_SECTIONS.intersection(roles)

        def take(section: Section) -> None:
            for role in wanted:
                for user in section.teachers if role is Role.TEACHER else section.students:
                    found[role, user].update([section.school] if section.school else [])

        ids, cursor, is_last = set[str](), None, not wanted
        while not is_last:
            page = await places.read_section_page(api, cursor, take)
            if not ids.isdisjoint(page.records):
                raise CleverPagingBroken("a list of Clever's has a record twice")
            ids.update(page.records)
            cursor, is_last = page.cursor, page.cursor is None
        return found


async def _found(api: DistrictApi, place: Place) -> Sequence[SectionRecord]:
    """Return the section that a place is, if it is one; raises ``RecordUnknown`` if there is no such place."""
    scope, named = place
    if scope is Scope.SECTION:
        return (await api.record("/sections/{}", named, SECTION),)
    if scope is Scope.SCHOOL:
        await places.read_school(api, SchoolId(named))
    if scope is Scope.STUDENT:
        await api.record("/students/{}", named, _ACCOUNT)
    return ()


async def _account(api: DistrictApi, user: UserId) -> tuple[Role, AccountRecord]:
    """Read an account from whichever collection has it; raises ``UserUnknown`` if none does."""
    for role, path in _COLLECTIONS.items():
        with suppress(RecordUnknown):
            return role, await api.record(f"{path}/{{}}", user, _ACCOUNT)
    raise UserUnknown


def _schools_of(
    api: DistrictApi, user: UserId, role: Role, sections: Iterable[SectionRecord]
) -> Collection[str | None]:
    """Return the schools of the sections in which a user stands."""
    ours = (section for section in sections if section.district == api.district)
    people_of = SectionRecord.taught_by if role is Role.TEACHER else SectionRecord.attended_by
    return {section.school for section in ours if user in people_of(section)}


def _user_of(role: Role, account: _Account, more_schools: Iterable[str | None]) -> UserFields:
    """Return an account as a user with one role, at more schools than it names."""
    return UserFields(account.id, account.district, _roles_of(role, account, more_schools))


def _roles_of(role: Role, account: _Account, more_schools: Iterable[str | None]) -> RolesFields:
    schools = [*(account.schools or ()), *filter(None, more_schools)]
    match role:
        case Role.STUDENT:
            return RolesFields(student=StudentFields(account.school, schools, account.id))
        case Role.TEACHER:
            return RolesFields(teacher=TeacherFields(account.school, schools, account.title, account.id))
        case Role.STAFF:
            # These versions do not tell who is a Tech Lead.
            return RolesFields(staff=StaffFields(schools, None, account.title, account.department, account.id))
        case Role.DISTRICT_ADMIN:
            return RolesFields(district_admin=DistrictAdminFields(account.title, account.id))
        case Role.CONTACT:
            return RolesFields(contact=ContactFields(_relationships(account), account.id))


def _relationships(account: _Account) -> list[RelationshipFields]:
    """Return a relationship for each student of a contact: the one that the account has to all of them.

    One without a student is kept, too: ``mapping`` says why.
    """
    students = [account.student] if account.student else [*(account.students or ())] or [None]
    return [RelationshipFields(student, account.relationship, account.type) for student in students]


def _is_in(facts: Facts, place: Place) -> bool:
    """Tell whether somebody listed for a place stands there: staff are listed for the whole district."""
    (held,) = facts.roles
    return (place[0], held.role) != (Scope.SCHOOL, Role.STAFF) or place[1] in held.ids(Scope.SCHOOL)


def _facts_of(api: DistrictApi, answers: Answers) -> Facts:
    return facts_of(answers, api.district, api.endpoint.id_shape, api.odd)
