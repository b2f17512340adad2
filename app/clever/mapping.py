"""Turns records of API 3.0 and 3.1 into facts: which role reaches what, when, and which data grants nothing."""

import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, Self, TypeVar

from app.clever.models import ApiModelWithExtras
from app.clever.records import (
    ContactFields,
    ContactRole,
    DistrictAdminFields,
    DistrictAdminRole,
    DistrictRecord,
    Relationship,
    RelationshipFields,
    Roles,
    RolesFields,
    SchoolRecord,
    SectionFields,
    SectionRecord,
    StaffFields,
    StaffRole,
    StudentFields,
    StudentRole,
    TeacherFields,
    TeacherRole,
    TermRecord,
    UserFields,
    UserRecord,
)
from app.domain.calendar import Calendar, Term
from app.domain.facts import Facts, HeldRole, Oddity, Role, SectionOf, Standing, standings_by_term
from app.domain.fields import RELATIONSHIPS, STAFF_ROLES, UNREADABLE, free_text, label, staff_roles
from app.domain.ids import DistrictId, IdShape, SchoolId, SectionId, UserId
from app.domain.places import Section
from app.domain.scopes import Scope

K = TypeVar("K")

R = TypeVar("R", SchoolRecord, SectionRecord, SectionFields)

# Read alone, or with a whole district.
AnyUser = UserRecord | UserFields
AnySection = SectionRecord | SectionFields
AnyRole = (
    (StudentRole | TeacherRole | StaffRole | DistrictAdminRole | ContactRole)
    | (StudentFields | TeacherFields | StaffFields | DistrictAdminFields | ContactFields)
    | None
)


@dataclass(frozen=True, slots=True)
class Answers:
    """What Clever answered about one user.

    Attributes:
        user: the user.
        sections: their sections; none if no role needs them.
        schools: their schools of all roles together; None if the list was not read.
    """

    user: AnyUser
    sections: Sequence[SectionRecord] = ()
    schools: Sequence[SchoolRecord] | None = None


def needs_sections(user: UserRecord) -> bool:
    """Tell whether a role of the user rests on their sections."""
    return user.roles is not None and (user.roles.teacher is not None or user.roles.student is not None)


def has_schools_to_confirm(user: UserRecord) -> bool:
    """Tell whether a role of the user administers schools."""
    return user.roles is not None and user.roles.staff is not None


def facts_of(answers: Answers, district: DistrictId, shape: IdShape, odd: Counter[Oddity]) -> Facts:
    """Return the facts.

    Args:
        answers: what Clever answered.
        district: the district of the token; that the user belongs to it has been checked.
        shape: the shape of ids; any other id grants nothing.
        odd: counts how much of the data grants nothing, by kind.
    """
    user = answers.user
    roles = user.roles or RolesFields()
    present = [role for role in _each(roles) if role is not None]
    if isinstance(user, UserRecord):
        _count_unknown(user, odd)
    if answers.sections or answers.schools:
        schools = None if answers.schools is None else _own(answers.schools, district, odd)
        answers = Answers(user, _own(answers.sections, district, odd), schools)
    legacy_ids = frozenset(role.legacy_id for role in present if role.legacy_id) if answers.sections else frozenset()
    reader = _RecordReader(answers, shape, legacy_ids, odd)
    return Facts(UserId(user.id), district, tuple(_held(roles, district, reader)))


def section_of(record: AnySection, district: DistrictId, shape: IdShape, odd: Counter[Oddity]) -> Section:
    """Return where a section lies and who is in it.

    Args:
        record: what Clever sent.
        district: the district of the token; that the section belongs to it has been checked.
        shape: the shape of ids; others are left out. The section's own id has been checked.
        odd: counts the ids that are malformed.
    """
    school, term = _one_fitting(record.school, shape, odd), _one_fitting(record.term_id, shape, odd)
    students = _fitting(record.attended_by(), shape, odd)
    teachers = _fitting(record.taught_by(), shape, odd)
    return Section(SectionId(record.id), district, SchoolId(school) if school else None, students, teachers, term)


