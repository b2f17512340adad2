"""The settings: what is refused, in words that repeat no value."""

from pathlib import Path

import pytest

from app.settings import PREFIX, Settings, SettingsMistakes, read_settings, unknown_settings

HASH = "0" * 64


@pytest.fixture(autouse=True)
def only_what_the_test_sets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


def mistakes(monkeypatch: pytest.MonkeyPatch, **variables: str) -> list[str]:
    for name, value in ({"CLEVER_TOKEN": "t0ken"} | variables).items():
        monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingsMistakes) as refused:
        read_settings()
    assert "t0ken" not in str(refused.value)
    return refused.value.lines


def test_a_token_is_all_that_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROSTERGUARD_CLEVER_TOKEN", "t0ken")
    settings = read_settings()
    assert settings.clever_token is not None
    assert settings.clever_token.get_secret_value() == "t0ken"
    assert (settings.clever_url, settings.clever_version) == ("https://api.clever.com", "v3.1")
    assert (settings.fresh_seconds, settings.cache_users, settings.policy) == (300, 100_000, None)
    assert (settings.secret, settings.public_url, settings.reasons) == (None, None, "on")
    assert "t0ken" not in repr(settings)


def test_settings_come_from_a_file_too_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("ROSTERGUARD_CLEVER_TOKEN=t\nROSTERGUARD_FRESH_SECONDS=60\nROSTERGUARD_CACHE_USERS=7\n")
    monkeypatch.setenv("ROSTERGUARD_FRESH_SECONDS", "90")
    settings = read_settings()
    assert (settings.fresh_seconds, settings.cache_users) == (90, 7)


def test_made_directly_they_know_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROSTERGUARD_FRESH_SECONDS", "90")
    assert Settings.model_validate({"clever_token": "t"}).fresh_seconds == 300


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROSTERGUARD_CLEVER_TOKEN", "t")
    monkeypatch.setenv("ROSTERGUARD_POLICY", "")
    assert read_settings().policy is None


@pytest.mark.parametrize(
    "url",
    [
        "https://pdp.example.org",
        "https://pdp.example.org/",
        "https://pdp.example.org:8443/d1/east",
        "http://127.0.0.1:8900",
        "http://[::1]:8900",
        "http://localhost",
    ],
)
def test_a_public_url_is_kept_as_it_was_written(url: str) -> None:
    assert Settings.model_validate({"clever_token": "t", "public_url": url}).public_url == url


