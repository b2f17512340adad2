"""Random but consistent changes of a district, from a seed: a removed user leaves their sections, too."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from app.sandbox.curriculum import USUAL_DAY
from app.sandbox.draft import Draft
from app.sandbox.events import Change
from app.sandbox.records import Course, School, Section, Term, User

RandomChange = Callable[[Draft, random.Random], None]

MOST_TEACHERS = 10
"""The most teachers of a section at Clever."""

_MOST_WHO_MOVE = 200

_SECTIONS_OF_NEWCOMER = 3

_STAY = 0.8
"""The share of students who stay in a changed section, and of changed sections that have a term."""

_TITLES = ("Principal", "Assistant Principal", "School Nurse", "Custodian", "Counselor", "")
_QUALIFIERS = (("PortalOnly",), ("SchoolTechLead",), ("PortalOnly", "SchoolTechLead"), ())


def change_at_random(draft: Draft, seed: int | str, changes: int, sync: int) -> list[Sequence[Change]]:
    """Make changes and return them by sync; a change that is not possible adds something instead, or does nothing."""
    draw = random.Random(f"{seed}/{draft.ids.district}")
    kinds, weights = [*WEIGHTS], [*WEIGHTS.values()]
    syncs: list[Sequence[Change]] = []
    for number, change in enumerate(draw.choices(kinds, weights, k=changes), 1):
        change(draft, draw)
        if number % sync == 0 or number == changes:
            syncs.append(draft.take_changes())
    return syncs


def _add_student(draft: Draft, draw: random.Random) -> None:
    school = draft.pools["campus"].pick(draw) or ""
    student = draft.new_user(student={"school": school, "schools": (school,)})
    _enrol(draft, draw, student.id, school)
    if draw.choice((True, False)):
        entry = {"student": student.id, "relationship": "Parent", "type": draw.choice(("Parent/Guardian", "Emergency"))}
        draft.new_user(contact={"student_relationships": (entry,)})


def _enrol(draft: Draft, draw: random.Random, student: str, school: str) -> None:
    there = [*draft.sections_at.get(school, ())]
    for section in draw.sample(there, min(len(there), _SECTIONS_OF_NEWCOMER)):
        found = draft.section(section)
        draft.put(replace(found, students=tuple(dict.fromkeys((*found.students, student)))))
    draft.update_schools([student])


def _remove_student(draft: Draft, draw: random.Random) -> None:
    student = draft.pools["student"].pick(draw)
    if student is None:
        _add_student(draft, draw)
        return
    _remove_from_sections(draft, draw, student)
    for contact in [*draft.contacts_of.get(student, ())]:
        _remove_relationship(draft, draft.user(contact), student)
    draft.removed.append(draft.user(student))
    draft.drop(draft.user(student))


def _remove_from_sections(draft: Draft, draw: random.Random, user: str) -> None:
    """Remove a user from all sections; another teacher replaces the last one of a section."""
    for section in [*draft.sections_of.get(user, ())]:
        found = draft.section(section)
        teachers = tuple(one for one in found.taught_by if one != user)
        if not teachers and found.taught_by:
            another = draft.pools["teacher"].pick(draw)
            teachers = (another,) if another not in (None, user) else ()
        _replace_people(draft, found, teachers, tuple(one for one in found.students if one != user))


def _replace_people(draft: Draft, section: Section, teachers: Iterable[str | None], students: tuple[str, ...]) -> None:
    taught_by = tuple(one for one in teachers if one)
    draft.put(replace(section, teacher=next(iter(taught_by), None), teachers=taught_by, students=students))
    draft.update_schools({*section.taught_by, *section.students} ^ {*taught_by, *students})


def _remove_relationship(draft: Draft, contact: User, student: str) -> None:
    role = contact.roles["contact"] or {}
    entries = role.get("student_relationships")
    kept = tuple(one for one in entries if one["student"] != student) if isinstance(entries, tuple) else ()
    if kept:
        draft.put(replace(contact, roles={**contact.roles, "contact": {**role, "student_relationships": kept}}))
    else:
        draft.drop(contact)


def _add_teacher(draft: Draft, draw: random.Random) -> None:
    """Add a teacher who takes over a section, or teaches it with the others."""
    taken = draft.pools["sections"].pick(draw)
    if taken is None:
        _add_student(draft, draw)
        return
    section = draft.section(taken)
    teacher = draft.new_user(teacher={"school": section.school, "schools": ()})
    others = section.taught_by[: MOST_TEACHERS - 1] if draw.choice((True, False)) else ()
    _replace_people(draft, section, (teacher.id, *others), section.students)


def _remove_teacher(draft: Draft, draw: random.Random) -> None:
    teacher = draft.pools["teacher"].pick(draw)
    if teacher is None:
        _add_teacher(draft, draw)
        return
    _remove_from_sections(draft, draw, teacher)
    draft.removed.append(draft.user(teacher))
    draft.drop(draft.user(teacher))


def _add_staff(draft: Draft, draw: random.Random) -> None:
    draft.new_user(staff=_staff_fields(draft, draw))


def _remove_staff(draft: Draft, draw: random.Random) -> None:
    staff = draft.pools["staff"].pick(draw)
    if staff is None or draft.user(staff).roles.get("teacher") is not None:
        _add_staff(draft, draw)
    else:
        draft.removed.append(draft.user(staff))
        draft.drop(draft.user(staff))


def _staff_fields(draft: Draft, draw: random.Random) -> dict[str, object]:
    schools = {draft.pools["campus"].pick(draw) for _ in range(draw.choice((1, 1, 1, 2)))}
    return {
        "schools": tuple(sorted(one for one in schools if one)),
        "roles": draw.choice(_QUALIFIERS),
        "title": draw.choice(_TITLES),
        "department": "Office",
    }


def _restore_user(draft: Draft, draw: random.Random) -> None:
    """Add a removed user again, with the same id but without sections."""
    if not draft.removed:
        _add_student(draft, draw)
        return
    back = draft.removed.pop(draw.randrange(len(draft.removed)))
    draft.put(back)
    draft.update_schools([back.id])
    for role in ("student", "teacher"):
        for school in back.ids_in(role, "school"):
            if draft.find("schools", school) is None:
                _set_role_fields(draft, back.id, role, {"school": draft.pools["campus"].pick(draw)})
    if back.ids_in("staff", "schools"):
        _set_role_fields(draft, back.id, "staff", _staff_fields(draft, draw))


def _set_role_fields(draft: Draft, user: str, role: str, fields: Mapping[str, object]) -> None:
    found = draft.user(user)
    held = {**(found.roles.get(role) or {}), **fields}
    held.setdefault("legacy_id", draft.ids.of(f"legacy {role}", found.number))
    draft.put(replace(found, roles={**found.roles, role: held}))
    draft.update_schools([user])


def _change_roles(draft: Draft, draw: random.Random) -> None:
    """Add, remove or change a role of an employee."""
    employee = draft.pools[draw.choice(("teacher", "staff"))].pick(draw)
    if employee is None:
        _add_staff(draft, draw)
        return
    found = draft.user(employee)
    role = draw.choice(("staff", "staff", "district_admin"))
    loses = found.roles.get(role) is not None and len(found.roles) > 1 and draw.choice((True, False))
    if loses:
        draft.put(replace(found, roles={name: held for name, held in found.roles.items() if name != role}))
    else:
        _set_role_fields(
            draft, employee, role, _staff_fields(draft, draw) if role == "staff" else {"title": draw.choice(_TITLES)}
        )


def _move_student(draft: Draft, draw: random.Random) -> None:
    """Move a student to another school, with sections there only."""
    student, school = draft.pools["student"].pick(draw), draft.pools["campus"].pick(draw)
    if student is None or school is None:
        _add_student(draft, draw)
        return
    _remove_from_sections(draft, draw, student)
    _set_role_fields(draft, student, "student", {"school": school})
    _enrol(draft, draw, student, school)


def _change_teachers(draft: Draft, draw: random.Random) -> None:
    picked = draft.pools["sections"].pick(draw)
    if picked is not None:
        teachers = dict.fromkeys(draft.pools["teacher"].pick(draw) for _ in range(draw.choice((1, 1, 2, 3))))
        _replace_people(draft, draft.section(picked), teachers, draft.section(picked).students)


def _change_students(draft: Draft, draw: random.Random) -> None:
    picked = draft.pools["sections"].pick(draw)
    if picked is not None:
        section = draft.section(picked)
        stay = tuple(one for one in section.students if draw.random() < _STAY)
        come = (draft.pools["student"].pick(draw) for _ in range(3))
        students = tuple(dict.fromkeys((*stay, *(one for one in come if one))))
        _replace_people(draft, section, section.taught_by, students)


def _move_section(draft: Draft, draw: random.Random) -> None:
    picked, school = draft.pools["sections"].pick(draw), draft.pools["campus"].pick(draw)
    if picked is not None and school is not None:
        _move_section_to(draft, picked, school)


def _move_section_to(draft: Draft, section: str, school: str) -> None:
    found = draft.section(section)
    draft.put(replace(found, school=school))
    draft.update_schools((*found.taught_by, *found.students))


def _change_term_of_section(draft: Draft, draw: random.Random) -> None:
    picked = draft.pools["sections"].pick(draw)
    if picked is not None:
        term = draft.pools["terms"].pick(draw) if draw.random() < _STAY else None
        draft.put(replace(draft.section(picked), term=term, course=draft.pools["courses"].pick(draw)))


def _add_section(draft: Draft, draw: random.Random) -> None:
    teacher, school = draft.pools["teacher"].pick(draw), draft.pools["campus"].pick(draw)
    if teacher is None or school is None:
        _add_teacher(draft, draw)
        return
    named, district, number = draft.next("sections")
    term, picked = draft.pools["terms"].pick(draw), [draft.pools["student"].pick(draw) for _ in range(8)]
    students = tuple(dict.fromkeys(one for one in picked if one))
    name = f"Section {number}"
    draft.put(Section(named, district, number, name, school, teacher, (teacher,), students, term))
    draft.update_schools((teacher, *students))


def _remove_section(draft: Draft, draw: random.Random) -> None:
    picked = draft.pools["sections"].pick(draw)
    if picked is not None:
        found = draft.section(picked)
        draft.drop(found)
        draft.update_schools((*found.taught_by, *found.students))


def _add_school(draft: Draft, draw: random.Random) -> None:
    named, district, number = draft.next("schools")
    draft.put(School(named, district, number, f"School {number}"))
    for _ in range(3):
        picked = draft.pools["sections"].pick(draw)
        if picked is not None:
            _move_section_to(draft, picked, named)


def _remove_school(draft: Draft, draw: random.Random) -> None:
    """Remove a school of few users, who move to another one with its sections."""
    closed, other = draft.pools["schools"].pick(draw), draft.pools["campus"].pick(draw)
    if closed is None or other in (None, closed) or len(draft.users_at.get(closed, ())) > _MOST_WHO_MOVE:
        _add_school(draft, draw)
        return
    for section in [*draft.sections_at.get(closed, ())]:
        _move_section_to(draft, section, str(other))
    for user in [*draft.users_at.get(closed, ())]:
        _move_user(draft, draft.user(user), closed, str(other))
    draft.drop(draft.find("schools", closed))


def _move_user(draft: Draft, user: User, closed: str, other: str) -> None:
    for role in ("student", "teacher", "staff"):
        fields: dict[str, object] = {}
        if closed in user.ids_in(role, "school"):
            fields["school"] = other
        if closed in user.ids_in(role, "schools"):
            kept = (other if one == closed else one for one in user.ids_in(role, "schools"))
            fields["schools"] = tuple(dict.fromkeys(kept))
        if fields:
            _set_role_fields(draft, user.id, role, fields)


def _rename_school(draft: Draft, draw: random.Random) -> None:
    picked = draft.pools["schools"].pick(draw)
    if picked is not None:
        draft.put(replace(draft.find("schools", picked), name=f"School named {draw.randrange(1000)}"))


def _add_term(draft: Draft, draw: random.Random) -> None:
    named, district, number = draft.next("terms")
    start = USUAL_DAY + timedelta(days=draw.randrange(900))
    draft.put(Term(named, district, number, f"Term {number}", start.isoformat(), _later(start, draw)))


def _later(start: date, draw: random.Random) -> str:
    return (start + timedelta(days=draw.randrange(30, 200))).isoformat()


def _remove_term(draft: Draft, draw: random.Random) -> None:
    """Remove a term; its sections stay and still name it, as at Clever."""
    picked = draft.pools["terms"].pick(draw)
    if picked is None or len(draft.pools["terms"]) == 1:
        _add_term(draft, draw)
    else:
        draft.drop(draft.find("terms", picked))


def _change_term(draft: Draft, draw: random.Random) -> None:
    picked = draft.pools["terms"].pick(draw)
    if picked is not None:
        start = USUAL_DAY + timedelta(days=draw.randrange(900))
        draft.put(replace(draft.find("terms", picked), start_date=start.isoformat(), end_date=_later(start, draw)))


def _change_courses(draft: Draft, draw: random.Random) -> None:
    picked = draft.pools["courses"].pick(draw)
    if picked is None or draw.choice((True, False)):
        named, district, number = draft.next("courses")
        draft.put(Course(named, district, number, f"Course {number}"))
    else:
        draft.drop(draft.find("courses", picked))


def _change_district(draft: Draft, draw: random.Random) -> None:
    state = draw.choice(("running", "running", "running", "success", "pending", "error", "paused"))
    start = USUAL_DAY + timedelta(days=draw.randrange(900))
    paused = state == "paused"
    draft.put_profile(
        replace(
            draft.profile,
            state=state,
            error="The last sync has failed" if state in {"pending", "error"} else None,
            pause_start=start.isoformat() if paused else None,
            pause_end=_later(start, draw) if paused else None,
        )
    )


WEIGHTS: Mapping[RandomChange, int] = {
    _add_student: 10,
    _remove_student: 8,
    _add_teacher: 4,
    _remove_teacher: 3,
    _add_staff: 3,
    _remove_staff: 3,
    _restore_user: 3,
    _change_roles: 16,
    _move_student: 6,
    _change_teachers: 10,
    _change_students: 12,
    _move_section: 4,
    _change_term_of_section: 6,
    _add_section: 4,
    _remove_section: 3,
    _add_school: 1,
    _remove_school: 1,
    _rename_school: 1,
    _add_term: 1,
    _remove_term: 1,
    _change_term: 1,
    _change_courses: 1,
    _change_district: 1,
}
"""The kinds of random changes with their relative frequency."""