def calendar_of(record: DistrictRecord, terms: Sequence[TermRecord] | None, odd: Counter[Oddity]) -> Calendar:
    """Return the calendar of a district.

    A day that cannot be read says nothing: of a pause the other day then says nothing either, so that the district
    counts as its state says.

    Args:
        record: the district's own record.
        terms: its terms, by ascending id; None if they were not read.
        odd: counts the days that cannot be read.
    """
    start, end, launch = (_Day.of(given, odd) for given in (record.pause_start, record.pause_end, record.launch_date))
    days = {"pause_start": start, "pause_end": end, "launch_date": launch}
    unreadable = [name for name, day in days.items() if day.is_unreadable]
    read = [(term, _Day.of(term.start_date, odd), _Day.of(term.end_date, odd)) for term in terms or ()]
    if any(day.is_unreadable for _, *both in read for day in both):
        unreadable.append("terms")
    is_pause_known = not (start.is_unreadable or end.is_unreadable)
    return Calendar(
        (record.state or "").strip().casefold(),
        start.day if is_pause_known else None,
        end.day if is_pause_known else None,
        launch.day,
        None if terms is None else tuple(Term(term.id, first.day, last.day) for term, first, last in read),
        tuple(sorted(unreadable)),
    )


class _Day(NamedTuple):
    """A day as Clever names it: a date, or a date-time of which the date counts (dev.clever.com/docs/districts)."""

    day: date | None
    is_unreadable: bool = False

    @classmethod
    def of(cls, text: str | None, odd: Counter[Oddity]) -> Self:
        """Read a text; there is no day in an empty one."""
        text = (text or "").strip()
        if not text:
            return cls(None)
        with suppress(ValueError):
            if written := _DATE.fullmatch(text):
                return cls(date.fromisoformat(written[1]))
        odd[Oddity.DATE_UNREADABLE] += 1
        return cls(None, is_unreadable=True)


_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ].*)?", re.ASCII)


def _each(roles: Roles | RolesFields) -> tuple[AnyRole, ...]:
    return roles.student, roles.teacher, roles.staff, roles.district_admin, roles.contact


def _count_unknown(user: UserRecord, odd: Counter[Oddity]) -> None:
    fields = user.unknown_fields()
    if user.roles is not None:
        fields += sum(role.unknown_fields() for role in _each(user.roles) if isinstance(role, ApiModelWithExtras))
        odd[Oddity.ROLE_UNKNOWN] += user.roles.unknown_fields()
    odd[Oddity.FIELD_UNKNOWN] += fields


@dataclass(frozen=True, slots=True)
class _RecordReader:
    """Reads the fields of one user's roles: passes on what can grant something, and counts the rest."""

    answers: Answers
    shape: IdShape
    legacy_ids: frozenset[str]
    odd: Counter[Oddity]

    def count(self, oddity: Oddity, times: int = 1) -> None:
        if times:
            self.odd[oddity] += times

    def ids(self, texts: Iterable[str | None]) -> tuple[str, ...]:
        return _fitting(texts, self.shape, self.odd)

    def one_id(self, text: str | None) -> str | None:
        return _one_fitting(text, self.shape, self.odd)

    def sections(self, people_of: Callable[[SectionRecord], Sequence[str]]) -> list[SectionOf]:
        """Return the sections that list the user."""
        if not self.answers.sections:
            return []
        found = []
        for section in self.answers.sections:
            people = people_of(section)
            if self.answers.user.id in people:
                found.append(section)
            elif not self.legacy_ids.isdisjoint(people):
                self.count(Oddity.LEGACY_ID_IN_SECTION)
        fit = {*self.ids(section.id for section in found)}
        known = [section for section in found if section.id in fit]
        schools = {*self.ids(section.school for section in known)}
        terms = {*self.ids(section.term_id for section in known)}
        return [SectionOf(each.id, _if_in(schools, each.school), _if_in(terms, each.term_id)) for each in known]


def _if_in(ids: Container[str], text: str | None) -> str | None:
    return text if text in ids else None


def _own(records: Iterable[R], district: DistrictId, odd: Counter[Oddity]) -> list[R]:
    """Return the district's own records; Clever promises that each names its district (dev.clever.com, on sections)."""
    ours, foreign = [], set()
    for record in records:
        if record.district == district:
            ours.append(record)
        else:
            foreign.add(record.id)
    if foreign:
        odd[Oddity.DISTRICT_FOREIGN] += len(foreign)
    return ours


def _one_fitting(text: str | None, shape: IdShape, odd: Counter[Oddity]) -> str | None:
    if not text or shape.fits(text):
        return text or None
    odd[Oddity.ID_MALFORMED] += 1
    return None


def _fitting(texts: Iterable[str | None], shape: IdShape, odd: Counter[Oddity]) -> tuple[str, ...]:
    sent = {text for text in texts if text}
    fit = sorted(filter(shape.fits, sent))
    if malformed := len(sent) - len(fit):
        odd[Oddity.ID_MALFORMED] += malformed
    return tuple(fit)


