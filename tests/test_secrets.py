"""No secret gets out, and the watch that the other tests are under does see one that does."""

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from app.sandbox.oauth import CLIENT_ID, CLIENT_SECRET
from app.settings import Settings
from tests.api.connecting import until
from tests.conftest import Sandbox, Serve, api_key, rosterguard_process
from tests.planted import KEY, REDIS_PASSWORD, SECRET, TOKEN, Watch, judged, secrets_in, watched
from tests.valkey import valkey

HOUSE = Path(__file__).parent.parent

WITH_TOKEN: dict[str, object] = {"clever_token": TOKEN}
WITH_CLIENT: dict[str, object] = {"clever_client_id": CLIENT_ID, "clever_client_secret": CLIENT_SECRET}


@pytest.mark.parametrize("way", [WITH_TOKEN, WITH_CLIENT], ids=["token", "client"])
def test_whatever_is_printed_of_the_settings_holds_no_secret(way: dict[str, object]) -> None:
    key = api_key("a", KEY, districts={"d" * 24})
    url = f"redis://:{REDIS_PASSWORD}@127.0.0.1"
    settings = Settings.model_validate(way | {"secret": SECRET, "redis_url": url, "api_keys": (key,)})
    told = (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json(exclude={"api_keys"}))
    assert [secrets_in(one.replace(key.sha256, "")) for one in told] == [[], [], [], []]


def test_readiness_tells_no_secret_when_clever_refuses_the_token(serve: Serve, sandbox: Sandbox) -> None:
    service = serve(clever_token=f"{TOKEN}-that-is-refused")
    refused = service.get(f"/v1/users/{sandbox.user('teacher_only')}/permissions")
    ready = service.get("/readyz")
    assert (refused.status_code, ready.status_code) == (502, 503)
    assert (secrets_in(refused.text), secrets_in(ready.text)) == ([], [])


def test_a_process_with_every_secret_writes_none(sandbox: Sandbox, tmp_path: Path) -> None:
    log = tmp_path / "log"
    secrets = {"ROSTERGUARD_SECRET": SECRET, "ROSTERGUARD_API_KEYS": f"[{api_key('a', KEY).model_dump_json()}]"}
    user = f"/v1/users/{sandbox.user('teacher_only')}/permissions"
    with (
        log.open("w") as stderr,
        valkey(password=REDIS_PASSWORD) as redis,
        rosterguard_process(
            stderr=stderr.fileno(), ROSTERGUARD_CLEVER_URL=sandbox.url, ROSTERGUARD_REDIS_URL=redis.url, **secrets
        ) as (process, url),
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}) as client,
    ):
        paths = (user, "/v1/policy", "/readyz", "/metrics", "/nowhere", f"/v1/users/{KEY}/roles")
        statuses = [client.get(path).status_code for path in paths]
        until(lambda: len(redis.texts()) == 2)
        assert [secrets_in(text) for text in redis.texts()] == [[], []]
        redis.kill()
        until(lambda: client.get("/readyz").json()["parts"]["redis"] == "unreachable")
        process.terminate()
        process.wait()
        assert process.stdout is not None
        assert secrets_in(process.stdout.read()) == []
    assert statuses == [200, 200, 200, 200, 404, 422]
    assert "/v1/users/{user_id}/roles" in log.read_text()
    assert "Redis cannot be reached" in log.read_text()
    assert [secrets_in(log.read_text()), "127.0.0.1" in log.read_text()] == [[], False]


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (PlainTextResponse("nothing"), []),
        (PlainTextResponse(f"Bearer {TOKEN}"), ["the district token is answered in a body"]),
        (Response(headers={"X-Told": SECRET}), ["ROSTERGUARD_SECRET is answered in a header"]),
        (StreamingResponse(iter([KEY[:9], KEY[9:]])), ["the API key is answered in a body"]),
    ],
    ids=["nothing", "body", "header", "parts"],
)
async def test_the_watch_sees_a_secret_that_is_answered(answer: Response, seen: list[str]) -> None:
    watch = Watch()
    transport = httpx.ASGITransport(watched(answer, watch))
    async with httpx.AsyncClient(transport=transport, base_url="http://watched") as client:
        await client.get("/")
    assert watch.tell() == seen


def test_the_watch_sees_a_secret_in_captured_output() -> None:
    seen = judged([("Captured log call", f"asked with {TOKEN}"), ("Captured stdout call", "nothing")], Watch())
    assert seen == ["the district token stands in what was written (Captured log call)"]


def test_a_run_in_which_a_secret_is_printed_fails(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_runtest_makereport\n")
    (tmp_path / "test_it.py").write_text(
        f"def test_prints():\n    print({KEY!r})\ndef test_does_not():\n    print(1)\n"
    )
    command = f"{sys.executable} -m pytest -q -p no:cacheprovider -c /dev/null --rootdir"
    run = subprocess.run([*command.split(), tmp_path, tmp_path], cwd=HOUSE, capture_output=True, text=True, check=False)
    assert (run.returncode, "a planted secret got out: the API key" in run.stdout) == (1, True), run.stdout
    assert re.search(r"2 passed, 1 error|1 passed, 1 failed|2 passed, 1 failed", run.stdout)
