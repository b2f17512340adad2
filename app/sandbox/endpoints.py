"""The endpoints of version 3, each a function of a district, an id and the parameters, and the pages of lists."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar
from urllib.parse import urlencode

from app.sandbox.records import Course, District, Record, Resource, School, Section, Term, User, roles_held
from app.sandbox.serialization import Link

R = TypeVar("R")
Parameters: TypeAlias = Mapping[str, str]
ListQuestion: TypeAlias = Callable[[District, str, Parameters], Sequence[Record]]
OneQuestion: TypeAlias = Callable[[District, str], Record]

ROLES = ("contact", "district_admin", "staff", "student", "teacher")


class Refusal(Exception):
    """A request that Clever answers with an error: its status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def not_found() -> Refusal:
    """Return Clever's answer for a record that is gone, not shared, or of another district: it does not say which."""
    return Refusal(404, "Resource not found")


def bad_parameter(name: str) -> Refusal:
    """Return Clever's answer for a parameter with an invalid value."""
    return Refusal(400, f"Invalid value for parameter '{name}'")


def find(records: Mapping[str, R], wanted: str) -> R:
    """Return a record, or raise the `Refusal` that Clever would answer."""
    if wanted not in records:
        raise not_found()
    return records[wanted]


def _one_of(allowed: Sequence[str], parameters: Parameters, name: str) -> str | None:
    value = parameters.get(name)
    if value is not None and value not in allowed:
        raise bad_parameter(name)
    return value


def shared(records: Mapping[str, R], ids: Iterable[str | None]) -> Sequence[R]:
    """Return the shared records among ``ids``, sorted by id."""
    return [records[one] for one in sorted({one for one in ids if one is not None}) if one in records]


def _users(district: District, _: str, parameters: Parameters) -> Sequence[User]:
    role = _one_of(ROLES, parameters, "role")
    return district.all_users if role is None else district.users_in_role.get(role, ())


def sections_of_user(district: District, user: str, _: Parameters) -> Sequence[Section]:
    """Return the sections that a user teaches or is enrolled in."""
    return district.sections_of_user.get(find(district.users, user).id, ())


def schools_of_user(district: District, user: str, parameters: Parameters) -> Sequence[School]:
    """Return the schools of all roles of a user; ``primary`` keeps the primary ones."""
    found, primary = find(district.users, user), _one_of(("", "true"), parameters, "primary")
    return shared(district.schools, found.primary_schools if primary == "true" else found.schools)


def students_of_user(district: District, user: str, parameters: Parameters) -> Sequence[User]:
    """Return the students of a teacher's sections, or of a contact."""
    taught = [one for one in sections_of_user(district, user, parameters) if user in one.taught_by]
    students = (student for section in taught for student in section.students)
    return shared(district.users, (*students, *district.users[user].wards))


def teachers_of_user(district: District, user: str, parameters: Parameters) -> Sequence[User]:
    """Return the teachers of a student's sections."""
    enrolled = [one for one in sections_of_user(district, user, parameters) if user in one.students]
    return shared(district.users, (teacher for section in enrolled for teacher in section.taught_by))


def contacts_of_user(district: District, user: str, _: Parameters) -> Sequence[User]:
    """Return the contacts of a student; others have none."""
    is_student = find(district.users, user).roles.get("student") is not None
    return district.contacts_of_student.get(user, ()) if is_student else ()


def sections_of_school(district: District, school: str, _: Parameters) -> Sequence[Section]:
    """Return the sections that lie at a school."""
    return district.sections_at_school.get(find(district.schools, school).id, ())


def users_of_school(district: District, school: str, parameters: Parameters) -> Sequence[User]:
    """Return the users of a school; ``role`` and ``primary`` narrow them down."""
    there = district.users_at_school.get(find(district.schools, school).id, ())
    at_school = ("staff", "student", "teacher")
    role, primary = _one_of(at_school, parameters, "role"), _one_of(("", "true"), parameters, "primary")
    roles, fields = (role,) if role else at_school, ("school",) if primary == "true" else ("school", "schools")
    return [user for user in there if any(school in user.ids_in(one, field) for one in roles for field in fields)]


def users_of_section(district: District, section: str, parameters: Parameters) -> Sequence[User]:
    """Return the students and teachers of a section; ``role`` keeps one of both."""
    found, role = find(district.sections, section), _one_of(("student", "teacher"), parameters, "role")
    students = () if role == "teacher" else found.students
    return shared(district.users, (*students, *(() if role == "student" else found.taught_by)))


