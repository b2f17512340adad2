"""What can go wrong in one exchange, as tables: a status or an exception of httpx, and the error that it becomes.

The sentences are for operators and are fixed: nothing that was sent or received gets into them.
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


"""Every exception with which an exchange can fail."""


def failure_of(raised: Exception) -> CleverError:
    """Return what an exception of an exchange, one of ``FAILURES``, means."""
    error, sentence = next((error, sentence) for kind, error, sentence in _EXCEPTIONS if isinstance(raised, kind))
    return error(sentence)


def refusal_of(status: int, *, told: int | None, by_client: bool = False) -> CleverError:
    """Return what a status other than 200 and 404 means.

    Args:
        status: the status.
        told: after how many seconds the answer says to ask again, if it does.
        by_client: whether a client id and secret asked, instead of the token of a district.
    """
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _passing(CleverLimited("Clever's limit of requests a minute is used up for this token"), told)
    if is_failing(status):
        return _passing(CleverFailed("Clever says that it is failing"), told)
    if status == HTTPStatus.UNAUTHORIZED and by_client:
        return CleverRefusedToken(_CLIENT_REFUSED)
    error, sentence = _STATUSES.get(status, (CleverUnexpected, "Clever answered with a status that is not documented"))
    return error(sentence)


def is_failing(status: int) -> bool:
    """Tell whether a status says that Clever fails for the moment."""
    # 501 is what it answers to a request that it does not support.
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED


def is_json(response: httpx.Response) -> bool:
    """Tell whether the body is called JSON."""
    # A proxy may say it once more; where it says something else, nobody knows which of the two it is.
    kinds = response.headers.get_list("content-type", split_commas=True)
    return bool(kinds) and all(map(_names_json, kinds))


def _names_json(kind: str) -> bool:
    name = kind.partition(";")[0].strip().lower()
    return name == "application/json" or name.endswith("+json")


def missing(response: httpx.Response, body: bytes | None) -> CleverError:
    """Return what a 404 means, whose body is None where it could not be read."""
    # Clever says so of a record in JSON. Its HTML is for the wrong kind of token and for a path that does not exist.
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


def _passing(error: CleverError, told: int | None) -> CleverError:
    error.retry_after = told or error.retry_after
    return error


_QUIET_SECONDS = 60


class RefusalLog:
    """Logs refusals of tokens, each kind at most once a minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told: dict[type[CleverError], float] = {}

    def tell(self, error: CleverError) -> None:
        """Log an error of a read if it is a refusal; its sentence is fixed and names nobody."""
        kind, now = type(error), self._clock()
        if kind not in {CleverRefusedToken, CleverForbade}:
            return
        if kind not in self._told or now - self._told[kind] >= _QUIET_SECONDS:
            self._told[kind] = now
            telemetry.read_refused(str(error), error.word)
