"""Processes that serve, each on a processor of its own, and what they are started with."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.bench.cores import ASKING, SERVING, pinned
from tests.conftest import CLEAN, KEY, TOKEN, api_key

HOUSE = Path(__file__).parent.parent.parent
CREDENTIAL = {"Authorization": f"Bearer {KEY}"}
PROXIED = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Real-IP": "203.0.113.7",
    "User-Agent": "python-httpx/0.28.1",
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",
}
"""What a usual client sends and a proxy adds, beside `Host` and an `X-Request-ID` for each request."""

FRESH_SECONDS = "86400"
"""Nothing is read anew while it is measured."""

_STARTS_WITHIN, _ENDS_WITHIN = 20, 15


@dataclass(frozen=True)
class Served:
    """A process that serves, and where."""

    url: str
    pid: int

    def asking(self, **headers: str) -> httpx.Client:
        """Return a client that carries the key."""
        return httpx.Client(base_url=self.url, headers=CREDENTIAL | headers, timeout=60)


TRACING = {
    "ROSTERGUARD_OTEL": "on",
    "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
    "OTEL_TRACES_SAMPLER_ARG": "0.01",
}
"""Traces of one request in a hundred."""


@contextmanager
def collector() -> Iterator[Mapping[str, str]]:
    """Run a server that takes whatever traces it is sent, and yield the settings of a service that sends them there."""
    with tempfile.NamedTemporaryFile() as nothing, serving(module("bare", nothing.name), cores=(ASKING,)) as served:
        yield {**TRACING, "OTEL_EXPORTER_OTLP_ENDPOINT": served.url}


@contextmanager
def serving(
    command: Sequence[str | Path], *, cores: Sequence[int] = (SERVING,), environment: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """Run a command of ours that prints the address it serves on; what it logs goes to a file that is thrown away."""
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            pinned(command, *cores),
            cwd=HOUSE,
            env={**CLEAN, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            url = process.stdout.readline().rpartition(" ")[2].strip()
            if not url:
                log.seek(0)
                raise RuntimeError(f"a server did not start: {log.read().decode()[-2000:]}")
            yield Served(url, process.pid)
        finally:
            ended(process)


def ended(process: "subprocess.Popen[str]") -> None:
    """End a process, in good order where it can."""
    process.terminate()
    try:
        process.wait(timeout=_ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()


def module(name: str, *arguments: object) -> list[str]:
    """Return the command that runs a module of this folder."""
    return [sys.executable, "-m", f"tests.bench.{name}", *map(str, arguments)]


@contextmanager
def sandbox(**options: int) -> Iterator[Served]:
    """Run a Clever without a rate limit, on the processor that asks."""
    said = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "app.cli", "sandbox", "--port", "0", "--rate-limit", "0", *said]
    with serving(command, cores=(ASKING,)) as served:
        yield served


def settings(clever: Served, **given: str) -> dict[str, str]:
    """Return the environment of a service over a sandbox that takes the key of the tests."""
    key = api_key("bench", KEY)
    keys = json.dumps([key.model_dump(mode="json", exclude_none=True)])
    return {
        "ROSTERGUARD_CLEVER_URL": clever.url,
        "ROSTERGUARD_CLEVER_TOKEN": TOKEN,
        "ROSTERGUARD_API_KEYS": keys,
        "ROSTERGUARD_SECRET": "a secret of the measurements",
        "ROSTERGUARD_FRESH_SECONDS": FRESH_SECONDS,
        "ROSTERGUARD_LOG_FORMAT": "json",
    } | given


@contextmanager
def service(environment: Mapping[str, str], *arguments: str, cores: Sequence[int] = (SERVING,)) -> Iterator[Served]:
    """Run `rosterguard serve`, all that it writes going to files; decisions are logged as well."""
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0", *arguments]
    with tempfile.TemporaryDirectory() as folder:
        told = {"ROSTERGUARD_DECISION_LOG": str(Path(folder) / "decisions")}
        with serving(command, cores=cores, environment=told | dict(environment)) as served:
            yield served


def until_ready(served: Served, *, times: int = 1) -> None:
    """Wait until a service has said some ``times``, of which its workers have their share, that it is ready."""
    until = time.monotonic() + _STARTS_WITHIN
    while times:
        with suppress(httpx.TransportError):
            times -= httpx.get(f"{served.url}/readyz").status_code == httpx.codes.OK
        if time.monotonic() > until:
            raise RuntimeError("the service did not become ready")


@contextmanager
def bare_reader(program: str, url: str) -> Iterator[Callable[[Sequence[str]], str]]:
    """Run a bare reader of Clever; yields a function that has it read what is named, and returns what it says of it."""
    with subprocess.Popen(
        pinned(module(program, url), SERVING),
        cwd=HOUSE,
        env=CLEAN,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said, heard = process.stdin, process.stdout
        heard.readline()

        def taken(named: Sequence[str]) -> str:
            said.write(" ".join(named) + "\n")
            said.flush()
            return heard.readline()

        try:
            yield taken
        finally:
            ended(process)
