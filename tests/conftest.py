"""The real parts that tests are made of: the sandbox on a socket, the service on a socket, a clock to move."""

import gc
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import httpx
import pytest
import stamina
from pydantic import SecretStr
from starlette.applications import Starlette

from app.api.fast_connection import FastConnection
from app.api.security_headers import RawHeaders
from app.auth.api_key_file import ApiKey
from app.cli.server import in_background
from app.domain.callers import CallerScope
from app.main import create_app
from app.sandbox.oauth import CLIENT_ID, CLIENT_SECRET
from app.sandbox.server import create_sandbox
from app.sandbox.world import World, generate
from app.settings import PREFIX, Settings
from tests import planted

# Nobody here speaks https but where a test says so, and the certificates of the world take each client 20 ms to read.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = os.devnull

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
"""The environment without settings of whoever runs the tests."""

KEY, TOKEN = planted.KEY, planted.TOKEN


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail the test during which a secret got out; the last report of a test comes after its fixtures have ended."""
    report = yield
    if report.when == "teardown" and (seen := planted.judged(report.sections)):
        report.outcome, report.longrepr = "failed", f"a planted secret got out: {'; '.join(seen)}"
    return report


def pytest_collection_finish() -> None:
    """Have the garbage collector leave alone what stays: it would stop the service for longer than that waits."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


stamina.set_testing(True, attempts=4, cap=True)  # nobody waits between two tries


@dataclass
class MovedClock:
    """A clock that stands still until it is moved."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(scope="session")
def running_clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def clock(running_clock: MovedClock) -> MovedClock:
    """The clock of every service, so far ahead that nothing an earlier test left in a cache is of use."""
    running_clock.move(1_000_000)
    return running_clock


@dataclass
class Sandbox:
    """A Clever on a socket."""

    url: str
    app: Starlette
    world: World

    def user(self, case: str) -> str:
        return self.world.cases[case].user

    @property
    def district(self) -> str:
        return self.world.cases["teacher_only"].district

    @property
    def requests(self) -> Counter[str]:
        requests: Counter[str] = self.app.state.requests
        return requests


Serve = Callable[..., httpx.Client]


@pytest.fixture(scope="session")
def world() -> World:
    return generate()


@pytest.fixture(scope="session")
def running_sandbox(world: World) -> Iterator[Sandbox]:
    app = create_sandbox(world, rate_limit=0)
    with in_background(app) as url:
        yield Sandbox(url, app, world)


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Sandbox:
    """The sandbox as if it had just been started."""
    running_sandbox.requests.clear()
    running_sandbox.app.state.faults.clear()
    running_sandbox.app.state.world.reset()
    running_sandbox.app.state.delay_ms = running_sandbox.app.state.most_at_once = 0
    return running_sandbox


def api_key(name: str, key: str, **given: object) -> ApiKey:
    """An entry for a key that may ask everything; what a test gives replaces the usual."""
    sha256 = hashlib.sha256(key.encode()).hexdigest()
    return ApiKey.model_validate({"name": name, "sha256": sha256, "scopes": set(CallerScope)} | given)


def settings_over(sandbox: Sandbox, **given: object) -> Settings:
    """Settings for a service over the sandbox; what a test gives replaces the usual."""
    usual: dict[str, object] = {
        "clever_url": sandbox.url,
        "clever_token": SecretStr(TOKEN),
        "api_keys": (api_key("tests", KEY),),
        "secret": SecretStr(planted.SECRET),
    }
    return Settings.model_validate(usual | given)


class WatchedConnection(FastConnection):
    """What the fast path answers goes past the application, and so past the watch around it: this one looks, too."""

    watch = planted.WATCH

    def send_answer(self, status: int, headers: RawHeaders, body: bytes) -> None:
        for name, value in headers:
            self.watch.look(name + b": " + value, "is answered in a header")
        self.watch.look(body, "is answered in a body")
        super().send_answer(status, headers, body)


def by_client_id(url: str, world: World) -> dict[str, object]:
    """The settings of a service over every district of a Clever, with the tokens that it lists for a client id."""
    return {
        "clever_url": url,
        "clever_auth_url": url,
        "clever_token": None,
        "clever_client_id": CLIENT_ID,
        "clever_client_secret": SecretStr(CLIENT_SECRET),
        "api_keys": (api_key("tests", KEY, districts={district.id for district in world.districts}),),
    }


ENDING_SECONDS = 20
SHORT_IDLING = httpx.Limits(keepalive_expiry=2)
"""Shorter than the service's: it would close a connection at the moment in which the client asks again."""


@contextmanager
def serving(
    settings: Settings, clock: MovedClock, wall: Callable[[], float] = time.time, *, several_workers: bool = False
) -> Iterator[httpx.Client]:
    """Run a service on a socket, and yield a client that carries the key."""
    credential = {"Authorization": f"Bearer {KEY}"}
    app = create_app(settings, clock=clock, wall=wall, several_workers=several_workers)
    app.middleware_stack = planted.watched(app.middleware_stack or app.build_middleware_stack())
    with (
        in_background(app, http=WatchedConnection) as url,
        httpx.Client(base_url=url, headers=credential, timeout=30, limits=SHORT_IDLING) as client,
    ):
        yield client


@pytest.fixture(scope="session")
def running_service(running_sandbox: Sandbox, running_clock: MovedClock) -> Iterator[httpx.Client]:
    named = settings_over(running_sandbox, public_url="https://rosterguard.example.org")
    with serving(named, running_clock) as client:
        yield client


@pytest.fixture
def service(running_service: httpx.Client, sandbox: Sandbox, clock: MovedClock) -> httpx.Client:
    """The service over the sandbox, with nothing in its cache that could answer."""
    return running_service


@pytest.fixture
def serve(sandbox: Sandbox, clock: MovedClock) -> Iterator[Serve]:
    """Start services with settings of their own."""
    with ExitStack() as stack:
        yield lambda **given: stack.enter_context(serving(settings_over(sandbox, **given), clock))


@contextmanager
def rosterguard_process(
    *arguments: str, stderr: int | None = None, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `rosterguard serve` as a process on a free port, and yield it and the address that it printed."""
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0", *arguments]
    environment = CLEAN | {"ROSTERGUARD_CLEVER_TOKEN": TOKEN} | environment
    with (
        tempfile.TemporaryFile("w+") as told,
        subprocess.Popen(
            command,
            cwd=tempfile.gettempdir(),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=told if stderr is None else stderr,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().removeprefix("Rosterguard on ").strip()
        finally:
            process.terminate()
            try:
                texts = process.communicate(timeout=ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                # A second signal ends one that goes on for a while after the first.
                process.terminate()
                texts = process.communicate()
            for text in texts:
                planted.WATCH.look(text or "", "is written by a process")
            told.seek(0)
            planted.WATCH.look(told.read(), "is logged by a process")
