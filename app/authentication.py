"""The wiring of authentication: API keys and the OpenID provider from the settings."""

import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from app.api.authentication import CallerOf, Known
from app.auth.api_key_file import ApiKey, KeyListMistakes, mistakes_in, read_keys
from app.auth.api_keys import Key, Keys, key_of
from app.auth.jwks import Issuer, Provider
from app.auth.jwt import Expected, Tokens
from app.domain.callers import Caller
from app.domain.ids import IdShape
from app.roster.ports import Clock
from app.settings import Settings, SettingsMistakes
from app.telemetry import Event, log_event
from app.urls import is_safe_address
from app.watched_file import FileWatch, Unreadable

MOST_LOGGED = 10
"""The most mistakes in a file of keys that are logged."""

_DOTS_IN_TOKEN = 2


class Credentials:
    """Finds callers by API key or token."""

    def __init__(self, keys: Keys, tokens: Tokens | None) -> None:
        """Take the API keys, and the tokens if there is a provider."""
        self._keys = keys
        self._tokens = tokens

    def known(self, presented: bytes) -> Caller | None:
        """Return the caller of a credential, or None if it is invalid or has to be verified first."""
        known = self._tokens.known(presented) if self._tokens is not None and b"." in presented else None
        return known or self._keys.caller(presented)

    async def caller(self, presented: str) -> Caller | None:
        """Return the caller of a credential, or None if it is invalid.

        Raises:
            ProviderUnreachable: it looks like a token, and no token can be verified now.
        """
        caller = self._keys.caller(presented.encode(errors="surrogatepass"))
        if caller is None and self._tokens is not None and presented.count(".") == _DOTS_IN_TOKEN:
            return await self._tokens.caller(presented)
        return caller


@dataclass(frozen=True, slots=True)
class Authentication:
    """How callers are authenticated.

    Attributes:
        caller_of: returns the caller of a credential; None to let anyone in.
        known: returns the caller of an API key or an already verified token; None to let anyone in.
        parts: the status of each part that can fail, for `/readyz`.
        watch: the file of keys, if there is one.
        provider: the OpenID provider, if there is one.
    """

    caller_of: CallerOf | None
    known: Known | None
    parts: Mapping[str, Callable[[], str]]
    watch: FileWatch[Sequence[Key]] | None = None
    provider: Provider | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Watch the file of keys until the end of the block."""
        async with AsyncExitStack() as stack:
            if self.provider is not None:
                stack.push_async_callback(self.provider.aclose)
            if self.watch is not None:
                await stack.enter_async_context(self.watch.looking())
            yield


def authentication_of(settings: Settings, *, no_auth: bool, clock: Clock, wall: Clock) -> Authentication:
    """Return the authentication of a deployment; a file of keys is read later, when the service starts.

    Raises:
        SettingsMistakes: keys do not fit the deployment, or neither keys nor ``no_auth`` is given, or both are.
    """
    file, provider = settings.api_keys_file, _provider(settings, clock)
    if no_auth == bool(settings.api_keys or file or provider):
        found = "both are there" if no_auth else "neither is there"
        raise SettingsMistakes([f"ROSTERGUARD_API_KEYS: give API keys, or --no-auth on loopback: {found}"])
    if no_auth:
        return Authentication(None, None, {})
    keys = Keys()
    parts: dict[str, Callable[[], str]] = {}
    if file is None:
        keys.take(_keys(settings.api_keys, settings, "ROSTERGUARD_API_KEYS"))
    else:
        parts["keys"] = lambda: keys.state
    if provider is not None:
        parts["provider"] = lambda: provider.state
    tokens = None if provider is None else Tokens(_expected(settings), provider, clock=clock, wall=wall)
    watch = None if file is None else _watch(file, keys, settings)
    credentials = Credentials(keys, tokens)
    return Authentication(credentials.caller, credentials.known, parts, watch, provider)


def check_keys_file(settings: Settings) -> None:
    """Check the file of keys, if there is one; raises ``SettingsMistakes``."""
    if settings.api_keys_file is None:
        return
    try:
        _read(settings.api_keys_file.read_bytes(), settings)
    except OSError as error:
        raise SettingsMistakes([f"{_FILE}: the file cannot be read: {type(error).__name__}"]) from error


_FILE = "ROSTERGUARD_API_KEYS_FILE"


def _watch(file: Path, keys: Keys, settings: Settings) -> FileWatch[Sequence[Key]]:
    def take(read: Sequence[Key]) -> None:
        keys.take(read)
        message = "the file of API keys is in force: keys=%d"
        log_event(Event.API_KEYS_LOADED, logging.INFO, message, len(read), keys=len(read))

    def refuse(error: BaseException) -> None:
        keys.refuse()
        unreadable = str(error) if isinstance(error, Unreadable) else type(error).__name__
        lines = error.lines if isinstance(error, SettingsMistakes) else [unreadable]
        shown = lines[:MOST_LOGGED]
        message = "the file of API keys cannot be used: %s"
        log_event(Event.API_KEYS_REJECTED, logging.ERROR, message, "; ".join(shown), mistakes=shown)

    return FileWatch(file, lambda content: _read(content, settings), take, refuse)


def _read(content: bytes, settings: Settings) -> Sequence[Key]:
    try:
        return _keys(read_keys(content), settings, _FILE)
    except KeyListMistakes as error:
        raise SettingsMistakes([_FILE + line for line in error.lines]) from error


def _keys(entries: Sequence[ApiKey], settings: Settings, setting: str) -> Sequence[Key]:
    shape = IdShape(re.compile(settings.id_pattern))
    several = settings.clever_client_id is not None
    if lines := [setting + line for line in mistakes_in(entries, several_districts=several, fits=shape.fits)]:
        raise SettingsMistakes(lines)
    return [key_of(entry.name, entry.sha256, entry.scopes, entry.districts) for entry in entries]


def _provider(settings: Settings, clock: Clock) -> Provider | None:
    if settings.oidc_issuer is None:
        return None
    return Provider(Issuer(settings.oidc_issuer, settings.oidc_jwks_url, is_safe_address), clock)


def _expected(settings: Settings) -> Expected:
    return Expected(settings.oidc_issuer or "", settings.oidc_audience or "", settings.oidc_districts_claim or "")
