"""What is told of each request to Clever: which part of it was asked, what came of it, and how long it took."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from app.clever.endpoints import endpoint_of
from app.domain.errors import CleverError, CleverRecordMissing
from app.telemetry import metrics, tracing


@contextmanager
def told(url: httpx.URL | str) -> Iterator[None]:
    """Count and trace the request to ``url`` that the block makes, by its part of Clever and how it ends."""
    endpoint, outcome, began = endpoint_of(url), "ok", time.perf_counter()
    with tracing.tracer().asking(f"clever {endpoint}") as span:
        try:
            yield
        except CleverError as error:
            outcome = "missing" if isinstance(error, CleverRecordMissing) else error.word
            span.failed(outcome)
            raise
        except asyncio.CancelledError:
            outcome = "broken_off"
            raise
        finally:
            span.says("outcome", outcome)
            metrics.clever_asked(endpoint, outcome, time.perf_counter() - began)
