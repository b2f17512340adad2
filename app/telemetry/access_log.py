"""The access log: a line for each request, with the decision if it goes to the decision log."""

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
    """Writes each request once: to the decision log if its one decision is logged there, else to the request log.

    Attributes:
        in_progress: how many requests are being answered.
        requests: the request log, None for none.
        decisions: the decision log, likewise.
    """

    def __init__(self, *, readable: bool = False, wall: Callable[[], float] = time.time) -> None:
        """Write nowhere yet; lines of requests are for people if ``readable``, else JSON."""
        self.in_progress = 0
        self.requests: LogWriter | None = None
        self.decisions: LogWriter | None = None
        self._readable = readable
        self._wall = wall

    def log_request(  # noqa: PLR0913, PLR0917 -- what a line says
        self, request: Request, method: str, route: str, status: int, seconds: float, caller: str | None
    ) -> None:
        """Log and count a request by its route, such as ``/v1/users/{user_id}/roles``, and never by its path."""
        metrics.record_request(method, route, status, seconds)
        decision = request.decision
        lines = self.requests if decision is None else self.decisions
        if lines is None:
            return
        at, ms, decided = stamp(self._wall()), round(seconds * 1_000_000) / 1000, decision or msgspec.UNSET
        line = _Line(at, "info", _EVENT, request.id, request.trace, caller, method, route, status, ms, decided)
        lines.put(_readable(line) if self._readable and decision is None else as_line(line))


class _Line(msgspec.Struct, gc=False):
    """A line; its fields are written in this order."""

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
    summary = f"{line.time[11:19]} {line.method} {line.route} {line.status} {line.ms} ms"
    names = f"event={line.event} caller={line.caller} request_id={line.request_id} trace_id={line.trace_id}"
    return f"{summary}  {names}\n".encode()
