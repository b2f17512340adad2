"""Records as Clever sends them, in the shape of a version: the fields, the links beside them, the path they have."""

from app.sandbox.details import Details, email_of, grade_of, location_of, name_of, role_details, timestamps_of
from app.sandbox.records import District, Record, School, Section, User

VERSIONS = ("v3.0", "v3.1")

Link = dict[str, str]


def uri_of(record: Record, version: str) -> str:
    """Return the path of a record."""
    return f"/{version}/{_collection(record)}/{record.id}"


def links_of(record: Record, version: str) -> list[Link]:
    """Return the links that come beside a single record."""
    uri = uri_of(record, version)
    related = {"self": uri, "district": f"/{version}/districts/{record.district}"}
    match record:
        case User():
            rels = ("schools", "sections", "myStudents", "myTeachers", "myContacts")
            related |= {rel: f"{uri}/{rel.lower()}" for rel in rels}
        case School():
            related |= {rel: f"{uri}/{rel}" for rel in ("sections", "users")}
        case Section():
            related |= {"school": f"/{version}/schools/{record.school}", "users": f"{uri}/users"}
        case District():
            related = {"self": uri}
    return [{"rel": rel, "uri": path} for rel, path in related.items()]


def data_of(record: Record, version: str) -> Details:
    """Return the fields of a record; v3.1 adds some and changes none."""
    match record:
        case User():
            return _user(record, version)
        case School():
            return _school(record)
        case Section():
            return _section(record, version)
        case District():
            return _district(record, version)


def _collection(record: Record) -> str:
    return f"{type(record).__name__.lower()}s"


def _user(user: User, version: str) -> Details:
    return {
        "id": user.id,
        "district": user.district,
        "name": name_of(user),
        "email": email_of(user),
        "roles": {
            # An empty object is a case of its own: no detail may fill it.
            role: {**held, **role_details(user, role, version), **held} if held else held
            for role, held in user.roles.items()
        },
        **timestamps_of(user.number),
        **_lms_status(version),
    }


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


def _section(section: Section, version: str) -> Details:
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
        "term_id": None,
        "course": None,
        "subject": "other",
        "grade": grade_of(section.number),
        "section_number": f"{section.number}",
        "period": f"{section.number % 8 + 1}",
        "ext": {},
        **timestamps_of(section.number),
        **_lms_status(version),
    }


def _district(district: District, version: str) -> Details:
    contact = {
        "id": district.contact,
        "district": district.id,
        "name": {"first": "District", "last": "Contact"},
        "email": "contact@district.example.org",
        "title": "Data Coordinator",
    }
    lms = {"lms_state": "", "lms_type": "", "last_attendance_sync": None} if version == "v3.1" else {}
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
        "last_sync": "2024-09-02T08:00:00.000Z",
        "mdr_number": "",
        "nces_id": "",
        "district_contact": contact,
        **lms,
    }


def _lms_status(version: str) -> Details:
    return {"lms_status": None} if version == "v3.1" else {}