def _resources_of_user(district: District, user: str, parameters: Parameters) -> Sequence[Resource]:
    sections, roles = sections_of_user(district, user, parameters), set(roles_held(district.users[user]))
    courses = {section.course for section in sections}
    meant = (one for one in district.all_resources if roles.intersection(one.roles))
    return [one for one in meant if courses.intersection(one.courses)]


def _courses_of_school(district: District, school: str, parameters: Parameters) -> Sequence[Course]:
    there = sections_of_school(district, school, parameters)
    return shared(district.courses, (section.course for section in there))


def _terms_of_school(district: District, school: str, parameters: Parameters) -> Sequence[Term]:
    there = sections_of_school(district, school, parameters)
    return shared(district.terms, (section.term for section in there))


def _resources_of_section(district: District, section: str, _: Parameters) -> Sequence[Resource]:
    course = find(district.sections, section).course
    return [one for one in district.all_resources if course in one.courses]


def sections_of_term(district: District, term: str, _: Parameters) -> Sequence[Section]:
    """Return the sections of a term."""
    wanted = find(district.terms, term).id
    return [section for section in district.all_sections if section.term == wanted]


def sections_of_course(district: District, course: str, _: Parameters) -> Sequence[Section]:
    """Return the sections of a course."""
    wanted = find(district.courses, course).id
    return [section for section in district.all_sections if section.course == wanted]


def _resources_of_course(district: District, course: str, _: Parameters) -> Sequence[Resource]:
    wanted = find(district.courses, course).id
    return [one for one in district.all_resources if wanted in one.courses]


def _sections_of_resource(district: District, resource: str, _: Parameters) -> Sequence[Section]:
    courses = set(find(district.resources, resource).courses)
    return [section for section in district.all_sections if section.course in courses]


def _users_of_resource(district: District, resource: str, parameters: Parameters) -> Sequence[User]:
    sections, role = _sections_of_resource(district, resource, {}), _one_of(("student", "teacher"), parameters, "role")
    roles = {role} if role else {"student", "teacher"}
    reached = roles.intersection(district.resources[resource].roles)
    return shared(
        district.users,
        (one for section in sections for role in reached for one in _PEOPLE_OF_SECTION[role](section)),
    )


_PEOPLE_OF_SECTION: Mapping[str, Callable[[Section], Iterable[str]]] = {
    "student": lambda section: section.students,
    "teacher": lambda section: section.taught_by,
}


def _schools_of(sections: ListQuestion) -> ListQuestion:
    """Return the question for the schools of the sections that another question finds."""

    def question(district: District, wanted: str, parameters: Parameters) -> Sequence[School]:
        found = sections(district, wanted, parameters)
        return shared(district.schools, (one.school for one in found if isinstance(one, Section)))

    return question


V3_LISTS: Mapping[str, ListQuestion] = {
    "/users": _users,
    "/users/{id}/sections": sections_of_user,
    "/users/{id}/schools": schools_of_user,
    "/users/{id}/mystudents": students_of_user,
    "/users/{id}/myteachers": teachers_of_user,
    "/users/{id}/mycontacts": contacts_of_user,
    "/users/{id}/resources": _resources_of_user,
    "/schools": lambda district, _id, _parameters: district.all_schools,
    "/schools/{id}/courses": _courses_of_school,
    "/schools/{id}/sections": sections_of_school,
    "/schools/{id}/terms": _terms_of_school,
    "/schools/{id}/users": users_of_school,
    "/sections": lambda district, _id, _parameters: district.all_sections,
    "/sections/{id}/resources": _resources_of_section,
    "/sections/{id}/users": users_of_section,
    "/terms": lambda district, _id, _parameters: district.all_terms,
    "/terms/{id}/schools": _schools_of(sections_of_term),
    "/terms/{id}/sections": sections_of_term,
    "/courses": lambda district, _id, _parameters: district.all_courses,
    "/courses/{id}/resources": _resources_of_course,
    "/courses/{id}/schools": _schools_of(sections_of_course),
    "/courses/{id}/sections": sections_of_course,
    "/resources": lambda district, _id, _parameters: district.all_resources,
    "/resources/{id}/courses": lambda district, resource, _: shared(
        district.courses, find(district.resources, resource).courses
    ),
    "/resources/{id}/sections": _sections_of_resource,
    "/resources/{id}/users": _users_of_resource,
    "/districts": lambda district, _id, _parameters: (district,),
}

V3_COUNTED = ("/users", "/schools", "/sections", "/terms", "/courses", "/districts")
"""The lists that answer `count`."""


