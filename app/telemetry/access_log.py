"""A line for each request: method, route, status and how long it took; with what was decided, where that is told."""

import time
from collections.abc import Callable

import msgspec

from app.telemetry import metrics
from app.telemetry.current_request import Request
from app.telemetry.decision_log import as_line, stamp
from app.telemetry.events import Event
from app.telemetry.log_writer import LogWriter

_EVENT = Event.REQUEST.value


class AccessLog:
    """Tells each request once: those whose decision is told in the log of decisions, all others in that of requests.

    Attributes:
        in_progress: how many requests are being answered.
        requests: where requests are told, None for nowhere.
        decisions: where they are told together with what was decided for them; likewise.
    """

    def __init__(self, *, readable: bool = False, wall: Callable[[], float] = time.time) -> None:
        """Tell nobody yet; ``readable`` says that the lines of requests are for people rather than machines."""
        self.in_progress = 0
        self.requests: LogWriter | None = None
        self.decisions: LogWriter | None = None
        self._readable = readable
        self._wall = wall

    def answered(  # noqa: PLR0913, PLR0917 -- what a line says
        self, request: Request, caller: str | None, method: str, route: str, status: int, seconds: float
    ) -> None:
        """Tell that a request was answered: its route, such as ``/v1/users/{user_id}/roles``, and never its path."""
        metrics.answered(method, route, status, seconds)
        decision = request.decision
        lines = self.requests if decision is None else self.decisions
        if lines is None:
            return
        at, ms, told = stamp(self._wall()), round(seconds * 1000, 3), decision or msgspec.UNSET
        line = _Line(at, "info", _EVENT, request.id, request.trace, caller, method, route, status, ms, told)
        lines.put(_readable(line) if self._readable and decision is None else as_line(line))


class _Line(msgspec.Struct, gc=False):
    """A line, in the order in which it is written."""

    time: str
    level: str
    event: str
    request_id: str
    trace_id: str
    caller: str | None
    method: str
    route: str
    status: int
    ms: float
    decision: object


def _readable(line: _Line) -> bytes:
    told = f"{line.time[11:19]} {line.method} {line.route} {line.status} {line.ms} ms"
    names = f"event={line.event} caller={line.caller} request_id={line.request_id} trace_id={line.trace_id}"
    return f"{told}  {names}\n".encode()
