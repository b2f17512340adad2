"""What one request has read by lists: a layer in front of what the roster knows, for that request alone."""

from dataclasses import dataclass, field
from typing import Any

from app.domain.calendar import Calendar
from app.domain.errors import CleverError, CleverRefusedToken, QuestionError
from app.domain.facts import Facts
from app.domain.snapshot import Snapshot
from app.roster.store import Key


@dataclass(frozen=True, slots=True)
class Prefetched:
    """What one request has read by lists.

    Attributes:
        snapshots: of sections, schools and users, each complete; or the error that says that there is none such.
        records: of users, complete but for their sections.
        no_students: who is no student, if anybody.
        refused: the districts whose token Clever refused meanwhile, which are not read any more.
        calendars: of districts, or why one could not be read: all questions need it, and none asks for it again.
    """

    snapshots: dict[Key, Snapshot[Any] | type[QuestionError]] = field(default_factory=dict)
    records: dict[Key, Snapshot[Facts]] = field(default_factory=dict)
    no_students: set[Key] = field(default_factory=set)
    refused: dict[str, CleverRefusedToken] = field(default_factory=dict)
    calendars: dict[str, Snapshot[Calendar] | CleverError] = field(default_factory=dict)

    def find(self, key: Key, *, may_wait: bool) -> Snapshot[Any] | None:
        """Return what the request has read, or raise what that says; None where it has not read this.

        Raises:
            UserUnknown, RecordUnknown: a list said that there is none such.
            CleverRefusedToken: the district has refused the token, and the request ``may_wait`` for it to be asked.
        """
        found = self.snapshots.get(key)
        if found is None:
            if may_wait and key.district in self.refused:
                raise self.refused[key.district]
            return None
        if isinstance(found, Snapshot):
            return found
        raise found


NOTHING_PREFETCHED = Prefetched()
"""The layer of a request that has read no list."""
