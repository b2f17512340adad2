"""The endpoints of Clever's API, each a function of a district, an id and the parameters, and the pages of lists."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar
from urllib.parse import urlencode

from app.sandbox.records import District, Record, School, Section, User
from app.sandbox.serialization import VERSIONS, Link

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


def _found(records: Mapping[str, R], wanted: str) -> R:
    if wanted not in records:
        raise not_found()
    return records[wanted]


def _one_of(allowed: Sequence[str], parameters: Parameters, name: str) -> str | None:
    value = parameters.get(name)
    if value is not None and value not in allowed:
        raise bad_parameter(name)
    return value


def _shared(records: Mapping[str, R], ids: Iterable[str]) -> Sequence[R]:
    """Return the shared records among ``ids``, sorted by id."""
    return [records[one] for one in sorted(set(ids)) if one in records]


def _users(district: District, _: str, parameters: Parameters) -> Sequence[User]:
    role = _one_of(ROLES, parameters, "role")
    return district.all_users if role is None else district.users_in_role.get(role, ())


def _sections_of_user(district: District, user: str, _: Parameters) -> Sequence[Section]:
    return district.sections_of_user.get(_found(district.users, user).id, ())


def _schools_of_user(district: District, user: str, parameters: Parameters) -> Sequence[School]:
    found, primary = _found(district.users, user), _one_of(("", "true"), parameters, "primary")
    return _shared(district.schools, found.primary_schools if primary == "true" else found.schools)


def _students_of_user(district: District, user: str, parameters: Parameters) -> Sequence[User]:
    taught = [one for one in _sections_of_user(district, user, parameters) if user in one.taught_by]
    students = (student for section in taught for student in section.students)
    return _shared(district.users, (*students, *district.users[user].wards))


def _teachers_of_user(district: District, user: str, parameters: Parameters) -> Sequence[User]:
    enrolled = [one for one in _sections_of_user(district, user, parameters) if user in one.students]
    return _shared(district.users, (teacher for section in enrolled for teacher in section.taught_by))


def _contacts_of_user(district: District, user: str, _: Parameters) -> Sequence[User]:
    is_student = _found(district.users, user).roles.get("student") is not None
    return district.contacts_of_student.get(user, ()) if is_student else ()


def _sections_of_school(district: District, school: str, _: Parameters) -> Sequence[Section]:
    return district.sections_at_school.get(_found(district.schools, school).id, ())


def _users_of_school(district: District, school: str, parameters: Parameters) -> Sequence[User]:
    there = district.users_at_school.get(_found(district.schools, school).id, ())
    at_school = ("staff", "student", "teacher")
    role, primary = _one_of(at_school, parameters, "role"), _one_of(("", "true"), parameters, "primary")
    roles, fields = (role,) if role else at_school, ("school",) if primary == "true" else ("school", "schools")
    return [user for user in there if any(school in user.ids_in(one, field) for one in roles for field in fields)]


def _users_of_section(district: District, section: str, parameters: Parameters) -> Sequence[User]:
    found, role = _found(district.sections, section), _one_of(("student", "teacher"), parameters, "role")
    students = () if role == "teacher" else found.students
    return _shared(district.users, (*students, *(() if role == "student" else found.taught_by)))


LISTS: Mapping[str, ListQuestion] = {
    "/users": _users,
    "/users/{id}/sections": _sections_of_user,
    "/users/{id}/schools": _schools_of_user,
    "/users/{id}/mystudents": _students_of_user,
    "/users/{id}/myteachers": _teachers_of_user,
    "/users/{id}/mycontacts": _contacts_of_user,
    "/schools": lambda district, _id, _parameters: district.all_schools,
    "/schools/{id}/sections": _sections_of_school,
    "/schools/{id}/users": _users_of_school,
    "/sections": lambda district, _id, _parameters: district.all_sections,
    "/sections/{id}/users": _users_of_section,
    "/districts": lambda district, _id, _parameters: (district,),
}

ONES: Mapping[str, OneQuestion] = {
    "/users/{id}": lambda district, user: _found(district.users, user),
    "/users/{id}/district": lambda district, user: _found({user: district} if user in district.users else {}, user),
    "/schools/{id}": lambda district, school: _found(district.schools, school),
    "/sections/{id}": lambda district, section: _found(district.sections, section),
    "/districts/{id}": lambda district, wanted: _found({district.id: district}, wanted),
}


def template_of(path: str) -> str | None:
    """Return the template of a path, such as ``/users/{id}/sections``; None for an unknown path."""
    _, version, *parts = path.split("/") if path.count("/") > 1 else ("", "")
    template = "/" + "/".join("{id}" if at == 1 else part for at, part in enumerate(parts))
    return template if version in VERSIONS and (template in LISTS or template in ONES) else None


DEFAULT_LIMIT = 100
HIGHEST_LIMIT = 10_000

_LIMIT = re.compile(r"0*[1-9][0-9]{0,17}", re.ASCII)
_ID = re.compile(r"[0-9a-f]{24}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list; `before` and `after` say whether it has links to the pages around it."""

    records: Sequence[Record]
    before: bool
    after: bool


def page_of(records: Sequence[Record], parameters: Mapping[str, str]) -> Page:
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


def page_links(path: str, parameters: Mapping[str, str], page: Page) -> list[Link]:
    """Return the links `self`, `next` and `prev`; an empty page has only `self`."""
    links = [{"rel": "self", "uri": _with(path, parameters)}]
    others = {name: value for name, value in parameters.items() if name not in ("starting_after", "ending_before")}
    if page.records and page.after:
        links.append({"rel": "next", "uri": _with(path, others | {"starting_after": page.records[-1].id})})
    if page.records and page.before:
        links.append({"rel": "prev", "uri": _with(path, others | {"ending_before": page.records[0].id})})
    return links


def _id_of(record: Record) -> str:
    return record.id


def _with(path: str, parameters: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(parameters)}" if parameters else path


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
