"""The tree of errors; nothing here knows HTTP.

RosterguardError
├── QuestionError                the question cannot be answered as it is; asking again does not help
│   ├── MalformedId              an id without the shape of one
│   ├── DistrictUnnamed          several districts are connected, and the question names none
│   ├── RoleNotHeld              a role context of a role that the user does not hold
│   ├── UserUnknown              Clever has no such user, or does not share them with this application
│   ├── RecordUnknown            Clever has no such section or school, or does not share it
│   ├── DistrictNotFollowed      what changes in a district is not known, since it is not loaded and kept current
│   └── ChangesUnknown           what has changed since a cursor is not known
├── CallerMayNot                 the caller's credential lacks the scope that the question needs
├── ProviderUnreachable          the keys of the OpenID provider are unavailable, so no token can be verified
├── NotCached                    the caller allows cached answers only, and nothing recent enough is cached
├── PolicyUnusable               no policy is in force, because its file is invalid
├── CleverError                  Clever could not be read completely
│   ├── CleverRefusedToken       401: the district token is invalid, or the district has disconnected
│   ├── CleverForbade            403: the token may not read this; usually it lacks Secure Sync
│   ├── CleverRecordMissing      404 on a part of a user who exists: unavailable, never an empty list
│   ├── CleverLimited            429: the token's requests are used up, or the rest is reserved for urgent reads
│   ├── CleverCircuitOpen        Clever failed several times in a row and is not called for a moment
│   ├── CleverBusy               too many fetches are in progress or waiting
│   ├── CleverCrowded            no connection to Clever became free in time; this says nothing about Clever
│   ├── CallerOverspent          the caller has used up its share of the token's requests in this minute
│   ├── CleverFailed             5xx: Clever reports a failure
│   ├── CleverUnexpected         any other status that Clever does not document
│   ├── CleverUnreachable        no connection, or a broken one
│   ├── CleverTimedOut           no answer within the time limit
│   ├── CleverNotJson            a body other than JSON, such as the HTML page of a proxy
│   ├── CleverMalformed          JSON that is cut short, or of another shape than documented
│   └── CleverPagingBroken       a `next` link that loops, or leaves Clever's origin and path
├── DistrictNotLoaded            the question can only be answered from a district that is loaded as a whole
├── TooManyWaiting               so many callers wait for changes that this one may not
├── LoadAlone                    other processes cannot be told to load a district, too
├── EventsLost                   Clever no longer knows the event from which to go on
└── PolicyMistakes               a policy file with mistakes, all of which it lists
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from app.domain.snapshot import Staleness


class RosterguardError(Exception):
    """The root of all errors that the service raises on purpose."""


class QuestionError(RosterguardError):
    """The question cannot be answered as it is; asking again does not help."""


class MalformedId(QuestionError):
    """An id without the shape of one; its text is not repeated."""

    def __init__(self, kind: str, pattern: str) -> None:
        super().__init__(f"the {kind} id does not match {pattern}")
        self.kind = kind


class DistrictUnnamed(QuestionError):
    """Several districts are connected, and the question names none."""

    def __init__(self) -> None:
        super().__init__("several districts are connected and none is named: say which in `district`")


class RoleNotHeld(QuestionError):
    """The question is about a role that the user does not hold.

    Attributes:
        role: the role in question.
        held: the roles that the user holds.
        stale: the staleness of the user's facts; None if they are fresh.
    """

    def __init__(self, role: str, held: Sequence[str], stale: Staleness | None = None) -> None:
        super().__init__(f"the user does not hold the role {role}")
        self.role = role
        self.held = tuple(held)
        self.stale = stale


class UserUnknown(QuestionError):
    """Clever has no such user, or does not share them with this application."""

    def __init__(self) -> None:
        super().__init__("no such user is shared with this application")


class RecordUnknown(QuestionError):
    """Clever has no such section or school, or does not share it with this application."""

    def __init__(self) -> None:
        super().__init__("no such record is shared with this application")


class DistrictNotFollowed(QuestionError):
    """What changes in a district is not known, since it is not loaded, or Clever has no events of it."""

    def __init__(self) -> None:
        super().__init__(
            "what changes in this district is not known: it has to be loaded, and Clever has to send events of it"
        )


class ChangesUnknown(QuestionError):
    """What has changed since a cursor is not known, or not any more.

    Attributes:
        cursor: from where to go on.
    """

    def __init__(self, cursor: str) -> None:
        super().__init__(
            "what has changed since then is not known: drop every copy of this district's answers, and go on from the"
            " cursor of this problem"
        )
        self.cursor = cursor


class CallerMayNot(RosterguardError):
    """The caller's credential lacks the scope that a question needs."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"this credential lacks the scope {scope}")
        self.scope = scope


