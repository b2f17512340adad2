"""Spans of OpenTelemetry; imported only if traces are switched on."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from app.telemetry.current_request import Parent, Request


class _Recorded:
    def __init__(self, span: trace.Span, method: str = "") -> None:
        self._span = span
        self._method = method
        self.is_told = True
        if method:
            span.set_attribute("http.request.method", method)

    def set_attribute(self, key: str, value: str | int) -> None:
        self._span.set_attribute(key, value)
        if key == "http.route":
            self._span.update_name(f"{self._method} {value}")

    def forget(self) -> None:
        self.is_told = False

    def set_error(self, kind: str) -> None:
        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR))


class Spans:
    """Makes spans, each a child of the one around it."""

    def __init__(self, tracer: trace.Tracer) -> None:
        """Take the library's tracer."""
        self._tracer = tracer

    @contextmanager
    def server_span(self, request: Request, method: str) -> Iterator[_Recorded]:
        """Make the span of a request, and give the request the trace of the span."""
        around = Context() if request.parent is None else _around(request.parent)
        with self._span(method, SpanKind.SERVER, around, ends=False) as span:
            request.trace = trace.format_trace_id(span.get_span_context().trace_id)
            recorded = _Recorded(span, method)
            try:
                yield recorded
            finally:
                # One that never ends is sent to nobody.
                if recorded.is_told:
                    span.end()

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
    def _span(
        self, name: str, kind: SpanKind, around: Context | None = None, *, ends: bool = True
    ) -> Iterator[trace.Span]:
        with self._tracer.start_as_current_span(
            name, around, kind, record_exception=False, set_status_on_exception=False, end_on_exit=ends
        ) as span:
            yield span


def _around(parent: Parent) -> Context:
    flags = TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT)
    remote = SpanContext(int(parent.trace, 16), int(parent.span, 16), is_remote=True, trace_flags=flags)
    return trace.set_span_in_context(NonRecordingSpan(remote), Context())
