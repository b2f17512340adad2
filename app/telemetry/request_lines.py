"""A line for each request: method, route, status and how long it took; with what was decided, where that is told."""

import time
from collections.abc import Callable
from functools import partial

import orjson

from app.telemetry import metrics
from app.telemetry.decisions import AS_LINE, stamp
from app.telemetry.lines import Lines
from app.telemetry.requests import Request


class RequestLines:
    """Tells each request once: those whose decision is told in the log of decisions, all others in that of requests.

    Attributes:
        in_progress: how many requests are being answered.
        requests: where requests are told, None for nowhere.
        decisions: where they are told together with what was decided for them; likewise.
    """

    def __init__(self, *, readable: bool = False, wall: Callable[[], float] = time.time) -> None:
        """Tell nobody yet; ``readable`` says that the lines of requests are for people rather than machines."""
        self.in_progress = 0
        self.requests: Lines | None = None
        self.decisions: Lines | None = None
        self._encoded = _readable if readable else _as_json
        self._wall = wall

    def answered(  # noqa: PLR0913, PLR0917 -- what a line says
        self, request: Request, caller: str | None, method: str, route: str, status: int, seconds: float
    ) -> None:
        """Tell that a request was answered: its route, such as ``/v1/users/{user_id}/roles``, and never its path."""
        metrics.answered(method, route, status, seconds)
        lines = self.requests if request.decision is None else self.decisions
        if lines is not None:
            encoded = self._encoded if request.decision is None else _as_json
            told = request, caller, method, route, status, seconds
            lines.put(partial(_line, encoded, self._wall(), *told))


def _line(  # noqa: PLR0913, PLR0917 -- what a line says
    encoded: Callable[[dict[str, object]], bytes],
    at: float,
    request: Request,
    caller: str | None,
    method: str,
    route: str,
    status: int,
    seconds: float,
) -> bytes:
    line: dict[str, object] = {
        "time": stamp(at),
        "level": "info",
        "event": "request",
        "request_id": request.id,
        "trace_id": request.trace,
        "caller": caller,
        "method": method,
        "route": route,
        "status": status,
        "ms": round(seconds * 1000, 3),
    }
    if request.decision is not None:
        line["decision"] = request.decision()
    return encoded(line)


def _as_json(line: dict[str, object]) -> bytes:
    return orjson.dumps(line, option=AS_LINE)


def _readable(line: dict[str, object]) -> bytes:
    told = f"{str(line['time'])[11:19]} {line['method']} {line['route']} {line['status']} {line['ms']} ms"
    names = f"caller={line['caller']} request_id={line['request_id']} trace_id={line['trace_id']}"
    return f"{told}  {names}\n".encode()
