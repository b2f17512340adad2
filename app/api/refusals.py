"""Why a request is refused before any route sees it: by the connection, by what is under way, or by the end."""

from starlette.requests import Request
from starlette.responses import Response

from app.api.problems import Problem, problem_named, problem_response

BROKEN_HTTP = problem_named(400, "broken-http", "Not HTTP", "what was sent is not HTTP/1.1 (RFC 9112)")
TOO_SLOW = problem_named(408, "too-slow", "Request too slow", "the request did not arrive whole within the time limit")
PATH_TOO_LONG = problem_named(414, "path-too-long", "Path too long", "path and query are longer than is read here")
HEAD_TOO_LARGE = problem_named(431, "head-too-large", "Head too large", "the headers are larger than is read here")
FOREIGN_HOST = problem_named(
    421,
    "foreign-host",
    "Host is not this machine",
    "without keys only who calls this machine by a name for itself is answered, such as localhost or 127.0.0.1",
)
BULK_BUSY = problem_named(
    503,
    "bulk-busy",
    "Too many batches and searches at once",
    "too many batches and searches are under way; ask again in a moment, single questions are still answered",
)
STOPPING = problem_named(
    503, "stopping", "Service stopping", "the service stops and had no time to answer; ask again, another may answer"
)
ALL = (BROKEN_HTTP, TOO_SLOW, PATH_TOO_LONG, HEAD_TOO_LARGE, FOREIGN_HOST, BULK_BUSY, STOPPING)


def come_again(request: Request, problem: Problem, seconds: int) -> Response:
    """Send ``problem`` and after how many seconds asking again may help."""
    return problem_response(request.scope, problem, {"Retry-After": str(seconds)})


async def left_early(request: Request, _error: Exception) -> Response:
    """Answer a caller who went away, or was cut off, before all of the body was there; it is for the log alone."""
    return problem_response(request.scope, TOO_SLOW)
