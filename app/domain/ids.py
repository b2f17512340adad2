"""Ids of Clever's records: a type for each kind, and the pattern that they must match."""

import re
from dataclasses import dataclass
from typing import NewType

from app.domain.errors import MalformedId

UserId = NewType("UserId", str)
DistrictId = NewType("DistrictId", str)
SchoolId = NewType("SchoolId", str)
SectionId = NewType("SectionId", str)

CLEVER_ID = "[0-9a-f]{24}"
"""Clever's ids are ObjectIDs: 24 hex characters, lower case (dev.clever.com/docs/data-model)."""

_USUAL = re.compile(CLEVER_ID)
_LAXEST = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class IdShape:
    """The shape of ids in this deployment.

    Attributes:
        pattern: must match a whole id. An id must also match ``[A-Za-z0-9_-]{1,64}``, so that it is safe in a URL, a
            log line and a cache key.
    """

    pattern: re.Pattern[str] = _USUAL

    def fits(self, text: str) -> bool:
        """Whether ``text`` has the shape of an id."""
        if self.pattern.fullmatch(text) is None:
            return False
        return self.pattern is _USUAL or _LAXEST.fullmatch(text) is not None

    def user(self, text: str) -> UserId:
        """Return ``text`` as the id of a user, or raise ``MalformedId``."""
        return UserId(self._checked(text, "user"))

    def district(self, text: str) -> DistrictId:
        """Return ``text`` as the id of a district, or raise ``MalformedId``."""
        return DistrictId(self._checked(text, "district"))

    def school(self, text: str) -> SchoolId:
        """Return ``text`` as the id of a school, or raise ``MalformedId``."""
        return SchoolId(self._checked(text, "school"))

    def section(self, text: str) -> SectionId:
        """Return ``text`` as the id of a section, or raise ``MalformedId``."""
        return SectionId(self._checked(text, "section"))

    def _checked(self, text: str, kind: str) -> str:
        if not self.fits(text):
            raise MalformedId(kind, self.pattern.pattern)
        return text
