"""What can go wrong in one exchange: which status or exception of httpx becomes which domain error.

The sentences are for operators. They are fixed: nothing that was sent or received gets into them.
"""

from collections.abc import Callable
from http import HTTPStatus

import httpx
from pydantic_core import from_json

from app import telemetry
from app.domain.errors import (
    CleverCrowded,
    CleverError,
    CleverFailed,
    CleverForbade,
    CleverLimited,
    CleverMalformed,
    CleverNotJson,
    CleverRecordMissing,
    CleverRefusedToken,
    CleverTimedOut,
    CleverUnexpected,
    CleverUnreachable,
)

_STATUSES: dict[int, tuple[type[CleverError], str]] = {
    HTTPStatus.UNAUTHORIZED: (
        CleverRefusedToken,
        (
            "Clever refuses the token: see whether the district is still connected to the application, and put a"
            " valid district token, or client id and secret, into the settings"
        ),
    ),
    HTTPStatus.FORBIDDEN: (
        CleverForbade,
        (
            "Clever forbids this token to read what is needed: the district has to share users, sections and schools"
            " with the application through Secure Sync"
        ),
    ),
}

_CLIENT_REFUSED = (
    "Clever refuses the client id and secret: see whether both are those of the application, and put them right in the"
    " settings"
)

_EXCEPTIONS: tuple[tuple[type[Exception], type[CleverError], str], ...] = (
    (TimeoutError, CleverTimedOut, "Clever did not answer within the time limit"),
    (httpx.PoolTimeout, CleverCrowded, "every connection to Clever is in use"),
    (httpx.TimeoutException, CleverTimedOut, "Clever did not answer within the time limit"),
    (httpx.DecodingError, CleverMalformed, "Clever sent a compressed body that cannot be unpacked"),
    (httpx.TooManyRedirects, CleverUnexpected, "Clever sent us elsewhere, which is not followed"),
    (httpx.HTTPStatusError, CleverUnexpected, "Clever answered with a status that is not documented"),
    (httpx.HTTPError, CleverUnreachable, "Clever cannot be reached, or the connection broke off"),
    (httpx.InvalidURL, CleverUnreachable, "the URL of Clever is none that can be asked"),
    (httpx.CookieConflict, CleverUnexpected, "Clever set cookies that contradict one another"),
    (httpx.StreamError, CleverUnreachable, "the connection to Clever was closed while its answer was read"),
)

FAILURES = tuple(raised for raised, _, _ in _EXCEPTIONS)
"""Every exception that an exchange can raise."""


def failure_of(raised: Exception) -> CleverError:
    """Return the domain error for an exception of an exchange, one of ``FAILURES``."""
    error, sentence = next((error, sentence) for kind, error, sentence in _EXCEPTIONS if isinstance(raised, kind))
    return error(sentence)


def refusal_of(status: int, *, retry_after: int | None, by_client: bool = False) -> CleverError:
    """Return the domain error for a status other than 200 and 404.

    Args:
        status: the status.
        retry_after: after how many seconds to ask again, if the response says so.
        by_client: whether the credential was a client id and secret, and not the token of a district.
    """
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _passing(CleverLimited("Clever's limit of requests a minute is used up for this token"), retry_after)
    if is_failing(status):
        return _passing(CleverFailed("Clever says that it is failing"), retry_after)
    if status == HTTPStatus.UNAUTHORIZED and by_client:
        return CleverRefusedToken(_CLIENT_REFUSED)
    if status not in _STATUSES:
        return CleverUnexpected("Clever answered with a status that is not documented", status=status)
    error, sentence = _STATUSES[status]
    return error(sentence)


def is_failing(status: int) -> bool:
    """Tell whether a status says that Clever is failing for the moment."""
    # 501 is its answer to a request that it does not support.
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED


def is_json(response: httpx.Response) -> bool:
    """Tell whether a response says that its body is JSON."""
    # A proxy may add a second content type; if the two differ, nobody knows which is right.
    kinds = response.headers.get_list("content-type", split_commas=True)
    return bool(kinds) and all(map(_names_json, kinds))


def _names_json(kind: str) -> bool:
    name = kind.partition(";")[0].strip().lower()
    return name == "application/json" or name.endswith("+json")


def not_found_error(response: httpx.Response, body: bytes | None) -> CleverError:
    """Return the domain error for a 404; its body is None if it could not be read."""
    # For a record that does not exist Clever answers JSON. Its HTML means a wrong kind of token, or an unknown path.
    if is_json(response) and body is not None and _is_object(body):
        return CleverRecordMissing("Clever has no such record for this token")
    return CleverNotJson(
        "Clever finds nothing and does not say so in JSON: see whether the URL of Clever is right and the token is"
        " that of a district"
    )


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(from_json(body), dict)
    except ValueError:
        return False


def _passing(error: CleverError, retry_after: int | None) -> CleverError:
    error.retry_after = retry_after or error.retry_after
    return error


_QUIET_SECONDS = 60


class RefusalLog:
    """Logs refusals of tokens, each kind at most once a minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._logged_at: dict[type[CleverError], float] = {}

    def log(self, error: CleverError) -> None:
        """Log the error of a read if it is a refusal; its sentence is fixed and names nobody."""
        kind, now = type(error), self._clock()
        if kind not in {CleverRefusedToken, CleverForbade}:
            return
        if kind not in self._logged_at or now - self._logged_at[kind] >= _QUIET_SECONDS:
            self._logged_at[kind] = now
            telemetry.read_refused(str(error), error.outcome)
