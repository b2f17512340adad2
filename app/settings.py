"""The settings of the service: read once from the environment and `.env`, then frozen."""

import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.auth.api_key_file import ApiKeys, mistake_line, parsed
from app.urls import base_url, host_of, is_loopback, is_safe_address

PREFIX = "ROSTERGUARD_"

LEAST_SECRET = 16
"""The fewest characters of a secret."""

_KUBERNETES = re.compile(rf"{PREFIX}(SERVICE_.*|PORT(_.*)?)")

_ADDRESS = re.compile(r"(https?)://[^/?#@\s]+(/[A-Za-z0-9._~-]+)*/?")

_REDIS = re.compile(
    r"rediss?://([^/?#@\s]*@)?([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?(/[0-9]{0,4})?", re.IGNORECASE
)
"""Special characters in user and password are percent-encoded; options of the Redis library are not allowed."""

_DISTRICT = re.compile(r"[A-Za-z0-9_-]{1,64}")

_ORIGIN = re.compile(r"(https?)://[a-z0-9.\[\]:-]+(?<!:80)(?<!:443)")
"""As browsers write it (RFC 6454 section 6.2): lower case, without default port, path or trailing slash."""


class SettingsMistakes(Exception):
    """Invalid settings: a line for each mistake, without the value."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Settings(BaseModel):
    """All settings; made directly, they do not depend on the environment."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    clever_url: Annotated[str, Field(description="The URL of Clever's API, without the version.")] = (
        "https://api.clever.com"
    )
    clever_version: Annotated[
        Literal["v1.1", "v1.2", "v2.0", "v2.1", "v3.0", "v3.1"], Field(description="The version of Clever's API.")
    ] = "v3.1"
    clever_token_file: Annotated[
        Path | None, Field(description="A file with the token below, instead of the token itself; read at the start.")
    ] = None
    clever_token: Annotated[
        SecretStr | None,
        Field(
            validate_default=True,
            description="The token of the only connected district; for several, set the client id and secret below.",
        ),
    ] = None
    clever_client_id: Annotated[
        str | None, Field(description="The application's client id, to discover every connected district.")
    ] = None
    clever_client_secret_file: Annotated[
        Path | None, Field(description="A file with the secret below, instead of the secret itself; read at the start.")
    ] = None
    clever_client_secret: Annotated[
        SecretStr | None,
        Field(validate_default=True, description="The application's client secret, to go with the id."),
    ] = None
    clever_auth_url: Annotated[str, Field(description="The URL of Clever's token endpoints.")] = "https://clever.com"
    policy: Annotated[
        Path | None, Field(description="The policy file; by default the policy that ships with the package.")
    ] = None
    api_keys: Annotated[
        ApiKeys,
        NoDecode,
        Field(
            description='The API keys: a JSON list of `{"name": …, "sha256": …}`, as `rosterguard key new` prints them.'
        ),
    ] = ()
    api_keys_file: Annotated[
        Path | None,
        Field(description="A file with that list, instead of the list itself; changes take effect without a restart."),
    ] = None
    oidc_issuer: Annotated[
        str | None,
        Field(
            description="The OpenID provider whose tokens are accepted too: their `iss`. By default none are accepted."
        ),
    ] = None
    oidc_audience: Annotated[
        str | None, Field(min_length=1, description="The audience that tokens must have: one of their `aud`.")
    ] = None
    oidc_districts_claim: Annotated[
        str | None,
        Field(min_length=1, description="The claim with the districts that the caller of a token may ask about."),
    ] = None
    oidc_jwks_url: Annotated[
        str | None, Field(description="The URL of the provider's keys; by default it is discovered.")
    ] = None
    secret_file: Annotated[
        Path | None, Field(description="A file with the secret below, instead of the secret itself; read at the start.")
    ] = None
    secret: Annotated[
        SecretStr | None,
        Field(
            validate_default=True,
            description="16 characters or more, to sign page tokens and the data in Redis. Required with several "
            "workers or Redis, and the same in every replica; by default random.",
        ),
    ] = None
    redis_url_file: Annotated[
        Path | None, Field(description="A file with the address below, instead of the address; read at the start.")
    ] = None
    redis_url: Annotated[
        SecretStr | None,
        Field(
            validate_default=True,
            description="The Redis or Valkey in which replicas share what they read, such as "
            "`rediss://user:password@cache.example.org:6379/0`; by default they share nothing.",
        ),
    ] = None
    redis_deadline_seconds: Annotated[
        float, Field(gt=0, le=1, description="The time limit for Redis; after it, Clever is asked.")
    ] = 0.01
    public_url: Annotated[
        str | None,
        Field(
            description="The URL at which callers reach this service, for its metadata. By default its own URL on "
            "loopback; elsewhere there is no metadata without it."
        ),
    ] = None
    cors_origins: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(
            description="The sites whose pages may call the service from a browser, separated by commas, such as "
            "`https://app.example.org`; by default none."
        ),
    ] = ()
    reasons: Annotated[Literal["on", "off"], Field(description="Whether decisions give reasons: `on` or `off`.")] = "on"
    id_pattern: Annotated[
        str, Field(description="The pattern of ids; an id must also match `[A-Za-z0-9_-]{1,64}`.")
    ] = "[0-9a-f]{24}"
    fresh_seconds: Annotated[
        int, Field(ge=1, le=86400, description="How long data from Clever is used without being read again.")
    ] = 300
    stale_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=604800,
            description="The greatest age of data that is used, marked stale, while Clever cannot be read. Counted "
            "from the read, so it has to exceed the fresh time.",
        ),
    ] = 3600
    deadline_seconds: Annotated[
        float, Field(gt=0, le=60, description="The time limit of a request for one user, including reads from Clever.")
    ] = 6
    batch_deadline_seconds: Annotated[float, Field(gt=0, le=600, description="The same for a batch or a search.")] = 60
    idle_seconds: Annotated[
        int,
        Field(
            ge=1,
            le=86400,
            description="How long an idle connection stays open; it has to exceed the idle time of the proxy in front.",
        ),
    ] = 75
    shutdown_delay_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=600,
            description="How long to go on answering after SIGTERM, while `/readyz` says 503, until the proxy in front "
            "has noticed.",
        ),
    ] = 0
    caller_share: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="The part of a token's requests per minute that one caller may cause; 1 for a single caller.",
        ),
    ] = 0.5
    load: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(
            description="The districts that each process loads as a whole when it starts: their ids, separated by "
            "commas, or `all`; by default none."
        ),
    ] = ()
    load_whom: Annotated[
        Literal["staff", "everyone"],
        Field(
            description="Who is loaded of a whole district: `staff` are district admins, staff and teachers; "
            "`everyone` are students and contacts, too."
        ),
    ] = "staff"
    events_seconds: Annotated[
        float,
        Field(ge=1, le=300, description="How often Clever is asked for the events of each district that is loaded."),
    ] = 10
    cache_users: Annotated[int, Field(ge=1, description="The most users in the cache.")] = 100_000
    log_format: Annotated[
        Literal["auto", "json", "console"],
        Field(description="The format of logs: `json`, `console` for people, or `auto`: `console` in a terminal only."),
    ] = "auto"
    log_ids: Annotated[
        Literal["hashed", "plain"],
        Field(description="How the decision log shows ids: `hashed` with a key from the secret, or `plain`."),
    ] = "hashed"
    decision_log: Annotated[
        str,
        Field(
            description="Where decisions are logged: `off`, `stdout`, or a file that is appended to, such as "
            "`/var/log/decisions.log`."
        ),
    ] = "off"
    decision_sample: Annotated[
        float, Field(ge=0, le=1, description="The part of all decisions that is logged, from 0 to 1.")
    ] = 1
    decision_denials: Annotated[
        Literal["all", "sampled"],
        Field(description="Whether `all` denials are logged, or they are `sampled` like other decisions."),
    ] = "all"
    otel: Annotated[
        Literal["off", "on"],
        Field(description="Whether traces are sent by OpenTelemetry; needs the extra `rosterguard[otel]`."),
    ] = "off"

    @field_validator("*", mode="before")
    @classmethod
    def _writable(cls, given: object) -> object:
        # Python decodes environment bytes that are not UTF-8 to halves of surrogate pairs.
        try:
            if isinstance(given, str):
                given.encode()
        except UnicodeEncodeError:
            raise ValueError("this is not UTF-8") from None
        return given

    @field_validator("api_keys", mode="before")
    @classmethod
    def _parsed_keys(cls, given: object) -> object:
        return parsed(given)

    @field_validator("clever_token", "clever_client_secret", "secret", "redis_url", mode="before")
    @classmethod
    def _from_file(cls, given: object, info: ValidationInfo) -> object:
        named = f"{info.field_name}_file"
        file: Path | None = info.data.get(named)
        if file is None:
            return given
        if given is not None:
            raise ValueError(f"{PREFIX}{named.upper()} is set, too: give one of them")
        return _content(file)

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret) < LEAST_SECRET:
            raise ValueError(f"a secret has {LEAST_SECRET} characters or more")
        return secret

    @field_validator("oidc_issuer", "oidc_jwks_url")
    @classmethod
    def _provided(cls, url: str | None, info: ValidationInfo) -> str | None:
        is_odd = info.field_name == "oidc_issuer" and "?" in (url or "")
        if url is not None and (is_odd or not is_safe_address(url)):
            raise ValueError(
                "this is not an https address such as https://login.example.org; http is for loopback alone"
            )
        return url

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not (_REDIS.fullmatch(url.get_secret_value()) and host_of(url.get_secret_value())):
            raise ValueError("this is not an address such as rediss://user:password@cache.example.org:6379/0")
        return url

    @field_validator("clever_url", "clever_auth_url")
    @classmethod
    def _protected(cls, url: str) -> str:
        return base_url(url)

    @field_validator("public_url")
    @classmethod
    def _public(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if not _ADDRESS.fullmatch(url) or not host_of(url):
            raise ValueError("this is not an address such as https://pdp.example.org")
        if url.startswith("http:") and not is_loopback(host_of(url)):
            raise ValueError("only https keeps keys secret on their way; http is for loopback alone")
        return url

    @field_validator("cors_origins", "load", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        return [each.strip() for each in given.split(",") if each.strip()] if isinstance(given, str) else given

    @field_validator("cors_origins")
    @classmethod
    def _exact(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not _ORIGIN.fullmatch(origin) or not host_of(origin):
                raise ValueError(
                    "name each site as its browser does, such as https://app.example.org; no * and no path"
                )
            if origin.startswith("http:") and not is_loopback(host_of(origin)):
                raise ValueError("only https keeps a page from being forged on its way; http is for loopback alone")
        return origins

    @field_validator("load")
    @classmethod
    def _all_or_some(cls, districts: tuple[str, ...]) -> tuple[str, ...]:
        if not all(map(_DISTRICT.fullmatch, districts)):
            raise ValueError("this is `all`, or the ids of districts, separated by commas")
        if "all" in districts and len(districts) > 1:
            raise ValueError("`all` has them all: name no others")
        return districts

    @field_validator("id_pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            # The error's own message would repeat names from the pattern.
            position = getattr(error, "pos", None)
            where = "" if position is None else f": look at position {position}"
            raise ValueError(f"this is not a regular expression{where}") from None
        return pattern

    @field_validator("decision_log")
    @classmethod
    def _log_target(cls, target: str) -> str:
        if target not in {"off", "stdout"} and "/" not in target:
            raise ValueError("this is `off`, `stdout` or a path such as /var/log/decisions.log")
        return target

    @model_validator(mode="after")
    def _who_may_ask(self) -> Self:
        if self.api_keys and self.api_keys_file is not None:
            raise ValueError(f"set either {PREFIX}API_KEYS or {PREFIX}API_KEYS_FILE")
        provider = [self.oidc_issuer, self.oidc_audience, self.oidc_districts_claim]
        if any(provider) != all(provider) or (self.oidc_jwks_url and not any(provider)):
            raise ValueError(f"{PREFIX}OIDC_ISSUER, {PREFIX}OIDC_AUDIENCE and {PREFIX}OIDC_DISTRICTS_CLAIM go together")
        return self

    @model_validator(mode="after")
    def _shared_under_a_secret(self) -> Self:
        if self.redis_url is not None and self.secret is None:
            raise ValueError(f"{PREFIX}REDIS_URL needs {PREFIX}SECRET, the same in every replica")
        return self

    @model_validator(mode="after")
    def _one_way_to_tokens(self) -> Self:
        client = self.clever_client_id is not None, self.clever_client_secret is not None
        if any(client) and not all(client):
            raise ValueError("ROSTERGUARD_CLEVER_CLIENT_ID and ROSTERGUARD_CLEVER_CLIENT_SECRET go together")
        if any(client) == (self.clever_token is not None):
            raise ValueError(
                f"set either {PREFIX}CLEVER_TOKEN, or {PREFIX}CLEVER_CLIENT_ID and {PREFIX}CLEVER_CLIENT_SECRET"
            )
        return self


class _Environment(BaseSettings, Settings):
    """The settings from the environment and `.env`, each variable with the prefix ``ROSTERGUARD_``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", env_ignore_empty=True, extra="ignore")


def _content(file: Path) -> str:
    """Return the secret in a file, without the newline at its end; raises ``ValueError``."""
    try:
        secret = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"its file cannot be read: {type(error).__name__}") from None
    if not secret:
        raise ValueError("its file is empty")
    return secret


def read_settings() -> Settings:
    """Read the settings from the environment and `.env`; raises ``SettingsMistakes``."""
    try:
        return _Environment()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsMistakes([f".env: the file cannot be read: {type(error).__name__}"]) from None
    except ValidationError as error:
        raise SettingsMistakes([_line(found["loc"], found["msg"]) for found in error.errors()]) from None


def unknown_settings() -> list[str]:
    """Return the variables with our prefix that are not settings: probably misspelt.

    Variables that Kubernetes sets for a service named rosterguard, such as ``ROSTERGUARD_SERVICE_HOST`` and
    ``ROSTERGUARD_PORT_80_TCP``, are left out.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    there = {name.upper() for name in (*os.environ, *dotenv_values(".env"))}
    return sorted(name for name in there - known if name.startswith(PREFIX) and not _KUBERNETES.fullmatch(name))


def _line(path: tuple[int | str, ...], message: str) -> str:
    name = PREFIX + str(path[0]).upper() if path else "settings"
    return name + mistake_line(path[1:], message)