class ProviderUnreachable(RosterguardError):
    """The keys of the OpenID provider are unavailable, so no token can be verified.

    Attributes:
        retry_after: seconds after which asking again may help.
    """

    retry_after = 5

    def __init__(self) -> None:
        super().__init__("the keys of the OpenID provider cannot be read, so no token can be verified")


class NotCached(RosterguardError):
    """The caller allows cached answers only, and nothing recent enough is cached."""

    def __init__(self) -> None:
        super().__init__("nothing recent enough is cached, and only-if-cached forbids reading it")


class PolicyUnusable(RosterguardError):
    """No policy is in force: the process started with an invalid file, and waits for a valid one.

    Attributes:
        retry_after: seconds after which asking again may help.
    """

    retry_after = 5

    def __init__(self) -> None:
        super().__init__("the policy file is invalid, and no question is answered until it is corrected")


class CleverError(RosterguardError):
    """Clever could not be read completely.

    Attributes:
        outcome: a fixed code for the kind of failure, safe to show to anybody.
        retry_after: seconds after which asking again may help.
    """

    outcome: ClassVar[str] = "garbled"

    def __init__(self, message: str, *, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CleverRefusedToken(CleverError):
    """401: the district token is invalid, or the district has disconnected."""

    outcome = "token_refused"


class CleverForbade(CleverError):
    """403: the token may not read this; usually it lacks Secure Sync."""

    outcome = "forbidden"


class CleverRecordMissing(CleverError):
    """404 on a part of a user who exists: unavailable, never an empty list."""

    outcome = "incomplete"


class CleverLimited(CleverError):
    """429: the token's requests of this minute are used up, or the rest is reserved for urgent reads."""

    outcome = "rate_limited"


class CleverCircuitOpen(CleverError):
    """Clever failed several times in a row and is not called for a moment."""

    outcome = "barred"


class CleverBusy(CleverError):
    """Too many fetches are in progress or waiting."""

    outcome = "busy"


class CleverCrowded(CleverError):
    """No connection to Clever became free in time; this says nothing about Clever."""

    outcome = "no_connection"


class CallerOverspent(CleverError):
    """The caller has used up its share of the token's requests in this minute."""

    outcome = "caller_limited"


class CleverFailed(CleverError):
    """5xx: Clever reports a failure."""

    outcome = "failing"


class CleverUnexpected(CleverError):
    """A status that Clever does not document.

    Attributes:
        status: the status; 0 if it was something else that nobody expects.
    """

    def __init__(self, message: str, *, retry_after: int = 5, status: int = 0) -> None:
        super().__init__(message, retry_after=retry_after)
        self.status = status


class CleverUnreachable(CleverError):
    """No connection to Clever, or a broken one."""

    outcome = "unreachable"


class CleverTimedOut(CleverError):
    """No answer from Clever within the time limit."""

    outcome = "timed_out"


class CleverNotJson(CleverError):
    """A body other than JSON, such as the HTML page of a proxy."""


class CleverMalformed(CleverError):
    """JSON that is cut short, or of another shape than documented."""


class CleverPagingBroken(CleverError):
    """A `next` link that loops, or leaves Clever's origin and path."""


class DistrictNotLoaded(RosterguardError):
    """The question can only be answered from a district that is loaded as a whole."""

    def __init__(self) -> None:
        super().__init__("the district is not loaded, or was loaded too long ago: load it, then ask again")


class TooManyWaiting(RosterguardError):
    """So many callers wait for changes, or this one for so many, that this request may not.

    Attributes:
        retry_after: seconds after which asking again may help.
    """

    retry_after = 5

    def __init__(self) -> None:
        super().__init__("too many requests wait for changes: ask without wait, or again in a moment")


class LoadAlone(RosterguardError):
    """Other processes cannot be told to load a district, too, and would not answer from it."""

    def __init__(self) -> None:
        super().__init__(
            "there are several workers and no Redis, so the others cannot be told to load the district: name it in"
            " ROSTERGUARD_LOAD, and each loads it when it starts, or set ROSTERGUARD_REDIS_URL"
        )


class EventsLost(RosterguardError):
    """Clever no longer knows the event from which to go on: it keeps events for 30 days."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake in a policy file.

    Attributes:
        path: keys and positions from the top, such as ``("roles", "staff", 0, "over")``.
        message: what is wrong.
        line: the line in the file, from 1, if it is known.
    """

    path: tuple[str | int, ...]
    message: str
    line: int | None = None

    def __str__(self) -> str:
        """Return ``line 12: roles.staff[0].over: what is wrong``."""
        return f"line {self.line}: {self.where}: {self.message}" if self.line else f"{self.where}: {self.message}"

    @property
    def where(self) -> str:
        """The path as text: ``roles.staff[0].over``."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return "".join(steps).removeprefix(".") or "the file"


class PolicyMistakes(RosterguardError):
    """A policy file with mistakes, all of which it lists."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("; ".join(str(mistake) for mistake in mistakes))
        self.mistakes = tuple(mistakes)
