"""Traces, taken in without a collector; and that nothing of them is there while they are off."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id
from pydantic import SecretStr

from app.main import create_app
from app.settings import Settings, SettingsMistakes
from app.telemetry import tracing
from tests.api.connecting import until
from tests.conftest import Sandbox, Serve

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@contextmanager
def traced(requests: int = 1) -> Iterator[list[ReadableSpan]]:
    """Trace for the block, in which so many requests are traced; the spans are there when it has ended."""
    exporter, spans = InMemorySpanExporter(), list[ReadableSpan]()

    def answered() -> int:
        return sum(span.kind is SpanKind.SERVER for span in exporter.get_finished_spans())

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")  # milliseconds
        with tracing.switched_on(lambda: exporter):
            yield spans
        # Whoever asked has the answer a little before its span ends.
        until(lambda: answered() >= requests)
    spans += exporter.get_finished_spans()


def trace_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return format_trace_id(span.context.trace_id)


def test_a_request_is_traced_through_the_cache_to_clever(serve: Serve, sandbox: Sandbox) -> None:
    client = serve()
    client.get(f"/v1/users/{sandbox.user('co_teacher')}/roles")
    with traced() as spans:
        client.get(f"/v1/users/{sandbox.user('teacher_only')}/permissions")
    kinds = {span.name: span.kind for span in spans}
    assert kinds == {
        "GET /v1/users/{user_id}/permissions": SpanKind.SERVER,
        "cache": SpanKind.INTERNAL,
        "clever user": SpanKind.CLIENT,
        "clever sections": SpanKind.CLIENT,
        "clever schools": SpanKind.CLIENT,
        "clever lookup": SpanKind.CLIENT,
    }
    assert len({trace_of(span) for span in spans}) == 1


def test_a_trace_goes_on_from_the_callers(serve: Serve, sandbox: Sandbox) -> None:
    client = serve()
    # What it asks at its start would be traced, too.
    client.get(f"/v1/users/{sandbox.user('co_teacher')}/roles")
    with traced() as spans:
        client.get("/v1/policy", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    [span] = spans
    assert span.parent is not None
    assert (trace_of(span), format_span_id(span.parent.span_id)) == (TRACE, PARENT)


def test_a_caller_who_does_not_sample_is_followed(serve: Serve, sandbox: Sandbox) -> None:
    client = serve()
    # What it asks at its start would be traced, too.
    client.get(f"/v1/users/{sandbox.user('co_teacher')}/roles")
    with traced(requests=0) as spans:
        client.get("/v1/policy", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    assert spans == []


def test_an_answer_from_memory_is_traced_by_the_id_that_it_has_in_logs(serve: Serve, sandbox: Sandbox) -> None:
    client, path = serve(), f"/v1/users/{sandbox.user('co_teacher')}/permissions"
    client.get(path)
    with traced(requests=2) as spans:
        ours = client.get(path).headers["X-Request-ID"]
        for sampled in ("00", "01"):
            client.get(path, headers={"traceparent": f"00-{TRACE}-{PARENT}-{sampled}"})
    route = "/v1/users/{user_id}/permissions"
    said = {"http.request.method": "GET", "http.route": route, "http.response.status_code": 200}
    assert [(span.name, dict(span.attributes or {})) for span in spans] == [(f"GET {route}", said)] * 2
    assert [trace_of(span) for span in spans] == [ours, TRACE]
    assert all(span.start_time and span.end_time and span.start_time < span.end_time for span in spans)


def test_a_failure_is_logged_by_its_kind_and_without_any_id(serve: Serve, sandbox: Sandbox) -> None:
    client = serve()
    client.get(f"/v1/users/{sandbox.user('co_teacher')}/roles")
    sandbox.app.state.faults.clear()
    with traced() as spans:
        client.get(f"/v1/users/{'f' * 24}/permissions")
    [failed] = [span for span in spans if span.name == "clever user"]
    assert failed.status.status_code is StatusCode.ERROR
    assert dict(failed.attributes or {}) == {"outcome": "missing", "error.type": "missing"}
    assert all("f" * 24 not in span.to_json() and not span.events for span in spans)


class Stalled(SpanExporter):
    """What sends spans to a collector that takes none."""

    def __init__(self) -> None:
        self.let, self.begun, self.ended = threading.Event(), threading.Event(), threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.begun.set()
        self.let.wait()
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self.ended.set()


def test_the_end_does_not_wait_for_a_collector_that_takes_nothing() -> None:
    stalled = Stalled()
    with tracing.switched_on(lambda: stalled, within=0.01), tracing.tracer().internal_span("cache"):
        pass
    stalled.begun.wait()
    assert not stalled.ended.is_set()
    stalled.let.set()
    stalled.ended.wait()


def test_nothing_of_it_is_imported_while_it_is_off() -> None:
    # The interface, without anything behind it, is imported by FastAPI itself.
    program = """
import sys
from pydantic import SecretStr
from app.main import create_app
from app.settings import Settings
create_app(Settings(clever_token=SecretStr("never-sent")), no_auth=True)
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))])
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


def test_where_it_is_not_installed_the_start_ends_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "is_installed", lambda: False)
    with pytest.raises(SettingsMistakes, match=r"install rosterguard\[otel\]"):
        create_app(Settings(clever_token=SecretStr("never-sent"), otel="on"), no_auth=True)
