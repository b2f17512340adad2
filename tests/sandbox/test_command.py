"""The command: what it prints, what it refuses, and that it serves on a socket."""

import signal
import subprocess
import sys

import httpx
import pytest
import typer
from typer.testing import CliRunner

from app.cli.sandbox import sandbox
from app.sandbox.world import generate

COMMAND = [sys.executable, "-c", "import typer; from app.cli.sandbox import sandbox; typer.run(sandbox)"]


def command() -> typer.Typer:
    app = typer.Typer()
    app.command()(sandbox)
    return app


def test_cases_are_printed_as_a_table() -> None:
    result = CliRunner().invoke(command(), ["--cases", "--seed", "5"])
    rows = [tuple(line.split(maxsplit=3)) for line in result.stdout.splitlines()]
    cases = generate(seed=5).cases
    assert rows == [(name, case.user, case.district, case.about) for name, case in cases.items()]
    assert result.exit_code == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "sandbox", ""])
@pytest.mark.parametrize("token", [[], ["--token", ""]])
def test_a_host_that_others_reach_demands_a_token(host: str, token: list[str]) -> None:
    result = CliRunner().invoke(command(), ["--host", host, *token])
    told = f"Error: --host {host} can be reached from elsewhere: give a --token of your own.\n"
    assert (result.exit_code, result.stderr) == (2, told)


@pytest.mark.parametrize(
    "option", [("--students", "-1"), ("--students", "100001"), ("--teachers", "0"), ("--port", "65536")]
)
def test_a_size_out_of_range_is_refused(option: tuple[str, str]) -> None:
    result = CliRunner().invoke(command(), list(option))
    assert (result.exit_code, result.stdout) == (2, "")


def test_it_serves_on_a_free_port_until_it_is_interrupted() -> None:
    arguments = ["--port", "0", "--sections", "400", "--today", "2026-11-30", "--no-events"]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.removeprefix("Sandbox Clever on ").strip()
        with httpx.Client(base_url=url, headers={"Authorization": "Bearer sandbox-token"}) as client:
            found = [
                client.get(f"/v3.0/{path}").json() for path in ("districts", "terms", "events", "sections?count=true")
            ]
        process.send_signal(signal.SIGINT)
    assert line.startswith("Sandbox Clever on http://127.0.0.1:")
    assert found[0]["data"][0]["data"]["id"] == generate().districts[0].id
    assert found[1]["data"][1]["data"]["start_date"] == "2026-10-01"
    assert (found[2]["data"], found[3]) == ([], {"count": 400})
    assert process.returncode == 0


def test_without_a_secret_of_ones_own_others_cannot_discover_the_token() -> None:
    arguments = ["--host", "0.0.0.0", "--port", "0", "--token", "mine"]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().rsplit(":", 1)[1].strip()
        url = f"http://127.0.0.1:{port}/oauth/tokens?owner_type=district"
        answer = httpx.get(url, auth=("sandbox-client", "sandbox-secret"))
        process.send_signal(signal.SIGINT)
        _, told = process.communicate()
    assert answer.status_code == 401
    assert told == "Token discovery and logins are closed: they need a --client-secret of your own.\n"


def test_where_others_reach_it_its_own_pages_need_the_token() -> None:
    arguments = ["--host", "0.0.0.0", "--port", "0", "--token", "mine"]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().rsplit(":", 1)[1].strip()
        url = f"http://127.0.0.1:{port}/_sandbox/faults"
        told = [httpx.get(url, headers={"Authorization": f"Bearer {one}"}).status_code for one in ("theirs", "mine")]
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert told == [401, 200]


def test_it_can_break_its_connections_and_ends_with_one_that_hangs() -> None:
    with subprocess.Popen([*COMMAND, "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("Sandbox Clever on ").strip()
        faults = [{"kind": "drop", "times": 1}, {"kind": "hang"}]
        with httpx.Client(base_url=url) as client:
            client.put("/_sandbox/faults", json={"faults": faults}).raise_for_status()
            with pytest.raises(httpx.RemoteProtocolError):
                client.get("/v3.1/users")
            with pytest.raises(httpx.ReadTimeout):
                client.get("/v3.1/users", timeout=0.1)
        process.send_signal(signal.SIGINT)
    assert process.returncode == 0
