"""A file of API keys: what it comes to say is in force, and a bad one is reported without a word of what it says."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time

import httpx
import pytest

from app.authentication import authentication_of, check_keys_file
from app.cli.server import in_background
from app.main import create_app
from app.settings import Settings, SettingsMistakes
from app.watched_file import FileWatch
from tests.conftest import KEY, Sandbox, api_key, settings_over

CLIENT = {"clever_token": None, "clever_client_id": "i", "clever_client_secret": "s"}


def entry(name: str, key: str, **given: object) -> dict[str, object]:
    return {"name": name, "sha256": api_key(name, key).sha256, **given}


@dataclass
class Watched:
    """A file of keys, and who gets in by it."""

    file: Path
    settings: Settings

    def __post_init__(self) -> None:
        self._authentication = authentication_of(self.settings, no_auth=False, clock=monotonic, wall=time)
        assert isinstance(self._authentication.watch, FileWatch)
        self.watch = self._authentication.watch

    async def names(self, *keys: str) -> list[str | None]:
        assert self._authentication.caller_of is not None
        callers = [await self._authentication.caller_of(key) for key in keys]
        return [None if caller is None else caller.name for caller in callers]

    @property
    def fares(self) -> str:
        return self._authentication.parts["keys"]()

    async def comes_to_say(self, *entries: object) -> None:
        self.file.write_text(json.dumps(entries))
        await self.watch.look()
        await self.watch.look()


def watched_in(tmp_path: Path) -> Watched:
    file = tmp_path / "keys.json"
    return Watched(file, Settings.model_validate({"clever_token": "t", "api_keys_file": file}))


async def test_a_key_replaces_another_without_a_restart(tmp_path: Path) -> None:
    watched = watched_in(tmp_path)
    told = []
    for keys in (["old"], ["old", "new"], ["new"]):
        await watched.comes_to_say(*(entry("gradebook", key) for key in keys))
        told.append(await watched.names("old", "new"))
    assert told == [["gradebook", None], ["gradebook", "gradebook"], [None, "gradebook"]]
    assert watched.fares == "ok"


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        (b"t0p [", ": this is not JSON"),
        (b"\xff", ": this is not JSON"),
        (b"[" * 100_000, ": this is not JSON"),
        (b"{}", ": this is not a list: put [ ] around the entries"),
        (rb'[{"districts": ["t0p\ud800"]}]', ": a text here holds half of a surrogate pair, which is no character"),
        (rb'[{"t0p\udfff": 1}]', ": a text here holds half of a surrogate pair, which is no character"),
        (b'[{"name": "a", "t0p": "t0p"}]', "[0].sha256: Field required; ROSTERGUARD_API_KEYS_FILE[0].…: Extra inputs"),
        (json.dumps([entry("a", "x"), entry("b", "x")]).encode(), ": the same key is here twice"),
        (
            json.dumps([entry("a", "x", districts=["t0p"])]).encode(),
            "[0].districts: a value does not match ROSTERGUARD_ID_PATTERN",
        ),
    ],
)
async def test_a_bad_file_leaves_what_there_was_and_is_logged_without_what_it_says(
    content: bytes, mistake: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    watched = watched_in(tmp_path)
    await watched.comes_to_say(entry("gradebook", "key"))
    watched.file.write_bytes(content)
    with caplog.at_level(logging.ERROR, "rosterguard"):
        for _ in range(5):
            await watched.watch.look()
    assert (await watched.names("key"), watched.fares) == (["gradebook"], "outdated")
    [line] = caplog.messages
    assert line.startswith("the file of API keys cannot be used: ROSTERGUARD_API_KEYS_FILE" + mistake)
    assert "t0p" not in line


async def test_without_its_file_nobody_gets_in_until_it_is_there(tmp_path: Path) -> None:
    watched = watched_in(tmp_path)
    await watched.watch.begin()
    before = await watched.names("key"), watched.fares
    await watched.comes_to_say(entry("gradebook", "key"))
    assert (before, await watched.names("key"), watched.fares) == (([None], "unusable"), ["gradebook"], "ok")


def test_the_first_start_ends_on_a_bad_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    settings = Settings.model_validate({"clever_token": "t", "api_keys_file": file})
    with pytest.raises(SettingsMistakes, match="FILE: the file cannot be read: FileNotFoundError"):
        check_keys_file(settings)
    file.write_text('[{"name": "a"}]')
    with pytest.raises(SettingsMistakes, match=r"^ROSTERGUARD_API_KEYS_FILE\[0\].sha256: Field required$"):
        check_keys_file(settings)
    file.write_text(json.dumps([entry("a", "x")]))
    check_keys_file(settings)


def test_where_several_districts_may_be_connected_a_key_names_its_own(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(json.dumps([entry("a", "x", districts=[]), entry("b", "y")]))
    mistake = r"\[{}\].districts: several districts may be connected: name those that this caller may ask about$"
    with pytest.raises(SettingsMistakes, match="^ROSTERGUARD_API_KEYS_FILE" + mistake.format(1)):
        check_keys_file(Settings.model_validate({"api_keys_file": tmp_path / "keys.json", **CLIENT}))
    settings = Settings.model_validate({"api_keys": [entry("a", "x")], **CLIENT})
    with pytest.raises(SettingsMistakes, match="^ROSTERGUARD_API_KEYS" + mistake.format(0)):
        create_app(settings)


@contextmanager
def serving(sandbox: Sandbox, file: Path) -> Iterator[httpx.Client]:
    app = create_app(settings_over(sandbox, api_keys=(), api_keys_file=file))
    with in_background(app) as url, httpx.Client(base_url=url, timeout=30) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        yield client


def test_a_service_takes_the_keys_of_its_file(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps([entry("tests", KEY)]))
    with serving(sandbox, file) as service:
        answer = service.get(f"/v1/users/{sandbox.user('teacher_only')}/permissions")
        readiness = service.get("/readyz")
    assert (answer.status_code, readiness.status_code, readiness.json()["parts"]["keys"]) == (200, 200, "ok")


def test_a_worker_that_begins_on_a_bad_file_lets_nobody_in_and_is_not_ready(sandbox: Sandbox, tmp_path: Path) -> None:
    with serving(sandbox, tmp_path / "keys.json") as service:
        answers = [service.get(path) for path in ("/v1/policy", "/livez", "/readyz")]
    assert [answer.status_code for answer in answers] == [401, 200, 503]
    assert answers[-1].json()["parts"]["keys"] == "unusable"


def test_either_there_are_callers_to_be_known_or_anyone_may_ask(tmp_path: Path) -> None:
    nobody = Settings.model_validate({"clever_token": "t"})
    known = Settings.model_validate({"clever_token": "t", "api_keys_file": tmp_path / "keys.json"})
    for settings, no_auth in ((nobody, False), (known, True)):
        with pytest.raises(SettingsMistakes, match="ROSTERGUARD_API_KEYS: give API keys, or --no-auth"):
            create_app(settings, no_auth=no_auth)
