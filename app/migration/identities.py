"""How a person is known: the fields by which an account is matched to a user, in the form in which they are compared.

These are the only fields in this project that are personal. They are held in memory while a match is made, and nowhere
else; no error and no log names a value of theirs.
"""

import re
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from app.domain.facts import Role
from app.domain.ids import UserId
from app.domain.text import normal


class Field(StrEnum):
    """A field by which people are matched."""

    SIS_ID = "sis_id"
    STUDENT_NUMBER = "student_number"
    TEACHER_NUMBER = "teacher_number"
    STAFF_ID = "staff_id"
    STATE_ID = "state_id"
    EMAIL = "email"
    DATE_OF_BIRTH = "date_of_birth"
    NAME = "name"


ORDER: Mapping[Role, tuple[Field, ...]] = {
    Role.STUDENT: (
        *(Field.SIS_ID, Field.STUDENT_NUMBER, Field.STATE_ID, Field.DATE_OF_BIRTH),
        *(Field.EMAIL, Field.NAME),
    ),
    Role.TEACHER: (Field.EMAIL, Field.SIS_ID, Field.TEACHER_NUMBER, Field.STATE_ID, Field.NAME),
    Role.STAFF: (Field.EMAIL, Field.STAFF_ID, Field.NAME),
    Role.DISTRICT_ADMIN: (Field.EMAIL, Field.NAME),
    Role.CONTACT: (),
}
"""The fields of each role, the strongest first (dev.clever.com, onboarding guide); those of contacts changed too much.

The guide says nothing of district admins, who have no other fields.
"""


class Identity(NamedTuple):
    """What identifies a user in one role, or an account.

    Attributes:
        role: the role.
        values: what stands in each field of that role, in their order and compared form; empty where nothing does.
    """

    role: Role
    values: tuple[str, ...]


class Person(NamedTuple):
    """A user of API 3.x in one of their roles.

    Attributes:
        user: the user's id.
        legacy_id: the role's id from before API 3.0.
        identity: what identifies the user in that role.
    """

    user: UserId
    legacy_id: str | None
    identity: Identity


def identity_of(role: Role, written: Mapping[str, str | None]) -> Identity:
    """Return what identifies somebody in a role, from fields as they are written.

    Raises:
        ValueError: a date of birth is no date; it does not say which.
    """
    return Identity(role, tuple([_compared(field, written.get(field) or "") for field in ORDER[role]]))


_SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_DASHED = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:$|[T ])")


def _compared(field: Field, written: str) -> str:
    if not written:
        return ""
    return _date(written.strip()) if field is Field.DATE_OF_BIRTH else normal(written)


def _date(written: str) -> str:
    """Return a date as year, month and day.

    Clever writes ``M/D/YYYY`` with or without leading zeros, and in API 2.0 a timestamp.
    """
    if not written:
        return ""
    slashed, dashed = _SLASHED.fullmatch(written), _DASHED.match(written)
    if slashed:
        month, day, year = map(int, slashed.groups())
    elif dashed:
        year, month, day = map(int, dashed.groups())
    else:
        raise ValueError("this is no date")
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        raise ValueError("this is no date") from None