def record_of_section(collection: str, field: str) -> OneQuestion:
    """Return the question for the record that a field of a section names."""

    def question(district: District, section: str) -> Record:
        record: Record = find(getattr(district, collection), getattr(find(district.sections, section), field))
        return record

    return question


def district_of(collection: str) -> OneQuestion:
    """Return the question for the district of a record."""

    def question(district: District, wanted: str) -> District:
        find(getattr(district, collection), wanted)
        return district

    return question


V3_ONES: Mapping[str, OneQuestion] = {
    "/users/{id}": lambda district, user: find(district.users, user),
    "/schools/{id}": lambda district, school: find(district.schools, school),
    "/sections/{id}": lambda district, section: find(district.sections, section),
    "/sections/{id}/course": record_of_section("courses", "course"),
    "/sections/{id}/school": record_of_section("schools", "school"),
    "/sections/{id}/term": record_of_section("terms", "term"),
    "/terms/{id}": lambda district, term: find(district.terms, term),
    "/courses/{id}": lambda district, course: find(district.courses, course),
    "/resources/{id}": lambda district, resource: find(district.resources, resource),
    "/districts/{id}": lambda district, wanted: find({district.id: district}, wanted),
    **{f"/{each}/{{id}}/district": district_of(each) for each in ("users", "schools", "sections", "terms", "courses")},
}

EVENTS, ONE_EVENT = "/events", "/events/{id}"


DEFAULT_LIMIT = 100
HIGHEST_LIMIT = 10_000

_LIMIT = re.compile(r"0*[1-9][0-9]{0,17}", re.ASCII)
_ID = re.compile(r"[0-9a-f]{24}", re.ASCII)


class Listed(Protocol):
    """An item of a list, which is sorted by id."""

    @property
    def id(self) -> str:
        """The id of a record or an event."""


R_co = TypeVar("R_co", bound=Listed, covariant=True)
LinkParameters: TypeAlias = Mapping[str, str | Sequence[str]]
"""The parameters of a request; one that may be repeated has a list of values."""


@dataclass(frozen=True, slots=True)
class Page(Generic[R_co]):
    """A page of a list; `before` and `after` say whether it has links to the pages around it."""

    records: Sequence[R_co]
    before: bool
    after: bool


def page_of(records: Sequence[R_co], parameters: Mapping[str, str]) -> Page[R_co]:
    """Return the page that the parameters ask for.

    As at Clever, a page reached from one side always has a link back, even if nothing is left there.
    """
    limit, (after, before) = _limit(parameters), _cursors(parameters)
    if before is not None:
        end = bisect_left(records, before, key=_id_of)
        start = max(end - limit, 0)
        return Page(records[start:end], before=start > 0, after=True)
    start = bisect_right(records, after, key=_id_of) if after is not None else 0
    end = start + limit
    return Page(records[start:end], before=after is not None, after=end < len(records))


def page_links(path: str, parameters: LinkParameters, page: Page[Listed]) -> list[Link]:
    """Return the links `self`, `next` and `prev`; an empty page has only `self`."""
    links = [{"rel": "self", "uri": _with(path, parameters)}]
    others = {name: value for name, value in parameters.items() if name not in ("starting_after", "ending_before")}
    if page.records and page.after:
        links.append({"rel": "next", "uri": _with(path, others | {"starting_after": page.records[-1].id})})
    if page.records and page.before:
        links.append({"rel": "prev", "uri": _with(path, others | {"ending_before": page.records[0].id})})
    return links


def _id_of(record: Listed) -> str:
    return record.id


def _with(path: str, parameters: LinkParameters) -> str:
    return f"{path}?{urlencode(parameters, doseq=True)}" if parameters else path


def _limit(parameters: Mapping[str, str]) -> int:
    asked = parameters.get("limit", f"{DEFAULT_LIMIT}")
    if not _LIMIT.fullmatch(asked):
        raise bad_parameter("limit")
    if int(asked) > HIGHEST_LIMIT:
        raise Refusal(413, f"limit must be at most {HIGHEST_LIMIT}")
    return int(asked)


def _cursors(parameters: Mapping[str, str]) -> tuple[str | None, str | None]:
    cursors = {name: parameters.get(name) for name in ("starting_after", "ending_before")}
    for name, value in cursors.items():
        if value is not None and not _ID.fullmatch(value):
            raise bad_parameter(name)
    if None not in cursors.values():
        raise Refusal(400, "starting_after and ending_before exclude each other")
    return cursors["starting_after"], cursors["ending_before"]
