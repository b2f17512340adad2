"""Traces by OpenTelemetry; until they are switched on, its SDK is not imported, and they cost next to nothing.

Spans show routes, endpoints of Clever and outcomes; never a path, an id or the text of an exception. The caller's trace
context is read, and nothing of it is sent to Clever, which is a third party.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from threading import Thread
from typing import TYPE_CHECKING, Protocol

from app.telemetry.current_request import Request

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

PARTING_SECONDS = 1.0
"""How long the end of the process waits for the last spans to be sent; OpenTelemetry would wait half a minute."""

_EXPORTER = "opentelemetry.exporter.otlp.proto.http"
_NEEDED = ("opentelemetry", "opentelemetry.sdk", "opentelemetry.exporter", _EXPORTER)


class Span(Protocol):
    """A span: a piece of work that is timed."""

    def set_attribute(self, key: str, value: str | int) -> None:
        """Set an attribute, in fixed words."""

    def set_error(self, kind: str) -> None:
        """Mark it as failed, with the kind of error."""


class Tracer(Protocol):
    """Makes spans of the work that is done for requests."""

    def server_span(self, request: Request, method: str) -> AbstractContextManager[Span]:
        """Make the span of a request, in the caller's trace or in a new one."""

    def record_server_span(self, request: Request, method: str, route: str, status: int, seconds: float) -> None:
        """Record the span of the current request, without child spans, which ends now and took ``seconds``."""

    def internal_span(self, name: str) -> AbstractContextManager[Span]:
        """Make the span of a part of the current request."""

    def client_span(self, name: str) -> AbstractContextManager[Span]:
        """Make the span of a request to another service."""


class _Nobody:
    def set_attribute(self, key: str, value: str | int) -> None:
        """Ignore it."""

    def set_error(self, kind: str) -> None:
        """Ignore it."""


class _Off:
    """Makes no spans."""

    def __init__(self) -> None:
        self._nothing: AbstractContextManager[Span] = nullcontext(_Nobody())

    def server_span(self, request: Request, method: str) -> AbstractContextManager[Span]:  # noqa: ARG002 -- the protocol's
        return self._nothing

    def record_server_span(self, request: Request, method: str, route: str, status: int, seconds: float) -> None:
        """Ignore it."""

    def internal_span(self, name: str) -> AbstractContextManager[Span]:  # noqa: ARG002 -- the protocol's
        return self._nothing

    def client_span(self, name: str) -> AbstractContextManager[Span]:  # noqa: ARG002 -- the protocol's
        return self._nothing


OFF: Tracer = _Off()
"""No traces."""

_tracer: Tracer = OFF


def tracer() -> Tracer:
    """Return the tracer of the process."""
    return _tracer


def is_installed() -> bool:
    """Tell whether the extra `otel` is installed, which traces need."""
    return all(find_spec(name) is not None for name in _NEEDED)


def otlp_exporter() -> "SpanExporter":
    """Return an exporter to the collector that OpenTelemetry's own environment variables name."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 -- the extra's

    return OTLPSpanExporter()


@contextmanager
def switched_on(
    exporter: Callable[[], "SpanExporter"] = otlp_exporter, within: float = PARTING_SECONDS
) -> Iterator[None]:
    """Trace this process for the block; spans are sent from a thread of their own.

    Spans that are not sent ``within`` seconds of its end are dropped.
    """
    global _tracer  # noqa: PLW0603 -- a process has one
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 -- the extra's
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    from app.telemetry.spans import Spans, TraceIds  # noqa: PLC0415

    resource = Resource.create({"service.name": "rosterguard"})
    provider = TracerProvider(resource=resource, id_generator=TraceIds(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter()))
    _tracer = Spans(provider.get_tracer("rosterguard"), provider.sampler)
    try:
        yield
    finally:
        _tracer = OFF
        parting = Thread(target=provider.shutdown, name="traces-parting", daemon=True)
        parting.start()
        parting.join(within)
