"""The endpoints of versions 1 and 2, where each role of a person is an account of its own, with its own id.

They ask a district as it was before version 3, `District.before_v3`. Their lists of events are empty, as at Clever
where an application has not enabled events.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from app.sandbox.endpoints import (
    EVENTS,
    ONE_EVENT,
    ListQuestion,
    OneQuestion,
    Parameters,
    contacts_of_user,
    district_of,
    find,
    not_found,
    record_of_section,
    schools_of_user,
    sections_of_course,
    sections_of_school,
    sections_of_term,
    sections_of_user,
    students_of_user,
    teachers_of_user,
    users_of_school,
    users_of_section,
)
from app.sandbox.records import OLD_COLLECTIONS, District, Record, School, User
from app.sandbox.serialization import grade_of

Lists: TypeAlias = Mapping[str, ListQuestion]
Ones: TypeAlias = Mapping[str, OneQuestion]


def _account(role: str) -> OneQuestion:
    """Return the question for an account of a role."""

    def question(district: District, account: str) -> User:
        return _find(district, role, account)

    return question


def _find(district: District, role: str, account: str) -> User:
    user = find(district.users, account)
    if role not in user.roles:
        raise not_found()
    return user


def _accounts(role: str) -> ListQuestion:
    """Return the question for all accounts of a role."""

    def question(district: District, _: str, __: Parameters) -> Sequence[User]:
        return district.users_in_role.get(role, ())

    return question


def _of(role: str, ask: ListQuestion) -> ListQuestion:
    """Return the question of version 3 for what belongs to a user, for accounts of a role alone."""

    def question(district: District, account: str, _: Parameters) -> Sequence[Record]:
        return ask(district, _find(district, role, account).id, {})

    return question


def _in_role(role: str, ask: ListQuestion) -> ListQuestion:
    """Return the question of version 3 for people, narrowed down to a role."""

    def question(district: District, wanted: str, _: Parameters) -> Sequence[Record]:
        return ask(district, wanted, {"role": role})

    return question


def _school_of(role: str) -> OneQuestion:
    def question(district: District, account: str) -> School:
        primary = _find(district, role, account).primary_schools
        return find(district.schools, next(iter(primary), ""))

    return question


def _district_of_account(role: str) -> OneQuestion:
    def question(district: District, account: str) -> District:
        _find(district, role, account)
        return district

    return question


def _no_events(_: District, __: str, ___: Parameters) -> Sequence[Record]:
    return ()


def _no_event(_: District, __: str) -> Record:
    raise not_found()


def _without_events(collection: str) -> ListQuestion:
    """Return the question for the events of a record, of which there are none."""

    def question(district: District, wanted: str, _: Parameters) -> Sequence[Record]:
        find(getattr(district, collection), wanted)
        return ()

    return question


_LISTS: Lists = {
    **{f"/{collection}": _accounts(role) for role, collection in OLD_COLLECTIONS.items()},
    "/districts": lambda district, _id, _parameters: (district,),
    "/school_admins/{id}/schools": _of("staff", schools_of_user),
    "/schools": lambda district, _id, _parameters: district.all_schools,
    "/schools/{id}/sections": sections_of_school,
    "/schools/{id}/students": _in_role("student", users_of_school),
    "/schools/{id}/teachers": _in_role("teacher", users_of_school),
    "/sections": lambda district, _id, _parameters: district.all_sections,
    "/sections/{id}/students": _in_role("student", users_of_section),
    "/sections/{id}/teachers": _in_role("teacher", users_of_section),
    "/students/{id}/sections": _of("student", sections_of_user),
    "/students/{id}/teachers": _of("student", teachers_of_user),
    "/teachers/{id}/sections": _of("teacher", sections_of_user),
    "/teachers/{id}/students": _of("teacher", students_of_user),
    EVENTS: _no_events,
}

_ONES: Ones = {
    **{f"/{collection}/{{id}}": _account(role) for role, collection in OLD_COLLECTIONS.items()},
    **{
        f"/{OLD_COLLECTIONS[role]}/{{id}}/district": _district_of_account(role)
        for role in ("contact", "student", "teacher")
    },
    "/districts/{id}": lambda district, wanted: find({district.id: district}, wanted),
    "/schools/{id}": lambda district, school: find(district.schools, school),
    "/schools/{id}/district": district_of("schools"),
    "/sections/{id}": lambda district, section: find(district.sections, section),
    "/sections/{id}/district": district_of("sections"),
    "/sections/{id}/school": record_of_section("schools", "school"),
    "/sections/{id}/teacher": record_of_section("users", "teacher"),
    "/students/{id}/school": _school_of("student"),
    "/teachers/{id}/school": _school_of("teacher"),
    ONE_EVENT: _no_event,
}


def _student_of_contact(district: District, contact: str) -> User:
    wards = _find(district, "contact", contact).wards
    return find(district.users, wards[0] if wards else "")


def _contacts_of_student_alone(district: District, student: str, _: Parameters) -> Sequence[User]:
    """Return the contacts whose one student this is: in version 1 a contact has no other."""
    return [one for one in district.contacts_of_student.get(student, ()) if one.wards[0] == student]


V1_LISTS: Lists = {
    **_LISTS,
    "/students/{id}/contacts": _of("student", _contacts_of_student_alone),
    **{f"/{OLD_COLLECTIONS[role]}/{{id}}/events": _of(role, _no_events) for role in ("staff", "student", "teacher")},
    **{f"/{collection}/{{id}}/events": _without_events(collection) for collection in ("schools", "sections")},
}

V1_ONES: Ones = {**_ONES, "/contacts/{id}/student": _student_of_contact}

V1_BARE = frozenset({"/district_admins", "/students/{id}/contacts"})
"""The lists whose items stand in no envelope."""

V1_WITHOUT_LIMIT = frozenset({"/district_admins"})
"""The lists that ignore `limit`."""

V2_LISTS: Lists = {
    **_LISTS,
    "/contacts/{id}/students": _of("contact", students_of_user),
    "/courses": lambda district, _id, _parameters: district.all_courses,
    "/courses/{id}/sections": sections_of_course,
    "/students/{id}/contacts": _of("student", contacts_of_user),
    "/students/{id}/schools": _of("student", schools_of_user),
    "/teachers/{id}/schools": _of("teacher", schools_of_user),
    "/terms": lambda district, _id, _parameters: district.all_terms,
    "/terms/{id}/sections": sections_of_term,
}

V2_ONES: Ones = {
    **_ONES,
    **{f"/{OLD_COLLECTIONS[role]}/{{id}}/district": _district_of_account(role) for role in ("district_admin", "staff")},
    "/courses/{id}": lambda district, course: find(district.courses, course),
    "/courses/{id}/district": district_of("courses"),
    "/sections/{id}/course": record_of_section("courses", "course"),
    "/sections/{id}/term": record_of_section("terms", "term"),
    "/terms/{id}": lambda district, term: find(district.terms, term),
    "/terms/{id}/district": district_of("terms"),
}

V2_COUNTED = frozenset(
    f"/{each}" for each in (*OLD_COLLECTIONS.values(), "schools", "sections", "terms", "courses", "districts")
)
"""The lists that answer `count`, which came with version 2.1."""


def grade_levels(district: District, teacher: str) -> list[str]:
    """Return the grades of a teacher's sections."""
    sections = sections_of_user(district, _find(district, "teacher", teacher).id, {})
    return sorted({grade_of(section.number) for section in sections}, key=int)
