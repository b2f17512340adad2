"""What can be seen of the service, put together from the settings: its logs, metrics and traces."""

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
from app.services.file_watch import FileState
from app.services.policy_watch import InForce
from app.services.ports import NO_JOURNAL, Clock, Journal
from app.settings import Settings, SettingsMistakes
from app.telemetry import logs, metrics, pseudonyms, sinks, tracing
from app.telemetry.decisions import DecisionLog, Sampling
from app.telemetry.lines import Lines, Sink
from app.telemetry.metrics import Measures
from app.telemetry.request_lines import RequestLines

MEASURED_SECONDS = 1.0
"""How often is measured what nobody tells of when it changes; other workers are asked for theirs."""

_SECRET_BYTES = 32


class Outlook:
    """The logs of one process, and what they are written by.

    Attributes:
        lines: tells requests; of their decisions and to their log only while it is open.
    """

    def __init__(self, settings: Settings, *, requests_to: Sink | None, wall: Clock) -> None:
        """Take where requests are told, None for nowhere; raises ``SettingsMistakes`` for what cannot be done."""
        _check(settings)
        self.lines = RequestLines(readable=logs.is_readable(settings.log_format), wall=wall)
        self._settings = settings
        self._requests_to = requests_to
        self._wall = wall

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Journal]:
        """Tell for the block, and yield where decisions are told; what waits to be written at its end is written."""
        with ExitStack() as opened:
            if self._settings.otel == "on":
                opened.enter_context(tracing.switched_on())
            if self._requests_to is not None:
                self.lines.requests = _lines(opened, self._requests_to, "requests")
            journal = self._journal(opened)
            yield journal
            self.lines.requests = self.lines.decisions = None

    def _journal(self, opened: ExitStack) -> Journal:
        if self._settings.decision_log == "off":
            return NO_JOURNAL
        self.lines.decisions = _lines(opened, _sink(self._settings.decision_log), "decisions")
        sampling = Sampling(
            self._settings.decision_sample, self._settings.decision_denials == "all", random.SystemRandom().random
        )
        return DecisionLog(self.lines.decisions, sampling, _told(self._settings), self._wall)


@asynccontextmanager
async def measured(
    in_force: InForce, client: CleverClient, parts: Mapping[str, Callable[[], str]], lines: RequestLines
) -> AsyncIterator[Callable[[], None]]:
    """Measure now and then for the block, and yield what measures at once; ``parts`` are those of `/readyz`."""

    def measure() -> None:
        metrics.measured(_measures(in_force, client, parts, lines))

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
        metrics.settle()


def _measures(
    in_force: InForce, client: CleverClient, parts: Mapping[str, Callable[[], str]], lines: RequestLines
) -> Measures:
    context, ways = in_force.context, client.lines()
    return Measures(
        requests_in_progress=lines.in_progress,
        readings_in_progress=context.turns.in_progress if context else 0,
        readings_waiting=context.turns.waiting if context else 0,
        clever_in_progress=client.requests_in_progress(),
        cached={"users": len(context.users), "places": len(context.places)} if context else {},
        budget_left=ways.budget_left(),
        breakers_open=ways.breakers_open(),
        policy_revision=context.policy.revision if context else None,
        policy_fit=in_force.state is FileState.OK,
        ready=is_ready(in_force, client, parts),
    )


def _check(settings: Settings) -> None:
    if settings.otel == "on" and not tracing.is_installed():
        raise SettingsMistakes(["ROSTERGUARD_OTEL: traces need what is not installed: install rosterguard[otel]"])
    if settings.decision_log not in {"off", "stdout"} and not _is_usable(Path(settings.decision_log)):
        raise SettingsMistakes(["ROSTERGUARD_DECISION_LOG: the file cannot be read and written to"])


def _is_usable(file: Path) -> bool:
    """Tell whether a file can be gone on with, or begun where it is to be."""
    try:
        return not stat.S_ISDIR(file.stat().st_mode) and os.access(file, os.R_OK | os.W_OK)
    except FileNotFoundError:
        return os.access(file.parent, os.W_OK)
    except OSError:
        return False


def _sink(named: str) -> Sink:
    return sinks.Stream(sinks.STDOUT) if named == "stdout" else sinks.File(Path(named))


def _lines(opened: ExitStack, sink: Sink, log: str) -> Lines:
    lines = Lines(sink, log)
    opened.callback(lines.close)
    return lines


def _told(settings: Settings) -> pseudonyms.Told:
    if settings.log_ids == "plain":
        return pseudonyms.plain
    secret = settings.secret.get_secret_value().encode() if settings.secret else secrets.token_bytes(_SECRET_BYTES)
    return pseudonyms.hashed(secret)
