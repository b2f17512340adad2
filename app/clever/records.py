"""What API 3.0 and 3.1 send of users and places, cut down to the fields that permissions depend on.

Every field but `id` may be missing or null, and there may be new fields: Clever's specs require none. A field of the
wrong type is an error, though: taken for an absent one, it would make a smaller permission set that looks complete.
Each stands here twice: as a record read alone (``…Role``, ``…Record``), of which undeclared fields are counted, and as
one of a whole district (``…Fields``), which takes a thirtieth of the time. Sections, schools and districts have had
these fields since API 2.0.
"""

from typing import Annotated

import msgspec
from pydantic import BeforeValidator

from app.clever.models import MOST_ENTRIES, ApiModel, ApiModelWithExtras, IdRecord, Listed


def names(text: str) -> frozenset[str]:
    """Return the names in a text."""
    return frozenset(text.split())


class StudentRole(ApiModelWithExtras):
    """`roles.student`: at which schools they learn."""

    documented = names(
        "created credentials disability dob ell_status email enrollments ext frl_status gender gifted_status grade"
        " graduation_year hispanic_ethnicity home_language home_language_code iep_status last_modified location"
        " preferred_name race section_504_status sis_id state_id student_number unweighted_gpa weighted_gpa"
    )
    school: str | None = None
    schools: Listed[str] | None = None
    legacy_id: str | None = None


class TeacherRole(ApiModelWithExtras):
    """`roles.teacher`: at which schools they teach, which does not mean that they administer them."""

    documented = names("created credentials district ext last_modified name sis_id state_id teacher_number")
    school: str | None = None
    schools: Listed[str] | None = None
    title: str | None = None
    legacy_id: str | None = None


class StaffRole(ApiModelWithExtras):
    """`roles.staff`: its `schools` are the only list of administered schools."""

    documented = names("credentials ext staff_id")
    schools: Listed[str] | None = None
    roles: Listed[str] | None = None
    title: str | None = None
    department: str | None = None
    legacy_id: str | None = None


class DistrictAdminRole(ApiModelWithExtras):
    """`roles.district_admin`: it has no schools and reaches the whole district."""

    documented = names("credentials ext")
    title: str | None = None
    legacy_id: str | None = None


class Relationship(ApiModel):
    """An entry of `student_relationships`: which student, and what the contact is to them."""

    student: str | None = None
    relationship: str | None = None
    type: str | None = None


class ContactRole(ApiModelWithExtras):
    """`roles.contact`: whom they are a contact of; the fields of API 2.x may still stand beside it."""

    documented = names("credentials ext phone phone_type relationship sis_id students type")
    student_relationships: Listed[Relationship] | None = None
    legacy_id: str | None = None


class Roles(ApiModelWithExtras):
    """`roles`: an object keyed by role; a role that is null is not held, one that is `{}` is."""

    student: StudentRole | None = None
    teacher: TeacherRole | None = None
    staff: StaffRole | None = None
    district_admin: DistrictAdminRole | None = None
    contact: ContactRole | None = None


class UserRecord(ApiModelWithExtras):
    """A user of `/users/{id}`."""

    documented = names("created email last_modified lms_status name")
    id: str
    district: str | None = None
    roles: Roles | None = None


class SectionRecord(ApiModel):
    """A section: its school, its term, and its people by user id."""

    id: str
    district: str | None = None
    school: str | None = None
    term_id: str | None = None
    teacher: str | None = None
    teachers: Listed[str] | None = None
    students: Listed[str] | None = None

    def taught_by(self) -> list[str]:
        """Return the teachers, primary and others; Clever does not promise that one field has them all."""
        primary = [self.teacher] if self.teacher else []
        return primary + (self.teachers or [])

    def attended_by(self) -> list[str]:
        """Return the students."""
        return self.students or []


class SchoolRecord(IdRecord):
    """A school, of which nothing matters but that it is there and whose it is."""

    district: str | None = None


_Day = Annotated[str | None, BeforeValidator(lambda given: given if isinstance(given, str | None) else "unreadable")]


class TermRecord(IdRecord):
    """A term, with its first and its last day."""

    district: str | None = None
    start_date: _Day = None
    end_date: _Day = None


class DistrictRecord(IdRecord):
    """A district: its state, its pause and its launch; days are dates or, in Clever's description, date-times."""

    state: str | None = None
    pause_start: _Day = None
    pause_end: _Day = None
    launch_date: _Day = None

    @property
    def district(self) -> str:
        """Itself: every other record names the district that it is of."""
        return self.id


_Ids = Annotated[list[str], msgspec.Meta(max_length=MOST_ENTRIES)]


class _Record(msgspec.Struct, gc=False):
    """A record, or a part of one, of which only the declared fields are read."""


class StudentFields(_Record):
    """`roles.student`; see ``StudentRole``."""

    school: str | None = None
    schools: _Ids | None = None
    legacy_id: str | None = None


class TeacherFields(_Record):
    """`roles.teacher`; see ``TeacherRole``."""

    school: str | None = None
    schools: _Ids | None = None
    title: str | None = None
    legacy_id: str | None = None


class StaffFields(_Record):
    """`roles.staff`; see ``StaffRole``."""

    schools: _Ids | None = None
    roles: _Ids | None = None
    title: str | None = None
    department: str | None = None
    legacy_id: str | None = None


class DistrictAdminFields(_Record):
    """`roles.district_admin`; see ``DistrictAdminRole``."""

    title: str | None = None
    legacy_id: str | None = None


class RelationshipFields(msgspec.Struct, frozen=True, gc=False):
    """An entry of `student_relationships`; see ``Relationship``."""

    student: str | None = None
    relationship: str | None = None
    type: str | None = None


class ContactFields(_Record):
    """`roles.contact`; see ``ContactRole``."""

    student_relationships: Annotated[list[RelationshipFields], msgspec.Meta(max_length=MOST_ENTRIES)] | None = None
    legacy_id: str | None = None


class RolesFields(_Record):
    """`roles`; see ``Roles``."""

    student: StudentFields | None = None
    teacher: TeacherFields | None = None
    staff: StaffFields | None = None
    district_admin: DistrictAdminFields | None = None
    contact: ContactFields | None = None


class UserFields(_Record):
    """A user; see ``UserRecord``."""

    id: str
    district: str | None = None
    roles: RolesFields | None = None


class SectionFields(_Record):
    """A section; see ``SectionRecord``."""

    id: str
    district: str | None = None
    school: str | None = None
    teacher: str | None = None
    teachers: _Ids | None = None
    students: _Ids | None = None
    term_id: str | None = None

    def taught_by(self) -> list[str]:
        """Return the teachers, primary and others."""
        primary = [self.teacher] if self.teacher else []
        return primary + (self.teachers or [])

    def attended_by(self) -> list[str]:
        """Return the students."""
        return self.students or []


class SchoolFields(_Record):
    """A school; see ``SchoolRecord``."""

    id: str
    district: str | None = None
