"""Records as Clever sends them in version 3: their fields, links and paths."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from app.sandbox.records import Course, District, Record, Resource, School, Section, Term, User, made_at

T = TypeVar("T")

Details = dict[str, object]

_Roles = dict[str, Details | None]

FIRST_NAMES = ("Agate", "Basalt", "Cobalt", "Dolomite", "Epidote", "Feldspar", "Garnet", "Hematite", "Iolite", "Jasper")

LAST_NAMES = ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Ginkgo", "Hazel", "Ironwood", "Juniper", "Katsura")

LANGUAGES = (("English", "eng"), ("Spanish", "spa"), ("Vietnamese", "vie"), ("Arabic", "ara"))

YES_OR_NO = ("N", "N", "N", "Y", "N")


def name_of(user: User) -> Details:
    """Return a user's name; a contact's whole name is in `last`, as at Clever."""
    first, last = _pick(FIRST_NAMES, user.number), f"{_pick(LAST_NAMES, user.number)}-{user.number}"
    return {"last": f"{first} {last}"} if "contact" in user.roles else {"first": first, "middle": "", "last": last}


def email_of(user: User) -> str:
    """Return an email address that does not exist."""
    return f"{_pick(FIRST_NAMES, user.number)}.{user.number}@school.example.org".lower()


def timestamps_of(number: int) -> Details:
    """Return the timestamps of a record that was never modified."""
    made = f"{made_at(number).isoformat(timespec='milliseconds')[:-6]}Z"
    return {"created": made, "last_modified": made}


def timestamp_of(seconds: float) -> str:
    """Return a Unix time in Clever's format."""
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat(timespec='milliseconds')[:-6]}Z"


def previous_attributes(old: Details, new: Details) -> Details:
    """Return the old values of the changed fields, nested as in the record; null for a field that was absent."""
    changed: Details = {}
    for name in dict.fromkeys((*old, *new)):
        before, after = old.get(name), new.get(name)
        if before == after and (name in old) == (name in new):
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            changed[name] = previous_attributes(before, after)
        else:
            changed[name] = before
    return changed


def location_of(number: int) -> Details:
    """Return an address that does not exist."""
    return {"address": f"{number} Sandbox Street", "city": "Sandville", "state": "ZZ", "zip": "00000"}


def grade_of(number: int) -> str:
    """Return a grade."""
    return str(number % 12 + 1)


def role_of(user: User, role: str) -> Details:
    """Return the fields of a role that is not null; those that the user has stand first, and prevail."""
    held = dict(user.roles[role] or {})
    # An empty object is a case of its own: no detail may fill it.
    return {**held, **_role_details(user, role), **held} if held else held


def _role_details(user: User, role: str) -> Details:
    match role:
        case "student":
            return _student(user)
        case "teacher":
            return _credentials(user) | {"sis_id": f"T{user.number}", "teacher_number": f"{user.number}"} | _TEACHER
        case "staff":
            return _credentials(user) | {"staff_id": f"A{user.number}", "ext": {"badge_color": "blue"}}
        case "contact":
            return {"sis_id": "", "phone": f"555-01{user.number % 100:02}", "phone_type": "Cell"}
        case _:
            return {}


_TEACHER: Details = {"state_id": "", "title": "Classroom Teacher", "ext": {"room": "101"}}


def _credentials(user: User) -> Details:
    return {"credentials": {"district_username": f"user{user.number}"}}


def _student(user: User) -> Details:
    at = user.number
    return {
        **_credentials(user),
        "sis_id": f"S{at}",
        "state_id": f"Z{at:08}",
        "student_number": f"{at}",
        "dob": f"{at % 12 + 1}/{at % 28 + 1}/{2006 + at % 12}",
        "gender": _pick(("F", "M", "X", ""), at),
        "race": _pick(("Unknown", "Two or More Races", ""), at),
        "hispanic_ethnicity": _pick(YES_OR_NO, at),
        "home_language": _pick(LANGUAGES, at)[0],
        "ell_status": _pick(YES_OR_NO, at),
        "iep_status": _pick(YES_OR_NO, at + 1),
        "grade": grade_of(at),
        "graduation_year": f"{2025 + at % 12}",
        "unweighted_gpa": "",
        "weighted_gpa": "",
        "location": location_of(at),
        "enrollments": [
            {"school": school, "start_date": "2024-08-19", "end_date": "2025-06-13"}
            for school in user.ids_in("student", "school")
        ],
        "ext": {"locker": f"{at}"},
    }


def _student_since_3_1(user: User) -> Details:
    at = user.number
    return {
        "disability": {"disability_status": "N", "disability_type": None, "disability_code": None},
        "frl_status": _pick(("Free", "Paid", ""), at),
        "gifted_status": _pick(YES_OR_NO, at + 2),
        "section_504_status": _pick(YES_OR_NO, at + 3),
        "home_language_code": _pick(LANGUAGES, at)[1],
        "preferred_name": {"first": _pick(FIRST_NAMES, at + 1)},
    }


def _pick(choices: Sequence[T], number: int) -> T:
    return choices[number % len(choices)]


Link = dict[str, str]


