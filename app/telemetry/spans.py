"""Spans of OpenTelemetry; imported only if traces are switched on."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import Attributes

from app.telemetry.current_request import CURRENT, Parent, Request


class TraceIds(RandomIdGenerator):
    """Gives the trace of a request the id that its log lines have."""

    def generate_trace_id(self) -> int:
        """Return the id of a new trace."""
        request = CURRENT.get()
        return super().generate_trace_id() if request is None else int(request.trace, 16)


class _Recorded:
    def __init__(self, span: trace.Span, method: str = "") -> None:
        self._span = span
        self._method = method
        if method:
            span.set_attribute("http.request.method", method)

    def set_attribute(self, key: str, value: str | int) -> None:
        self._span.set_attribute(key, value)
        if key == "http.route":
            self._span.update_name(f"{self._method} {value}")

    def set_error(self, kind: str) -> None:
        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR))


class Spans:
    """Makes spans, each a child of the one around it."""

    def __init__(self, tracer: trace.Tracer, sampler: Sampler) -> None:
        """Take the library's tracer, and the sampler that it asks."""
        self._tracer = tracer
        self._sampler = sampler

    @contextmanager
    def server_span(self, request: Request, method: str) -> Iterator[_Recorded]:
        """Make the span of a request."""
        with self._span(method, SpanKind.SERVER, _around(request.parent)) as span:
            yield _Recorded(span, method)

    def record_server_span(self, request: Request, method: str, route: str, status: int, seconds: float) -> None:
        """Record the span of the current request, without child spans, which ends now and took ``seconds``."""
        around, name, kind = _around(request.parent), f"{method} {route}", SpanKind.SERVER
        # A span that is not sampled costs three times as much as asking first.
        sampled = self._sampler.should_sample(around, int(request.trace, 16), name, kind)
        if sampled.decision is Decision.DROP:
            return
        said: Attributes = {"http.request.method": method, "http.route": route, "http.response.status_code": status}
        ended = time.time_ns()
        self._tracer.start_span(name, around, kind, said, start_time=ended - int(seconds * 1e9)).end(ended)

    @contextmanager
    def internal_span(self, name: str) -> Iterator[_Recorded]:
        """Make the span of a part of the work."""
        with self._span(name, SpanKind.INTERNAL) as span:
            yield _Recorded(span)

    @contextmanager
    def client_span(self, name: str) -> Iterator[_Recorded]:
        """Make the span of a request to another service."""
        with self._span(name, SpanKind.CLIENT) as span:
            yield _Recorded(span)

    @contextmanager
    def _span(self, name: str, kind: SpanKind, around: Context | None = None) -> Iterator[trace.Span]:
        with self._tracer.start_as_current_span(
            name, around, kind, record_exception=False, set_status_on_exception=False
        ) as span:
            yield span


_ALONE = Context()


def _around(parent: Parent | None) -> Context:
    if parent is None:
        return _ALONE
    flags = TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT)
    remote = SpanContext(int(parent.trace, 16), int(parent.span, 16), is_remote=True, trace_flags=flags)
    return trace.set_span_in_context(NonRecordingSpan(remote), _ALONE)
