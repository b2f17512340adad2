"""The wiring of logs, metrics and traces from the settings."""

import asyncio
import os
import random
import secrets
import stat
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from app.api.health import is_ready
from app.clever.client import CleverClient
from app.policy_files.reload import ActivePolicy
from app.roster.ports import Clock
from app.services.decision_point import NO_DECISION_LOG, DecisionLog
from app.settings import Settings, SettingsMistakes
from app.telemetry import decision_log, log_writer, logs, metrics, tracing
from app.telemetry.access_log import AccessLog
from app.telemetry.decision_log import DecisionLogWriter, Sampling
from app.telemetry.log_writer import LogWriter, Sink
from app.telemetry.metrics import Measures
from app.watched_file import FileState

MEASURED_SECONDS = 1.0
"""Seconds between two measurements of gauges, in each worker."""

_SECRET_BYTES = 32


class Observability:
    """The logs of one process.

    Attributes:
        access_log: the access log; it writes only while this is open.
    """

    def __init__(self, settings: Settings, *, requests_to: Sink | None, wall: Clock) -> None:
        """Log requests to a sink, None for nowhere; raises ``SettingsMistakes`` if a log cannot be written."""
        _check(settings)
        self.access_log = AccessLog(readable=logs.is_readable(settings.log_format), wall=wall)
        self._settings = settings
        self._requests_to = requests_to
        self._wall = wall

    @asynccontextmanager
    async def open(self) -> AsyncIterator[DecisionLog]:
        """Log and trace for the block, and yield the decision log; at the end, pending lines are written."""
        with ExitStack() as opened:
            if self._settings.otel == "on":
                opened.enter_context(tracing.switched_on())
            if self._requests_to is not None:
                self.access_log.requests = _lines(opened, self._requests_to, "requests")
            decision_log = self._decision_log(opened)
            yield decision_log
            self.access_log.requests = self.access_log.decisions = None

    def _decision_log(self, opened: ExitStack) -> DecisionLog:
        if self._settings.decision_log == "off":
            return NO_DECISION_LOG
        self.access_log.decisions = _lines(opened, _sink(self._settings.decision_log), "decisions")
        sampling = Sampling(
            self._settings.decision_sample, self._settings.decision_denials == "all", random.SystemRandom().random
        )
        return DecisionLogWriter(self.access_log.decisions, sampling, _shown_id(self._settings), self._wall)


@asynccontextmanager
async def measured(
    active_policy: ActivePolicy, client: CleverClient, parts: Mapping[str, Callable[[], str]], access_log: AccessLog
) -> AsyncIterator[Callable[[], None]]:
    """Measure gauges regularly for the block; yields a function that measures now. ``parts`` are those of `/readyz`."""

    def measure() -> None:
        metrics.set_gauges(_measures(active_policy, client, parts, access_log))

    async def keep_measuring() -> None:
        while True:
            measure()
            await asyncio.sleep(MEASURED_SECONDS)

    measuring = asyncio.create_task(keep_measuring())
    try:
        yield measure
    finally:
        measuring.cancel()
        await asyncio.gather(measuring, return_exceptions=True)
        metrics.flush()


def _measures(
    active_policy: ActivePolicy, client: CleverClient, parts: Mapping[str, Callable[[], str]], access_log: AccessLog
) -> Measures:
    pdp, token_states = active_policy.decision_point, client.token_states()
    roster = pdp.roster if pdp else None
    return Measures(
        requests_in_progress=access_log.in_progress,
        readings_in_progress=roster.fetches.read_slots.in_progress if roster else 0,
        readings_waiting=roster.fetches.read_slots.waiting if roster else 0,
        clever_in_progress=client.requests_in_progress(),
        cached=roster.store.sizes() if roster else {},
        budget_left=token_states.budget_left(),
        breakers_open=token_states.breakers_open(),
        district_lag=roster.store.largest_lag() if roster else 0,
        fresh_seconds=roster.fresh_seconds if roster else 0,
        districts=roster.states() if roster else {},
        policy_revision=pdp.policy.revision if pdp else None,
        policy_fit=active_policy.state is FileState.OK,
        districts_loaded=roster.store.districts() if roster else 0,
        ready=is_ready(active_policy, client, parts),
    )


def _check(settings: Settings) -> None:
    if settings.otel == "on" and not tracing.is_installed():
        raise SettingsMistakes(["ROSTERGUARD_OTEL: OpenTelemetry is not installed: install rosterguard[otel]"])
    if settings.decision_log not in {"off", "stdout"} and not _is_usable(Path(settings.decision_log)):
        raise SettingsMistakes(["ROSTERGUARD_DECISION_LOG: the file cannot be read and written to"])


def _is_usable(file: Path) -> bool:
    """Whether a file can be appended to, or created."""
    try:
        return not stat.S_ISDIR(file.stat().st_mode) and os.access(file, os.R_OK | os.W_OK)
    except FileNotFoundError:
        return os.access(file.parent, os.W_OK)
    except OSError:
        return False


def _sink(target: str) -> Sink:
    return log_writer.Stream(log_writer.STDOUT) if target == "stdout" else log_writer.File(Path(target))


def _lines(opened: ExitStack, sink: Sink, log: str) -> LogWriter:
    lines = LogWriter(sink, log)
    opened.callback(lines.close)
    return lines


def _shown_id(settings: Settings) -> decision_log.ShownId:
    if settings.log_ids == "plain":
        return decision_log.plain
    secret = settings.secret.get_secret_value().encode() if settings.secret else secrets.token_bytes(_SECRET_BYTES)
    return decision_log.hashed(secret)