def _held(roles: Roles | RolesFields, district: DistrictId, reader: _RecordReader) -> Iterator[HeldRole]:
    """Read each role that the user holds, the most senior first."""
    if (admin := roles.district_admin) is not None:
        yield HeldRole(Role.DISTRICT_ADMIN, (_admin(admin, district, reader),), reader.one_id(admin.legacy_id))
    if (staff := roles.staff) is not None:
        yield HeldRole(Role.STAFF, (_staff(staff, reader),), reader.one_id(staff.legacy_id))
    if (teacher := roles.teacher) is not None:
        yield HeldRole(Role.TEACHER, _teacher(teacher, reader), reader.one_id(teacher.legacy_id))
    if (student := roles.student) is not None:
        yield HeldRole(Role.STUDENT, _student(student, reader), reader.one_id(student.legacy_id))
    if (contact := roles.contact) is not None:
        yield HeldRole(Role.CONTACT, _contact(contact, reader), reader.one_id(contact.legacy_id))


def _admin(role: DistrictAdminRole | DistrictAdminFields, district: DistrictId, reader: _RecordReader) -> Standing:
    return Standing(((Scope.DISTRICT, (district,)),), _filled(("title", _free(role.title, reader))))


def _staff(role: StaffRole | StaffFields, reader: _RecordReader) -> Standing:
    schools = reader.ids(role.schools or ())
    fields = _filled(
        ("roles", _staff_roles(role, reader)),
        ("title", _free(role.title, reader)),
        ("department", _free(role.department, reader)),
    )
    return Standing(_filled((Scope.SCHOOL, schools)), fields, _unconfirmed(schools, reader))


def _staff_roles(role: StaffRole | StaffFields, reader: _RecordReader) -> tuple[str, ...]:
    kept = staff_roles(tuple(role.roles or ()))
    reader.count(Oddity.STAFF_ROLE_UNKNOWN, len({*kept} - {UNREADABLE, *STAFF_ROLES.values()}))
    return kept


def _unconfirmed(schools: tuple[str, ...], reader: _RecordReader) -> tuple[str, ...] | None:
    """Return the administered schools that Clever's list of the user's schools lacks; it confirms and never adds."""
    if reader.answers.schools is None:
        return None
    listed = {school.id for school in reader.answers.schools}
    missing = tuple(school for school in schools if school not in listed)
    reader.count(Oddity.SCHOOL_UNCONFIRMED, len(missing))
    return missing


def _teacher(role: TeacherRole | TeacherFields, reader: _RecordReader) -> tuple[Standing, ...]:
    places = _filled((Scope.SCHOOL, _schools(role, reader)))
    whole = Standing(places, _filled(("title", _free(role.title, reader))))
    return standings_by_term(whole, reader.sections(SectionRecord.taught_by))


def _student(role: StudentRole | StudentFields, reader: _RecordReader) -> tuple[Standing, ...]:
    places = _filled((Scope.SCHOOL, _schools(role, reader)))
    return standings_by_term(Standing(places), reader.sections(SectionRecord.attended_by))


def _schools(role: TeacherRole | TeacherFields | StudentRole | StudentFields, reader: _RecordReader) -> tuple[str, ...]:
    return reader.ids([role.school, *(role.schools or ())])


def _contact(role: ContactRole | ContactFields, reader: _RecordReader) -> tuple[Standing, ...]:
    listed: Iterable[Relationship | RelationshipFields] = role.student_relationships or ()
    entries = {_relation(entry, reader) for entry in set(listed)}
    return tuple(sorted(entries, key=lambda entry: (entry.places, entry.fields))) or (Standing(),)


def _relation(entry: Relationship | RelationshipFields, reader: _RecordReader) -> Standing:
    # An entry without a usable student is kept: without it an emergency contact could be one with no entry at all,
    # whom `unless: {type: [Emergency]}` lets pass.
    return Standing(
        _filled((Scope.STUDENT, reader.ids([entry.student]))),
        _filled(("relationship", _label(entry.relationship, reader)), ("type", _label(entry.type, reader))),
    )


def _label(value: str | None, reader: _RecordReader) -> tuple[str, ...]:
    kept = label(value)
    reader.count(Oddity.RELATIONSHIP_UNKNOWN, 0 if RELATIONSHIPS.issuperset(kept) else 1)
    return kept


def _free(value: str | None, reader: _RecordReader) -> tuple[str, ...]:
    kept = free_text(value)
    reader.count(Oddity.TEXT_TOO_LONG, kept.count(UNREADABLE))
    return kept


def _filled(*pairs: tuple[K, tuple[str, ...]]) -> tuple[tuple[K, tuple[str, ...]], ...]:
    return tuple((name, values) for name, values in pairs if values)