def uri_of(record: Record, version: str) -> str:
    """Return the path of a record."""
    return f"/{version}/{collection_of(record)}/{record.id}"


def links_of(record: Record, version: str) -> list[Link]:
    """Return the links of a single record."""
    uri = uri_of(record, version)
    related = {"self": uri, "district": f"/{version}/districts/{record.district}"}
    match record:
        case User():
            rels = ("schools", "sections", "myStudents", "myTeachers", "myContacts")
            related |= {rel: f"{uri}/{rel.lower()}" for rel in rels}
        case School():
            related |= {rel: f"{uri}/{rel}" for rel in ("courses", "terms", "sections", "users")}
        case Term():
            related |= {rel: f"{uri}/{rel}" for rel in ("schools", "sections")}
        case Course():
            related |= {rel: f"{uri}/{rel}" for rel in ("resources", "schools", "sections")}
        case Resource():
            related |= {rel: f"{uri}/{rel}" for rel in ("courses", "sections", "users")}
        case Section():
            related |= {"school": f"/{version}/schools/{record.school}", "users": f"{uri}/users"}
        case District():
            related = {"self": uri}
    return [{"rel": rel, "uri": path} for rel, path in related.items()]


def fields_3_0(record: Record) -> Details:
    """Return the fields of a record in v3.0."""
    match record:
        case User():
            return _user(record, _roles(record))
        case School():
            return _school(record)
        case Term() | Course() | Resource():
            return _curriculum(record)
        case Section():
            return _section(record)
        case District():
            return _district(record)


def fields_3_1(record: Record) -> Details:
    """Return the fields of a record in v3.1, which adds some to those of v3.0 and changes none."""
    match record:
        case User():
            return _user(record, _roles_since_3_1(record)) | {"lms_status": None}
        case Section():
            return fields_3_0(record) | {"lms_status": None}
        case District():
            return fields_3_0(record) | {"lms_state": "", "lms_type": "", "last_attendance_sync": None}
        case _:
            return fields_3_0(record)


def collection_of(record: Record) -> str:
    """Return the collection that a record belongs to, such as `users`."""
    return f"{type(record).__name__.lower()}s"


def _user(user: User, roles: _Roles) -> Details:
    return {
        "id": user.id,
        "district": user.district,
        "name": name_of(user),
        "email": email_of(user),
        "roles": roles,
        **timestamps_of(user.number),
    }


def _roles(user: User) -> _Roles:
    return {role: None if held is None else role_of(user, role) for role, held in user.roles.items()}


def _roles_since_3_1(user: User) -> _Roles:
    roles = _roles(user)
    if student := roles.get("student"):
        roles["student"] = {**student, **_student_since_3_1(user), **student}
    return roles


def _school(school: School) -> Details:
    return {
        "id": school.id,
        "district": school.district,
        "name": school.name,
        "sis_id": f"{school.number}",
        "school_number": f"{school.number}",
        "state_id": "",
        "nces_id": "",
        "mdr_number": "",
        "low_grade": "1",
        "high_grade": "12",
        "phone": "555-0100",
        "principal": {"name": f"Principal of {school.name}", "email": f"principal{school.number}@school.example.org"},
        "location": location_of(school.number),
        "ext": {},
        **timestamps_of(school.number),
    }


def _curriculum(record: Term | Course | Resource) -> Details:
    known: Details = {"id": record.id, "district": record.district}
    match record:
        case Term():
            return known | {"name": record.name, "start_date": record.start_date, "end_date": record.end_date}
        case Course():
            return known | {"name": record.name, "number": f"{record.number}"}
        case Resource():
            made = timestamps_of(record.number)["created"]
            fields: Details = {"resource_id": f"R{record.number}", "title": record.title, "roles": record.roles}
            return known | fields | {"created": made, "updated": made}


def _section(section: Section) -> Details:
    teachers = {} if section.teachers is None else {"teachers": section.teachers}
    return {
        "id": section.id,
        "district": section.district,
        "school": section.school,
        "name": section.name,
        "sis_id": f"C{section.number}",
        "teacher": section.teacher,
        **teachers,
        "students": section.students,
        "term_id": section.term,
        "course": section.course,
        "subject": section.subject,
        "grade": grade_of(section.number),
        "section_number": f"{section.number}",
        "period": f"{section.number % 8 + 1}",
        "ext": {},
        **timestamps_of(section.number),
    }


def _district(district: District) -> Details:
    contact = {
        "id": district.contact,
        "district": district.id,
        "name": {"first": "District", "last": "Contact"},
        "email": "contact@district.example.org",
        "title": "Data Coordinator",
    }
    return {
        "id": district.id,
        "name": f"Sandbox District {district.number}",
        "sis_type": "sftp",
        "portal_url": f"https://portal.example.org/district-{district.number}",
        "login_methods": ["password"],
        "state": district.state,
        "launch_date": district.launch_date,
        "pause_start": district.pause_start,
        "pause_end": district.pause_end,
        "last_sync": district.last_sync,
        **({} if district.error is None else {"error": district.error}),
        "mdr_number": "",
        "nces_id": "",
        "district_contact": contact,
    }
