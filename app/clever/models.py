"""What API 3.0 and 3.1 send, cut down to the fields that permissions depend on.

Every field but `id` may be missing or null, and there may be new fields: Clever's specs require none. A field of the
wrong type is an error, though: taken for an absent one, it would make a smaller permission set that looks complete.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.domain.errors import CleverMalformed

T = TypeVar("T")

MOST_RECORDS = 10_000
"""Records of a page at most (dev.clever.com/docs/paging-and-limits)."""

MOST_ENTRIES = 20_000
"""Entries of a list without pages at most, such as the students of a section."""

MOST_LINKS = 100
"""Links of a page at most."""

MOST_NESTED = 100_000
"""How many objects and lists a body may have; a page of 2000 users has some 25 000."""

MOST_LISTED = 500_000
"""How many commas a body may have; a page of 2000 sections of thirty students has some 100 000."""

# Without `fail_fast` an error is kept for each bad element: 6 KB of packed nonsense cost more than a gigabyte.
_Records = Annotated[list[T], Field(fail_fast=True, max_length=MOST_RECORDS)]
_Listed = Annotated[list[T], Field(fail_fast=True, max_length=MOST_ENTRIES)]
_Links = Annotated[list[T], Field(fail_fast=True, max_length=MOST_LINKS)]

_NameOnly = Annotated[None, BeforeValidator(lambda _: None)]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


class ApiModel(BaseModel):
    """A record of which only the declared fields are read; its errors never show what was sent."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    @classmethod
    async def parse(cls, body: bytearray) -> Self:
        """Parse a body; raises ``CleverMalformed`` if it has another shape, or more in it than any answer should."""
        # The parser builds all of it before it judges: up to a kilobyte for each small object.
        if body.count(b"{") + body.count(b"[") > MOST_NESTED or body.count(b",") > MOST_LISTED:
            raise CleverMalformed("Clever sent a body with more in it than any answer should have")
        with suppress(ValidationError):
            return cls.model_validate_json(body)
        # Outside of any handler: as the context of this error, the first one would keep all that was sent in memory.
        raise CleverMalformed("Clever sent JSON that is cut short or has another shape than documented")


class ApiModelWithExtras(ApiModel):
    """A record that keeps the names of undeclared fields, without their values, so that new ones can be counted."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, _NameOnly] = Field(init=False)

    documented: ClassVar[frozenset[str]] = frozenset()
    """Fields that Clever documents and that are not needed here."""

    def unknown_fields(self) -> int:
        """Return how many fields Clever does not document."""
        return len(self.__pydantic_extra__.keys() - self.documented)


class StudentRole(ApiModelWithExtras):
    """`roles.student`: at which schools they learn."""

    documented = _names(
        "created credentials disability dob ell_status email enrollments ext frl_status gender gifted_status grade"
        " graduation_year hispanic_ethnicity home_language home_language_code iep_status last_modified location"
        " preferred_name race section_504_status sis_id state_id student_number unweighted_gpa weighted_gpa"
    )
    school: str | None = None
    schools: _Listed[str] | None = None
    legacy_id: str | None = None


class TeacherRole(ApiModelWithExtras):
    """`roles.teacher`: at which schools they teach, which does not mean that they administer them."""

    documented = _names("created credentials district ext last_modified name sis_id state_id teacher_number")
    school: str | None = None
    schools: _Listed[str] | None = None
    title: str | None = None
    legacy_id: str | None = None


class StaffRole(ApiModelWithExtras):
    """`roles.staff`: its `schools` are the only list of administered schools."""

    documented = _names("credentials ext staff_id")
    schools: _Listed[str] | None = None
    roles: _Listed[str] | None = None
    title: str | None = None
    department: str | None = None
    legacy_id: str | None = None


class DistrictAdminRole(ApiModelWithExtras):
    """`roles.district_admin`: it has no schools and reaches the whole district."""

    documented = _names("credentials ext")
    title: str | None = None
    legacy_id: str | None = None


class Relationship(ApiModel):
    """An entry of `student_relationships`: which student, and what the contact is to them."""

    student: str | None = None
    relationship: str | None = None
    type: str | None = None


class ContactRole(ApiModelWithExtras):
    """`roles.contact`: whom they are a contact of; the fields of API 2.x may still stand beside it."""

    documented = _names("credentials ext phone phone_type relationship sis_id students type")
    student_relationships: _Listed[Relationship] | None = None
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

    documented = _names("created email last_modified lms_status name")
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
    teachers: _Listed[str] | None = None
    students: _Listed[str] | None = None

    def taught_by(self) -> list[str]:
        """Return the teachers, primary and others; Clever does not promise that one field has them all."""
        primary = [self.teacher] if self.teacher else []
        return primary + (self.teachers or [])

    def attended_by(self) -> list[str]:
        """Return the students."""
        return self.students or []


class IdRecord(ApiModel):
    """A school or a district, of which nothing but the id matters."""

    id: str


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


class EventRecord(ApiModel):
    """An event; whatever of it is missing or has another type is found when it is mapped."""

    id: Any = None
    type: Any = None
    data: Any = None
    previous_attributes: Any = None


class Link(ApiModel):
    """An entry of `links`."""

    rel: str | None = None
    uri: str | None = None


class Entry(ApiModel, Generic[T]):
    """One record of the Data API in its envelope."""

    data: T


def next_address(links: Iterable[tuple[str | None, str | None]]) -> str | None:
    """Return the address of the link named ``next``; None if there is no such link, which means the last page.

    Clever's own documents disagree on the case of link names. A link without an address is returned as empty text:
    there is a next page, wherever it may be.
    """
    return next(((uri or "").strip() for rel, uri in links if (rel or "").strip().casefold() == "next"), None)


class Linked(ApiModel):
    """A list with its links; a list without any is its own last page."""

    links: _Links[Link] | None = None

    def following(self) -> str | None:
        """Return where the next page is, or None on the last one."""
        return next_address((link.rel, link.uri) for link in self.links or ())


class Page(Linked, Generic[T]):
    """A list of the Data API, whose entries come in envelopes."""

    data: _Records[Entry[T]]

    def records(self) -> list[T]:
        """Return the records of this page."""
        return [entry.data for entry in self.data]

    def ids(self) -> list[str]:
        """Return the ids of its records."""
        return [str(getattr(entry.data, "id", "")) for entry in self.data]


class BarePage(Linked, Generic[T]):
    """A list of the OAuth API, whose entries come without envelopes."""

    data: _Listed[T]

    def records(self) -> list[T]:
        """Return the records of this page."""
        return self.data

    def ids(self) -> list[str]:
        """Return nothing: its entries may have none."""
        return []
