"""Records as Clever sends them in versions 1 and 2, of a district that is as before version 3.

A version is written as the one after it, without what came with that one.
"""

import re
from collections.abc import Callable, Mapping

from app.sandbox.records import OLD_COLLECTIONS, District, Record, Section, User
from app.sandbox.serialization import Details, collection_of, email_of, fields_3_0, name_of, role_of, timestamps_of


def older_collection_of(record: Record) -> str:
    """Return the collection that a record belongs to, such as `school_admins`."""
    return OLD_COLLECTIONS[_role_of(record)] if isinstance(record, User) else collection_of(record)


def fields_2_1(_: District, record: Record) -> Details:
    """Return the fields of a record in v2.1; all but people are as in v3.0."""
    return _PEOPLE[_role_of(record)](record) if isinstance(record, User) else fields_3_0(record)


_SINCE_2_1: Mapping[str, tuple[str, ...]] = {
    "courses": ("district",),
    "districts": ("district_contact", "login_methods", "portal_url"),
    "school_admins": ("department", "ext"),
    "schools": ("ext",),
    "sections": ("ext",),
    "students": ("enrollments", "ext"),
    "teachers": ("ext",),
    "terms": ("district",),
}


def fields_2_0(district: District, record: Record) -> Details:
    """Return the fields of a record in v2.0."""
    fields = _without(fields_2_1(district, record), *_SINCE_2_1.get(older_collection_of(record), ()))
    match record:
        case District():
            return _without(fields, "state") | _state(record)
        case User(roles={"student": _}) if fields.get("gender") == "X":
            return fields | {"gender": ""}
        case _:
            return fields


def fields_1_2(district: District, record: Record) -> Details:
    """Return the fields of a record in v1.2: terms and courses stand in sections, and a contact has one student.

    A field that would be null is left out: Clever's own client of these versions fails at null.
    """
    fields = _without_nulls(fields_2_0(district, record))
    match record:
        case District():
            return {name: fields[name] for name in ("id", "name", "mdr_number")}
        case Section():
            return _without(fields, "term_id", "course") | _without_nulls(_term_and_course(district, record))
        case User(roles={"contact": _}):
            student: Details = {"student": record.wards[0]} if record.wards else {}
            return _without(fields, "students") | student
        case _:
            return fields


def fields_1_1(district: District, record: Record) -> Details:
    """Return the fields of a record in v1.1: people name their primary school alone, and dates of terms vary."""
    fields = fields_1_2(district, record)
    match record:
        case Section() if isinstance(term := fields.get("term"), dict):
            shape = _DATES_IN_1_1[record.number % len(_DATES_IN_1_1)]
            return fields | {"term": {name: _dated(value, shape) for name, value in term.items()}}
        case User(roles={"student": _} | {"teacher": _}):
            return _without(fields, "schools")
        case _:
            return fields


def status_1_2(district: District) -> Details:
    """Return the status of a district in v1.2."""
    status: Details = {
        "id": district.id,
        "error": district.error,
        "last_sync": district.last_sync,
        "sis_type": "sftp",
        "launch_date": _dated(district.launch_date, _TIMESTAMP),
        "pause_start": _dated(district.pause_start, _TIMESTAMP),
        "pause_end": _dated(district.pause_end, _TIMESTAMP),
    }
    return _without_nulls(status | _state(district))


def status_1_1(district: District) -> Details:
    """Return the status of a district in v1.1, which knows of no pause and no launch."""
    status = _without(status_1_2(district), "launch_date", "pause_start", "pause_end")
    return status | ({"state": "running"} if district.state == "paused" else {})


def _role_of(account: User) -> str:
    [role] = account.roles
    return role


def _state(district: District) -> Details:
    """Return the state of a district before v2.1, which added `success` and no state."""
    return {"state": "running" if district.state == "success" else district.state} if district.state else {}


_TIMESTAMP = "{}T00:00:00.000Z"

_DATES_IN_1_1 = ("{}", _TIMESTAMP, "{} 00:00:00.000000")

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def _dated(value: object, shape: str) -> object:
    """Return a date in another shape; anything else stays."""
    return shape.format(value) if isinstance(value, str) and _DATE.fullmatch(value) else value


def _term_and_course(district: District, section: Section) -> Details:
    term, course = district.terms.get(section.term or ""), district.courses.get(section.course or "")
    return {
        "term": term and {"name": term.name, "start_date": term.start_date, "end_date": term.end_date},
        "course_name": course and course.name,
        "course_number": course and f"{course.number}",
        "course_description": course and "",
    }


def _person(account: User) -> Details:
    name, role = name_of(account), _role_of(account)
    fields = {"id": account.id, "district": account.district, "name": name, "email": email_of(account)}
    return fields | _without(role_of(account, role), "legacy_id")


def _student_or_teacher(account: User) -> Details:
    return _person(account) | timestamps_of(account.number)


def _admin(account: User) -> Details:
    name = _without(name_of(account), "middle")
    return _without(_person(account), "roles") | {"name": name}


def _contact(account: User) -> Details:
    """Return a contact, whose students share the relationship and the type of the first one."""
    person, entries = _person(account), (account.roles["contact"] or {}).get("student_relationships")
    first = entries[0] if isinstance(entries, tuple) and entries else {}
    shared = {name: first.get(name, "") for name in ("relationship", "type")}
    students = [*dict.fromkeys(account.wards)]
    return _without(person, "student_relationships") | {
        "name": name_of(account)["last"],
        **shared,
        "students": students,
    }


_PEOPLE: Mapping[str, Callable[[User], Details]] = {
    "contact": _contact,
    "district_admin": _admin,
    "staff": _admin,
    "student": _student_or_teacher,
    "teacher": _student_or_teacher,
}


def _without_nulls(fields: Details) -> Details:
    return {name: value for name, value in fields.items() if value is not None}


def _without(fields: Details, *names: str) -> Details:
    return {name: value for name, value in fields.items() if name not in names}
