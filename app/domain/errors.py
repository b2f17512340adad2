"""Everything that can go wrong, as a tree; nothing here knows HTTP.

RosterguardError
├── QuestionError                what was asked cannot be answered as it stands
│   ├── MalformedId              an id without the shape of one
│   ├── DistrictUnnamed          several districts are connected and none was named
│   ├── RoleNotHeld              a role context of a role that the user does not hold
│   ├── UserUnknown              Clever knows no such user, or does not share them with us
│   └── RecordUnknown            Clever knows no such section or school, or does not share it with us
├── CallerMayNot                 the caller's credential does not reach as far as the question
├── ProviderUnreachable          the keys of the OpenID provider are not known, so no token can be verified
├── NotCached                    only the cache was allowed to answer, and it cannot
├── PolicyUnusable               no policy is in force: its file could never be used
├── CleverError                  Clever could not be read for certain
│   ├── CleverRefusedToken       401: the token is not valid (any more)
│   ├── CleverForbade            403: the token may not read this
│   ├── CleverRecordMissing      404 on a part of a user who exists
│   ├── CleverLimited            429: the token's requests are used up, or what is left is kept for the more urgent
│   ├── CleverCircuitOpen        it failed several times in a row and is not asked for a moment
│   ├── CleverBusy               too many fetches are in progress or waiting
│   ├── CleverCrowded            every connection to Clever is in use, and none became free in time
│   ├── CallerOverspent          one caller has caused more requests than their share
│   ├── CleverFailed             5xx: Clever says that it is failing
│   ├── CleverUnexpected         any other status that its documentation does not lead one to expect
│   ├── CleverUnreachable        no connection, or one that broke off
│   ├── CleverTimedOut           no answer within the time limit
│   ├── CleverNotJson            a body that is no JSON, such as an HTML page
│   ├── CleverMalformed          JSON that is cut short or has another shape than documented
│   └── CleverPagingBroken       a `next` link that loops or leaves Clever's own origin and path
└── PolicyMistakes               a policy file that cannot be used, with every mistake in it
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from app.domain.snapshot import Staleness


class RosterguardError(Exception):
    """The root of all errors that are raised on purpose."""


class QuestionError(RosterguardError):
    """What was asked cannot be answered as it stands; asking again changes nothing."""


class MalformedId(QuestionError):
    """An id without the shape of one; the text itself is not repeated."""

    def __init__(self, kind: str, pattern: str) -> None:
        super().__init__(f"the {kind} id does not match {pattern}")
        self.kind = kind


class DistrictUnnamed(QuestionError):
    """Several districts are connected and the question names none."""

    def __init__(self) -> None:
        super().__init__("several districts are connected and none is named: say which in `district`")


class RoleNotHeld(QuestionError):
    """A role context was asked for that the user does not hold.

    Attributes:
        role: what was asked for.
        held: what they do hold.
        stale: how stale that is; None where it is fresh.
    """

    def __init__(self, role: str, held: Sequence[str], stale: Staleness | None = None) -> None:
        super().__init__(f"the user does not hold the role {role}")
        self.role = role
        self.held = tuple(held)
        self.stale = stale


class UserUnknown(QuestionError):
    """Clever knows no such user, or does not share them with this application."""

    def __init__(self) -> None:
        super().__init__("no such user is shared with this application")


class RecordUnknown(QuestionError):
    """Clever knows no such section or school, or does not share it with this application."""

    def __init__(self) -> None:
        super().__init__("no such record is shared with this application")


class CallerMayNot(RosterguardError):
    """The caller's credential lacks the scope that a question needs."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"this credential lacks the scope {scope}")
        self.scope = scope


class ProviderUnreachable(RosterguardError):
    """The keys of the OpenID provider are not known and cannot be read, so that no token can be judged.

    Attributes:
        retry_after: seconds after which asking again may help.
    """

    retry_after = 5

    def __init__(self) -> None:
        super().__init__("the keys of the OpenID provider cannot be read, and so no token can be judged")


class NotCached(RosterguardError):
    """Only the cache was allowed to answer, and it holds nothing recent enough."""

    def __init__(self) -> None:
        super().__init__("nothing recent enough is cached, and only-if-cached forbids reading it")


class PolicyUnusable(RosterguardError):
    """No policy is in force: the process began on a file that cannot be used, and waits for it to be mended.

    Attributes:
        retry_after: seconds after which asking again may help.
    """

    retry_after = 5

    def __init__(self) -> None:
        super().__init__("the policy file cannot be used, and so nothing is answered until it is mended")


class CleverError(RosterguardError):
    """Clever could not be read for certain.

    Attributes:
        word: what came of it, in one fixed word that is safe to show to anybody.
        retry_after: seconds after which asking again may help.
    """

    word: ClassVar[str] = "garbled"

    def __init__(self, message: str, *, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CleverRefusedToken(CleverError):
    """401: the district token is missing, invalid, or died when the district disconnected."""

    word = "token_refused"


class CleverForbade(CleverError):
    """403: the token may not read this; usually it lacks Secure Sync."""

    word = "forbidden"


class CleverRecordMissing(CleverError):
    """404 on a part of a user who exists: unavailable, never an empty list."""

    word = "incomplete"


class CleverLimited(CleverError):
    """429: the token's requests of this minute are used up, or what is left is kept for the more urgent."""

    word = "rate_limited"


class CleverCircuitOpen(CleverError):
    """Clever failed several times in a row, and is not asked again for a moment."""

    word = "barred"


class CleverBusy(CleverError):
    """Too many fetches are in progress or waiting for a slot."""

    word = "busy"


class CleverCrowded(CleverError):
    """Every connection to Clever is in use, and none became free in time; of Clever it says nothing."""

    word = "no_connection"


class CallerOverspent(CleverError):
    """One caller has caused more of a token's requests this minute than any may."""

    word = "caller_limited"


class CleverFailed(CleverError):
    """5xx: Clever says that it is failing."""

    word = "failing"


class CleverUnexpected(CleverError):
    """A status that Clever's documentation does not lead one to expect."""


class CleverUnreachable(CleverError):
    """No connection to Clever, or one that broke off."""

    word = "unreachable"


class CleverTimedOut(CleverError):
    """No answer from Clever within the time limit."""

    word = "timed_out"


class CleverNotJson(CleverError):
    """A body that is no JSON, such as the HTML page of a proxy."""


class CleverMalformed(CleverError):
    """JSON that is cut short or has another shape than documented."""


class CleverPagingBroken(CleverError):
    """A `next` link that loops or leaves Clever's own origin and path."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in a policy file: where it stands and what is wrong there.

    Attributes:
        path: keys and positions from the top, such as ``("roles", "staff", 0, "over")``.
        message: what is wrong, for whoever writes the policy.
        line: the line in the file, from 1, where it is known.
    """

    path: tuple[str | int, ...]
    message: str
    line: int | None = None

    def __str__(self) -> str:
        """Return ``line 12: roles.staff[0].over: what is wrong``."""
        return f"line {self.line}: {self.where}: {self.message}" if self.line else f"{self.where}: {self.message}"

    @property
    def where(self) -> str:
        """The path as one writes it: ``roles.staff[0].over``."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return "".join(steps).removeprefix(".") or "the file"


class PolicyMistakes(RosterguardError):
    """A policy that cannot be used, with every mistake in it."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("; ".join(str(mistake) for mistake in mistakes))
        self.mistakes = tuple(mistakes)
