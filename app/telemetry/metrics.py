"""All metrics for Prometheus; none has a label for a user, a district or a caller.

They belong to the process. With several workers each keeps its own in files of one folder, and whichever worker is
asked answers with the sum (prometheus.github.io/client_python/multiprocess).
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
"""The environment variable that names this folder; the library reads it when it is imported."""

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

_OF_PROCESS = re.compile(r"gauge_live[a-z]*_([0-9]+)\.db")

REGISTRY = CollectorRegistry()

# Each series would have another for when it began, which nobody reads.
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
    "Lookups in the cache: hit, miss, stale (an older snapshot answered), gone (known not to exist).",
    ["cache", "outcome"],
    registry=REGISTRY,
)
SHARED_LOOKUPS = Counter(
    "rosterguard_shared_lookups",
    "Lookups in Redis: hit, miss, refused (forged or garbled), error (or too late), skipped (it was not asked).",
    ["outcome"],
    registry=REGISTRY,
)
SHARED_DROPPED = Counter(
    "rosterguard_shared_dropped",
    "Values not written to Redis, since it could not be reached, did not take them, or too many were queued.",
    registry=REGISTRY,
)
CACHED = Gauge(
    "rosterguard_cache_entries", "Snapshots in the cache.", ["cache"], multiprocess_mode="livesum", registry=REGISTRY
)
READINGS_IN_PROGRESS = Gauge(
    "rosterguard_readings_in_progress",
    "Fetches from Clever in progress, each of up to three requests.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
READINGS_WAITING = Gauge(
    "rosterguard_readings_waiting",
    "Fetches for one user that wait for a slot.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
CLEVER_REQUESTS = Counter(
    "rosterguard_clever_requests",
    "Requests to Clever, by endpoint and outcome.",
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
CLEVER_RETRIES = Counter("rosterguard_clever_retries", "Retries of requests to Clever.", registry=REGISTRY)
CLEVER_IN_PROGRESS = Gauge(
    "rosterguard_clever_requests_in_progress",
    "Requests to Clever in progress, each on a connection of its own.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
CONNECTION_SECONDS = Histogram(
    "rosterguard_clever_connection_wait_seconds",
    "How long requests to Clever waited for a connection, if they had to.",
    buckets=(0.01, 0.1, 0.5, 1, 2),
    registry=REGISTRY,
)
CLEVER_WITHHELD = Counter(
    "rosterguard_clever_withheld",
    "Requests and fetches that were not sent to Clever, by reason: barred (the circuit is open), rate_limited, "
    "caller_limited, busy, no_connection.",
    ["reason"],
    registry=REGISTRY,
)
CLEVER_BUDGET = Gauge(
    "rosterguard_clever_budget_left_ratio",
    "Which part of Clever's requests a minute is left, from 0 to 1, for the token that has the least.",
    multiprocess_mode="livemin",
    registry=REGISTRY,
)
CLEVER_BREAKERS = Gauge(
    "rosterguard_clever_breakers_open",
    "Tokens whose circuit breaker is open, since Clever failed several times in a row.",
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
CLEVER_BREAKER_OPENED = Counter(
    "rosterguard_clever_breaker_opened", "How often a circuit breaker opened.", registry=REGISTRY
)
CLEVER_ODDITIES = Counter(
    "rosterguard_clever_oddities", "Data from Clever that grants nothing, by kind.", ["kind"], registry=REGISTRY
)
EVENTS = Counter(
    "rosterguard_clever_events",
    "Events of followed districts, by outcome: applied, skipped (nothing depends on it), unknown (of an unknown type); "
    "holes, foreign, late (the record was read again instead); unclear, disordered, repeated.",
    ["outcome"],
    registry=REGISTRY,
)
LOADED_AGAIN = Counter(
    "rosterguard_district_loaded_again",
    "How often a district was loaded again, by reason: daily, silent (no event for an hour), unknown (some "
    "event was of an unknown type), no_events (Clever has none); lost, gap, unclear, flawed, forbidden (it could "
    "not be followed any more).",
    ["reason"],
    registry=REGISTRY,
)
DISTRICT_LAG = Gauge(
    "rosterguard_district_lag_seconds",
    "How old what is known of a loaded district is, of the one for which it is oldest; 0 if none is loaded.",
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
FRESH = Gauge(
    "rosterguard_fresh_seconds",
    "For how long data from Clever is used without being read again: a setting.",
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
LOAD_PAGES = Counter("rosterguard_load_pages", "Pages of whole districts, by kind.", ["kind"], registry=REGISTRY)
LOAD_RECORDS = Counter(
    "rosterguard_load_records", "Records on pages of whole districts, by kind.", ["kind"], registry=REGISTRY
)
LOAD_FAILURES = Counter(
    "rosterguard_load_failures",
    "Pages of whole districts that could not be read and were tried again, by outcome.",
    ["outcome"],
    registry=REGISTRY,
)
LOAD_RESTARTS = Counter(
    "rosterguard_load_restarts",
    "Lists of whole districts that repeated or skipped records, or changed, and were begun again.",
    ["kind"],
    registry=REGISTRY,
)
LOAD_SECONDS = Histogram(
    "rosterguard_load_duration_seconds",
    "How long loads of whole districts took, by outcome: loaded, failed.",
    ["outcome"],
    buckets=(1, 2.5, 5, 10, 30, 60, 300, 1800),
    registry=REGISTRY,
)
DISTRICTS = Gauge(
    "rosterguard_districts_loaded",
    "Whole districts from which a process answers.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
DISTRICT_STATES = Gauge(
    "rosterguard_districts",
    "Connected districts by their state at Clever: running, pending (an error that the district can fix), error (one "
    "that Clever can fix), paused (last year's data), other, unread (not needed so far).",
    ["state"],
    multiprocess_mode="livemax",
    registry=REGISTRY,
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
    "Whether the service is ready to take traffic, 1 or 0.",
    multiprocess_mode="livemin",
    registry=REGISTRY,
)
LINES_DROPPED = Counter(
    "rosterguard_log_lines_dropped",
    "Log lines that were not written, since too many waited or writing failed.",
    ["log"],
    registry=REGISTRY,
)

if FOLDER not in os.environ:
    ProcessCollector(registry=REGISTRY)
    GCCollector(registry=REGISTRY)


@dataclass(frozen=True, slots=True)
class Measures:
    """The gauges that are measured regularly."""

    requests_in_progress: int
    readings_in_progress: int
    readings_waiting: int
    clever_in_progress: int
    cached: Mapping[str, int]
    budget_left: float
    breakers_open: int
    policy_revision: str | None
    district_lag: float
    fresh_seconds: float
    districts: Mapping[str, int]
    policy_fit: bool
    ready: bool
    districts_loaded: int


def record_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request that was answered; it shows within a second."""
    requests, durations = _of_request(method, route, status // 100)
    _count(requests, 1, durations, seconds)


_counts: deque[tuple[Counter, int, Histogram | None, float]] = deque()
_TOGETHER = 512
"""So much is counted together, without waiting for the time to be over; one by one would cost several times as much."""


def _count(counter: Counter, times: int, durations: Histogram | None = None, seconds: float = 0) -> None:
    _counts.append((counter, times, durations, seconds))
    if len(_counts) >= _TOGETHER:
        flush()


def flush() -> None:
    """Count what happened since the last time: requests, decisions, and lookups in the cache."""
    counted: dict[Counter, int] = {}
    # Another thread may do the same, if several services share a process.
    with suppress(IndexError):
        while True:
            each, times, durations, seconds = _counts.popleft()
            counted[each] = counted.get(each, 0) + times
            if durations is not None:
                durations.observe(seconds)
    for each, times in counted.items():
        each.inc(times)


@cache
def _of_request(method: str, route: str, kind: int) -> tuple[Counter, Histogram]:
    known = method if method in METHODS else "other"
    return REQUESTS.labels(known, route, f"{kind}xx"), REQUEST_SECONDS.labels(route)


@cache
def counter(of: Counter, *labels: str) -> Counter:
    """Return the counter with these labels, kept, since looking it up costs more than counting."""
    return of.labels(*labels)


def record_cache_lookup(cached: str, outcome: str, times: int = 1) -> None:
    """Count lookups in the cache; they show within a second."""
    _count(counter(LOOKUPS, cached, outcome), times)


def record_shared_lookup(outcome: str) -> None:
    """Count a lookup in Redis."""
    counter(SHARED_LOOKUPS, outcome).inc()


def record_decisions(reason: str, times: int = 1) -> None:
    """Count decisions with the same reason; they show within a second."""
    _count(counter(DECISIONS, reason), times)


def record_clever_request(endpoint: str, outcome: str, seconds: float) -> None:
    """Count a request to Clever, and how long it took."""
    counter(CLEVER_REQUESTS, endpoint, outcome).inc()
    CLEVER_SECONDS.labels(endpoint).observe(seconds)


def record_loaded_page(kind: str, records: int) -> None:
    """Count a page of a whole district."""
    counter(LOAD_PAGES, kind).inc()
    counter(LOAD_RECORDS, kind).inc(records)


def record_load(outcome: str, seconds: float) -> None:
    """Count the load of a whole district, and how long it took."""
    LOAD_SECONDS.labels(outcome).observe(seconds)


def record_withheld(reason: str) -> None:
    """Count a request or fetch that was not sent to Clever."""
    counter(CLEVER_WITHHELD, reason).inc()


USUAL_EVENTS = frozenset({"applied", "skipped"})


def record_events(outcome: str, times: int) -> None:
    """Count events of a district that is followed."""
    counter(EVENTS, outcome).inc(times)


def record_load_again(reason: str) -> None:
    """Count that a district is loaded again."""
    counter(LOADED_AGAIN, reason).inc()


def set_gauges(measures: Measures) -> None:
    """Set the gauges."""
    flush()
    REQUESTS_IN_PROGRESS.set(measures.requests_in_progress)
    READINGS_IN_PROGRESS.set(measures.readings_in_progress)
    READINGS_WAITING.set(measures.readings_waiting)
    CLEVER_IN_PROGRESS.set(measures.clever_in_progress)
    for cached, entries in measures.cached.items():
        CACHED.labels(cached).set(entries)
    CLEVER_BUDGET.set(measures.budget_left)
    CLEVER_BREAKERS.set(measures.breakers_open)
    DISTRICT_LAG.set(measures.district_lag)
    FRESH.set(measures.fresh_seconds)
    for state, districts in measures.districts.items():
        DISTRICT_STATES.labels(state).set(districts)
    POLICY_FIT.set(measures.policy_fit)
    READY.set(measures.ready)
    DISTRICTS.set(measures.districts_loaded)
    _set_revision(measures.policy_revision)


def exposition() -> bytes:
    """Return the metrics of all processes in the format of Prometheus; with several it reads their files."""
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


_revisions: set[str] = set()


def _set_revision(revision: str | None) -> None:
    # With several processes a series cannot be removed, so the one of an old revision is set to 0.
    if revision is not None:
        _revisions.add(revision)
    for each in _revisions:
        POLICY.labels(each).set(each == revision)


Measure = Callable[[], Measures]
"""Measures the gauges now."""
