"""Ids like Clever's: 24 hex digits that ascend with the time of creation."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

START = datetime(2024, 7, 1, 8, 0, tzinfo=UTC)
"""The creation time of the first record of each kind; each further one is a second later."""

RESERVED_NUMBERS = 1_000
"""The numbers below are reserved for named cases, so that a new case changes no other id."""


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids of one district, which depend only on seed, district, kind and number."""

    seed: int
    district: int

    def of(self, kind: str, number: int) -> str:
        """Return the id of a record in the layout of an ObjectID: time, origin, counter."""
        return f"{int(START.timestamp()) + number:08x}{_origin(self.seed, self.district, kind)}{number:06x}"


@cache
def _origin(seed: int, district: int, kind: str) -> str:
    return hashlib.sha256(f"{seed}/{district}/{kind}".encode()).hexdigest()[:10]


def made_at(number: int) -> datetime:
    """Return the creation time of a record by its number, the same as in its id."""
    return START + timedelta(seconds=number)
