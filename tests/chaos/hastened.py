"""The service and the sandbox as processes for which time passes faster.

Fresh time, stale time, pauses and rate windows pass as many times as fast; deadlines and back-off stay as they are. All
processes of a run read the same clock, which the system has in common for them.
"""

import ctypes
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.http_limits import Connection
from app.cli.server import listening, url_of
from app.main import create_app
from app.sandbox.server import create_sandbox
from app.sandbox.world import generate
from app.settings import read_settings
from tests.conftest import CLEAN, TOKEN

HOUSE = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class FastClock:
    """Unix seconds that go forward ``speed`` times as fast as they do, from ``start`` on."""

    speed: float = 1.0
    start: float = 0.0
    origin: float = 0.0

    @classmethod
    def of(cls, speed: float) -> "FastClock":
        """Start a clock now."""
        return cls(speed, time.time(), time.monotonic())

    def __call__(self) -> float:
        return self.at(time.monotonic())

    def at(self, moment: float) -> float:
        """Return what the clock says at a moment of ``time.monotonic()``."""
        return self.start + (moment - self.origin) * self.speed

    def arguments(self) -> list[str]:
        """Return what another process needs to make the same clock."""
        return [repr(self.speed), repr(self.start), repr(self.origin)]


class Dated:
    """Dates answers by the clock of the run, as a Clever that lives in its time would."""

    def __init__(self, app: ASGIApp, clock: FastClock) -> None:
        self.app, self.clock = app, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"date", formatdate(self.clock(), usegmt=True).encode())]
            await send(message)

        await self.app(scope, receive, dated if scope["type"] == "http" else send)


@dataclass(frozen=True)
class Running:
    """A process that serves, where, and the file that it logs to."""

    url: str
    process: "subprocess.Popen[str]"
    log: Path

    def resident_mb(self) -> float:
        """Return how much memory it has, in MB; 0 where it is gone."""
        try:
            told = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        except OSError:
            return 0.0
        lines = [line for line in told.splitlines() if line.startswith("VmRSS:")]
        return int(lines[0].split()[1]) / 1024 if lines else 0.0

    def cpu_seconds(self) -> float:
        """Return how much processor time it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def complaints(self) -> list[str]:
        """Return the lines of its log that nobody foresaw."""
        words = ("Traceback", "Error", "never retrieved", "never awaited", "exception", "CRITICAL", "Warning")
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if any(word in line for word in words)]


@contextmanager
def running(part: str, clock: FastClock, *arguments: str, **environment: str) -> Iterator[Running]:
    """Run ``service`` or ``sandbox`` by the clock."""
    command = [sys.executable, "-m", "tests.chaos.hastened", part, *clock.arguments(), *arguments]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with (
            log.open("w") as told,
            subprocess.Popen(
                command, cwd=HOUSE, env=CLEAN | environment, stdout=subprocess.PIPE, stderr=told, text=True
            ) as process,
        ):
            assert process.stdout is not None
            try:
                yield Running(process.stdout.readline().rpartition(" ")[2].strip(), process, log)
            finally:
                process.terminate()
                _ended(process)


def _ended(process: "subprocess.Popen[str]") -> None:
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()


def _serve(app: ASGIApp, **given: Any) -> None:
    with listening("127.0.0.1", 0) as listener:
        print(f"on {url_of(listener)}", flush=True)
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1, **given)
        uvicorn.Server(config).run([listener])


def _give_back() -> None:
    """Return freed memory to the system again and again, so that what a process has is what it needs.

    The C library keeps what large answers took, here and there, for as long as it likes; a leak would hide behind that.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    while trim is not None:
        trim(0)
        time.sleep(0.5)


def main(part: str, *said: str) -> None:
    """Serve until terminated."""
    clock = FastClock(*map(float, said[:3]))
    if part == "service":
        threading.Thread(target=_give_back, daemon=True).start()
        _serve(create_app(read_settings(), clock=clock, wall=clock), http=Connection, server_header=False)
        return
    world = generate(schools=int(said[4]), teachers=int(said[5]), students=int(said[6]))
    sandbox = create_sandbox(world, token=TOKEN, rate_limit=int(said[3]), clock=clock)
    protocol = getattr(sandbox.state, "protocol", "auto")
    _serve(Dated(sandbox, clock), http=protocol, date_header=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
