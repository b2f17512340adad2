"""Ids like Clever's own: 24 hex digits that ascend with the time at which the record was made."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

START = datetime(2024, 7, 1, 8, 0, tzinfo=UTC)
"""When the first record of each kind was made; every further one follows a second later."""

CAST_ROOM = 1_000
"""The numbers below belong to the named cases, so that a case may be added without a new id for anybody else."""


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids of one district; they depend on nothing but the seed, the district, the kind and the number."""

    seed: int
    district: int

    def of(self, kind: str, number: int) -> str:
        """Return the id of one record, laid out as an ObjectID: time, origin, counter."""
        return f"{int(START.timestamp()) + number:08x}{_origin(self.seed, self.district, kind)}{number:06x}"


@cache
def _origin(seed: int, district: int, kind: str) -> str:
    return hashlib.sha256(f"{seed}/{district}/{kind}".encode()).hexdigest()[:10]


def made_at(number: int) -> datetime:
    """Return when the record of that number was made, the same moment that its id tells."""
    return START + timedelta(seconds=number)