WAY = "set either ROSTERGUARD_CLEVER_TOKEN, or ROSTERGUARD_CLEVER_CLIENT_ID and ROSTERGUARD_CLEVER_CLIENT_SECRET"
VERSION = "this ends with a version, which is a setting of its own: leave the version out"


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"CLEVER_TOKEN": ""}, f"settings: {WAY}"),
        ({"CLEVER_CLIENT_ID": "i", "CLEVER_CLIENT_SECRET": "s"}, f"settings: {WAY}"),
        (
            {"CLEVER_CLIENT_ID": "i"},
            "settings: ROSTERGUARD_CLEVER_CLIENT_ID and ROSTERGUARD_CLEVER_CLIENT_SECRET go together",
        ),
        (
            {"CLEVER_URL": "http://api.clever.com"},
            "ROSTERGUARD_CLEVER_URL: only https keeps the district token secret on its way; http is for loopback alone",
        ),
        *(
            ({"CLEVER_URL": url}, "ROSTERGUARD_CLEVER_URL: this is not an address such as https://api.clever.com")
            for url in (
                "api.clever.com",
                "ftp://clever.com",
                "https://",
                "https://u:t0ken@clever.com",
                "https://c?t0ken",
                "https://c:99999",
            )
        ),
        ({"CLEVER_AUTH_URL": "https://clever.com/v3.1"}, f"ROSTERGUARD_CLEVER_AUTH_URL: {VERSION}"),
        (
            {"CLEVER_VERSION": "v3"},
            "ROSTERGUARD_CLEVER_VERSION: Input should be 'v1.1', 'v1.2', 'v2.0', 'v2.1', 'v3.0' or 'v3.1'",
        ),
        *(
            (
                {"PUBLIC_URL": url},
                "ROSTERGUARD_PUBLIC_URL: this is not an address such as https://pdp.example.org",
            )
            for url in (
                "pdp.example.org",
                "ftp://pdp.example.org",
                "https://",
                "https:///d1",
                "https://u:t0ken@pdp.example.org",
                "https://pdp.example.org?",
                "https://pdp.example.org/d1?t0ken",
                "https://pdp.example.org/#t0ken",
                "https://pdp.example.org/{t0ken}",
                "https://pdp.example.org//d1",
                "https://pdp.example.org:t0ken",
                "https://pdp.example.org:0",
                "https://pdp.example.org\nt0ken",
            )
        ),
        (
            {"PUBLIC_URL": "http://pdp.example.org"},
            "ROSTERGUARD_PUBLIC_URL: only https keeps keys secret on their way; http is for loopback alone",
        ),
        ({"SECRET": "only 15 letters"}, "ROSTERGUARD_SECRET: a secret has 16 characters or more"),
        *(
            (
                {"REDIS_URL": url, "SECRET": "a secret of the tests"},
                "ROSTERGUARD_REDIS_URL: this is not an address such as rediss://user:password@cache.example.org:6379/0",
            )
            for url in (
                "t0ken",
                "http://cache.example.org",
                "unix:///t0ken",
                "redis://",
                "redis://:t0ken@",
                "redis://cache.example.org:t0ken",
                "redis://cache.example.org:0",
                "redis://cache.example.org:65536",
                "redis://cache.example.org/t0ken",
                "redis://cache.example.org?t0ken=1",
                "redis://:t0/ken@cache.example.org",
                "redis://cache.example.org\n",
            )
        ),
        (
            {"REDIS_URL": "redis://cache.example.org"},
            "settings: ROSTERGUARD_REDIS_URL needs ROSTERGUARD_SECRET, the same in every replica",
        ),
        *(
            (
                {"DECISION_LOG": word},
                "ROSTERGUARD_DECISION_LOG: this is `off`, `stdout` or a path such as /var/log/decisions.log",
            )
            for word in ("on", "true", "stderr", "STDOUT", "decisions.log")
        ),
        ({"REASONS": "maybe"}, "ROSTERGUARD_REASONS: Input should be 'on' or 'off'"),
        *(
            ({"ID_PATTERN": pattern}, f"ROSTERGUARD_ID_PATTERN: this is not a regular expression{where}")
            for pattern, where in (
                ("[", ": look at position 0"),
                ("(?P=t0ken)", ": look at position 4"),
                ("a{1,99999999999}", ""),
                ("(" * 10_000, ""),
            )
        ),
        ({"FRESH_SECONDS": "0"}, "ROSTERGUARD_FRESH_SECONDS: Input should be greater than or equal to 1"),
        (
            {"CACHE_USERS": "many"},
            "ROSTERGUARD_CACHE_USERS: Input should be a valid integer, unable to parse string as an integer",
        ),
        ({"API_KEYS": "t0ken"}, "ROSTERGUARD_API_KEYS: this is not JSON"),
        *(
            ({"API_KEYS": keys}, "ROSTERGUARD_API_KEYS: this is not a list: put [ ] around the entries")
            for keys in (f'{{"name": "a", "sha256": "{HASH}"}}', '"t0ken"', "1")
        ),
        (
            {"API_KEYS": f'[{{"name": "a", "sha256": "{HASH}", "t0ken": "a"}}]'},
            "ROSTERGUARD_API_KEYS[0].…: Extra inputs are not permitted",
        ),
        ({"API_KEYS": '[{"name": "a"}]'}, "ROSTERGUARD_API_KEYS[0].sha256: Field required"),
        (
            {"API_KEYS": '[{"name": "a", "sha256": "t0ken"}]'},
            "ROSTERGUARD_API_KEYS[0].sha256: String should match pattern '^[0-9a-f]{64}$'",
        ),
        (
            {"API_KEYS": f'[{{"name": "a", "sha256": "{HASH}"}}, {{"name": "b", "sha256": "{HASH}"}}]'},
            "ROSTERGUARD_API_KEYS: the same key is here twice",
        ),
        (
            {
                "API_KEYS": f'[{{"name": "a", "sha256": "{HASH}"}}, '
                f'{{"name": "a", "sha256": "{"1" * 64}", "scopes": ["metrics:read"]}}]'
            },
            "ROSTERGUARD_API_KEYS: two keys of one name differ in scopes or districts, but belong to one caller",
        ),
        (
            {"API_KEYS": f'[{{"name": "a", "sha256": "{HASH}", "scopes": ["t0ken"]}}]'},
            (
                "ROSTERGUARD_API_KEYS[0].scopes[0]: Input should be 'permissions:read', 'access:evaluate', "
                "'access:search', 'policy:read', 'facts:refresh', 'metrics:read' or 'districts:load'"
            ),
        ),
        (
            {"API_KEYS": f'[{{"name": "a", "sha256": "{HASH}"}}]', "API_KEYS_FILE": "/keys.json"},
            "settings: set either ROSTERGUARD_API_KEYS or ROSTERGUARD_API_KEYS_FILE",
        ),
        *(
            (
                {"OIDC_ISSUER": url, "OIDC_AUDIENCE": "a", "OIDC_DISTRICTS_CLAIM": "d"},
                (
                    "ROSTERGUARD_OIDC_ISSUER: this is not an https address such as https://login.example.org; "
                    "http is for loopback alone"
                ),
            )
            for url in (
                "login.example.org",
                "http://login.example.org",
                "https://",
                "https://u:t0ken@login.example.org",
                "https://login.example.org/#t0ken",
                "https://login.example.org/?t0ken",
                "https://login.example.org/t0 ken",
                "https://[t0ken",
                "file:///t0ken",
            )
        ),
        *(
            (
                given,
                (
                    "settings: ROSTERGUARD_OIDC_ISSUER, ROSTERGUARD_OIDC_AUDIENCE and ROSTERGUARD_OIDC_DISTRICTS_CLAIM "
                    "go together"
                ),
            )
            for given in (
                {"OIDC_ISSUER": "https://login.example.org"},
                {"OIDC_AUDIENCE": "a"},
                {"OIDC_ISSUER": "https://login.example.org", "OIDC_AUDIENCE": "a"},
                {"OIDC_JWKS_URL": "https://login.example.org/keys"},
            )
        ),
        *(
            ({name: "t0ken\udcff"}, f"ROSTERGUARD_{name}: this is not UTF-8")
            for name in (
                "SECRET",
                "CLEVER_TOKEN",
                "OIDC_AUDIENCE",
                "POLICY",
                "DECISION_LOG",
            )
        ),
    ],
)
def test_a_mistake_is_reported(variables: dict[str, str], line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mistakes(monkeypatch, **variables) == [line]


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_may_stand_in_a_file(end: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secrets = {"clever_token": "t0ken", "secret": "a secret of the tests", "redis_url": "redis://:passw0rd@[::1]:1/2"}
    for name, secret in secrets.items():
        (tmp_path / name).write_bytes(f"{secret}{end}".encode())
        monkeypatch.setenv(f"{PREFIX}{name.upper()}_FILE", str(tmp_path / name))
    settings = read_settings()
    assert settings.clever_token is not None
    assert settings.secret is not None
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://:passw0rd@[::1]:1/2"
    assert settings.clever_token.get_secret_value() == "t0ken"
    assert settings.secret.get_secret_value() == "a secret of the tests"
    assert not [secret for secret in secrets.values() if secret in f"{settings!r} {settings.model_dump_json()}"]


def test_a_client_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("t0ken\n")
    monkeypatch.setenv("ROSTERGUARD_CLEVER_CLIENT_ID", "id")
    monkeypatch.setenv("ROSTERGUARD_CLEVER_CLIENT_SECRET_FILE", str(tmp_path / "secret"))
    secret = read_settings().clever_client_secret
    assert secret is not None
    assert secret.get_secret_value() == "t0ken"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "ROSTERGUARD_SECRET: its file cannot be read: FileNotFoundError"),
        (b"t0ken\xff", "ROSTERGUARD_SECRET: its file cannot be read: UnicodeDecodeError"),
        (b"\n", "ROSTERGUARD_SECRET: its file is empty"),
        (b"t0ken", "ROSTERGUARD_SECRET: a secret has 16 characters or more"),
    ],
)
def test_a_file_without_a_secret_is_reported(
    content: bytes | None, line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    assert mistakes(monkeypatch, SECRET_FILE=str(file)) == [line]


def test_a_secret_is_given_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken")
    assert mistakes(monkeypatch, CLEVER_TOKEN_FILE=str(tmp_path / "token")) == [
        "ROSTERGUARD_CLEVER_TOKEN: ROSTERGUARD_CLEVER_TOKEN_FILE is set, too: give one of them"
    ]


def test_a_variable_that_looks_like_a_setting_and_is_none_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLCY", "SERVICE_HOST", "PORT", "PORT_8900_TCP_ADDR", "CLEVER_TOKEN"):
        monkeypatch.setenv(PREFIX + name, "x")
    Path(".env").write_text("ROSTERGUARD_FRESH_SECOND=1\nOTHER=1\n")
    assert unknown_settings() == ["ROSTERGUARD_FRESH_SECOND", "ROSTERGUARD_POLCY"]


def test_a_file_that_is_no_text_is_reported() -> None:
    Path(".env").write_bytes(b"ROSTERGUARD_CLEVER_TOKEN=\xff\n")
    with pytest.raises(SettingsMistakes, match="the file cannot be read: UnicodeDecodeError"):
        read_settings()


def test_every_mistake_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(mistakes(monkeypatch, FRESH_SECONDS="0", CACHE_USERS="0", CLEVER_VERSION="4")) == 3
