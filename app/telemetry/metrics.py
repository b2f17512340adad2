"""Metrics for Prometheus, all of them in one place; none has a label for a user, a district or a caller.

They belong to the process. With several workers each keeps its own in files of one folder, and whichever is asked tells
the sum (prometheus.github.io/client_python/multiprocess).
"""

import os
import re
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.gc_collector import GCCollector
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.process_collector import ProcessCollector

MEDIA_TYPE = CONTENT_TYPE_LATEST

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder of several workers; the library reads it when it is imported."""

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

_OF_PROCESS = re.compile(r"gauge_live[a-z]*_([0-9]+)\.db")

REGISTRY = CollectorRegistry()

# When a series began is told by a series of its own, which doubles them and which nobody reads.
disable_created_metrics()  # type: ignore[no-untyped-call]

REQUESTS = Counter("rosterguard_requests", "Requests answered.", ["method", "route", "status"], registry=REGISTRY)
REQUEST_SECONDS = Histogram(
    "rosterguard_request_duration_seconds",
    "How long requests took to be answered.",
    ["route"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 6, 60),
    registry=REGISTRY,
)
REQUESTS_IN_PROGRESS = Gauge(
    "rosterguard_requests_in_progress",
    "Requests that are being answered.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
DECISIONS = Counter("rosterguard_decisions", "Decisions of the standard API, by reason.", ["reason"], registry=REGISTRY)
LOOKUPS = Counter(
    "rosterguard_cache_lookups",
    "What the cache had when it was asked: hit, miss, stale (an older reading answered), gone (known not to be).",
    ["cache", "outcome"],
    registry=REGISTRY,
)
SHARED_LOOKUPS = Counter(
    "rosterguard_shared_lookups",
    "What Redis had: hit, miss, refused (forged or garbled), error (or too late), skipped (it was not asked).",
    ["outcome"],
    registry=REGISTRY,
)
SHARED_DROPPED = Counter(
    "rosterguard_shared_dropped",
    "What was not told to Redis, since it was not there, did not take it, or too much waited.",
    registry=REGISTRY,
)
CACHED = Gauge(
    "rosterguard_cache_entries", "Readings in the cache.", ["cache"], multiprocess_mode="livesum", registry=REGISTRY
)
READINGS_IN_PROGRESS = Gauge(
    "rosterguard_readings_in_progress",
    "Readings from Clever under way, each of up to three requests.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
READINGS_WAITING = Gauge(
    "rosterguard_readings_waiting",
    "Single readings that wait for their turn.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
CLEVER_REQUESTS = Counter(
    "rosterguard_clever_requests",
    "Requests to Clever, by what they ask for and how they end.",
    ["endpoint", "outcome"],
    registry=REGISTRY,
)
CLEVER_SECONDS = Histogram(
    "rosterguard_clever_request_duration_seconds",
    "How long requests to Clever took.",
    ["endpoint"],
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
CLEVER_RETRIES = Counter("rosterguard_clever_retries", "Requests to Clever that were tried again.", registry=REGISTRY)
CLEVER_IN_PROGRESS = Gauge(
    "rosterguard_clever_requests_in_progress",
    "Requests to Clever under way, each on a connection of its own.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
CONNECTION_SECONDS = Histogram(
    "rosterguard_clever_connection_wait_seconds",
    "How long requests to Clever waited for a connection, of those that had to.",
    buckets=(0.01, 0.1, 0.5, 1, 2),
    registry=REGISTRY,
)
CLEVER_WITHHELD = Counter(
    "rosterguard_clever_withheld",
    "Requests and readings that were not sent to Clever, by why: barred, rate_limited, caller_limited, busy, "
    "no_connection.",
    ["reason"],
    registry=REGISTRY,
)
CLEVER_BUDGET = Gauge(
    "rosterguard_clever_budget_left_ratio",
    "What is left of Clever's requests a minute, from 0 to 1, of the token that has least left.",
    multiprocess_mode="livemin",
    registry=REGISTRY,
)
CLEVER_BREAKERS = Gauge(
    "rosterguard_clever_breakers_open",
    "Tokens with which Clever is not asked for a moment, since it failed several times in a row.",
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
CLEVER_BREAKER_OPENED = Counter(
    "rosterguard_clever_breaker_opened", "How often Clever began not to be asked for a moment.", registry=REGISTRY
)
CLEVER_ODDITIES = Counter(
    "rosterguard_clever_oddities", "Data from Clever that grants nothing, by kind.", ["kind"], registry=REGISTRY
)
POLICY = Gauge(
    "rosterguard_policy_info",
    "In how many processes a revision of the policy is in force.",
    ["revision"],
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
POLICY_FIT = Gauge(
    "rosterguard_policy_fit",
    "Whether the policy file can be used as it is, 1 or 0.",
    multiprocess_mode="livemin",
    registry=REGISTRY,
)
READY = Gauge(
    "rosterguard_ready",
    "Whether the service is fit to take traffic, 1 or 0.",
    multiprocess_mode="livemin",
    registry=REGISTRY,
)
LINES_DROPPED = Counter(
    "rosterguard_log_lines_dropped",
    "Lines that were not written, since too many waited or they could not be.",
    ["log"],
    registry=REGISTRY,
)

if FOLDER not in os.environ:
    ProcessCollector(registry=REGISTRY)
    GCCollector(registry=REGISTRY)


@dataclass(frozen=True, slots=True)
class Measures:
    """What is measured now and then, rather than told when it changes."""

    requests_in_progress: int
    readings_in_progress: int
    readings_waiting: int
    clever_in_progress: int
    cached: Mapping[str, int]
    budget_left: float
    breakers_open: int
    policy_revision: str | None
    policy_fit: bool
    ready: bool


def answered(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request that was answered; it is told within a second."""
    requests, durations = _of_request(method, route, status // 100)
    _durations.append((durations, seconds))
    _count(requests, 1)


_durations: deque[tuple[Histogram, float]] = deque()
_counts: deque[tuple[Counter, int]] = deque()
_TOGETHER = 512
"""What is counted at once, where so much comes before the time is over: one by one each would cost several times it."""


def _count(counter: Counter, times: int) -> None:
    _counts.append((counter, times))
    if len(_counts) >= _TOGETHER:
        settle()


def settle() -> None:
    """Count what came about since it was last done: requests, decisions, and what the cache had for them."""
    # Another thread may be at it as well, as where several services share a process.
    with suppress(IndexError):
        while True:
            durations, seconds = _durations.popleft()
            durations.observe(seconds)
    counted: dict[Counter, int] = {}
    with suppress(IndexError):
        while True:
            each, times = _counts.popleft()
            counted[each] = counted.get(each, 0) + times
    for each, times in counted.items():
        each.inc(times)


@cache
def _of_request(method: str, route: str, kind: int) -> tuple[Counter, Histogram]:
    known = method if method in METHODS else "other"
    return REQUESTS.labels(known, route, f"{kind}xx"), REQUEST_SECONDS.labels(route)


@cache
def counter(of: Counter, *labels: str) -> Counter:
    """Return the counter with these labels; finding it anew each time would cost more than counting."""
    return of.labels(*labels)


def looked_up(cached: str, outcome: str, times: int = 1) -> None:
    """Count what the cache had; it is told within a second."""
    _count(counter(LOOKUPS, cached, outcome), times)


def shared_looked_up(outcome: str) -> None:
    """Count what Redis had."""
    counter(SHARED_LOOKUPS, outcome).inc()


def decided(reason: str, times: int = 1) -> None:
    """Count decisions that were made for the same reason; they are told within a second."""
    _count(counter(DECISIONS, reason), times)


def clever_asked(endpoint: str, outcome: str, seconds: float) -> None:
    """Count a request to Clever, and how long it took."""
    counter(CLEVER_REQUESTS, endpoint, outcome).inc()
    CLEVER_SECONDS.labels(endpoint).observe(seconds)


def withheld(reason: str) -> None:
    """Count a request or reading that was not sent to Clever."""
    counter(CLEVER_WITHHELD, reason).inc()


def measured(measures: Measures) -> None:
    """Take in what was measured."""
    settle()
    REQUESTS_IN_PROGRESS.set(measures.requests_in_progress)
    READINGS_IN_PROGRESS.set(measures.readings_in_progress)
    READINGS_WAITING.set(measures.readings_waiting)
    CLEVER_IN_PROGRESS.set(measures.clever_in_progress)
    for cached, entries in measures.cached.items():
        CACHED.labels(cached).set(entries)
    CLEVER_BUDGET.set(measures.budget_left)
    CLEVER_BREAKERS.set(measures.breakers_open)
    POLICY_FIT.set(measures.policy_fit)
    READY.set(measures.ready)
    _tell_revision(measures.policy_revision)


def exposition() -> bytes:
    """Return the metrics of all processes as Prometheus reads them; it reads files where there are several."""
    folder = os.environ.get(FOLDER)
    if folder is None:
        return generate_latest(REGISTRY)
    for process in _processes(Path(folder)):
        if not _is_alive(process):
            mark_process_dead(process, folder)  # type: ignore[no-untyped-call]
    of_all = CollectorRegistry()
    MultiProcessCollector(of_all, folder)  # type: ignore[no-untyped-call]
    return generate_latest(of_all)


def _processes(folder: Path) -> set[int]:
    return {int(found[1]) for file in folder.iterdir() if (found := _OF_PROCESS.fullmatch(file.name))}


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


_told: set[str] = set()


def _tell_revision(revision: str | None) -> None:
    # What was once told cannot be taken back where there are several processes, so it is told to be no more.
    if revision is not None:
        _told.add(revision)
    for each in _told:
        POLICY.labels(each).set(each == revision)


Measure = Callable[[], Measures]
"""Measures now."""
