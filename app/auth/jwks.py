"""The signing keys of an OpenID provider, from its JWK Set (RFC 7517)."""

import asyncio
import json
import logging
import math
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated

import httpx
from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from pydantic import BaseModel, StrictStr, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from app.domain.errors import ProviderUnreachable
from app.domain.text import is_writable
from app.telemetry import Event, log_event
from app.waiting import SingleFlight

ALGORITHMS: Mapping[str, tuple[str, str | None]] = MappingProxyType(
    {"RS256": ("RSA", None), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519"), "Ed25519": ("OKP", "Ed25519")}
)
"""The accepted algorithms, each with its only type and curve of key (RFC 8725 section 3.1).

RFC 9864 names ``EdDSA`` with an Ed25519 key ``Ed25519``.
"""

_MOST_KEYS = 100

_RSA_LETTERS = range(342, 1367)
"""Base64 lengths of a modulus of 2048 (RFC 7518 section 3.3) to 8192 bits; larger ones are slow to verify with."""

_READERS: Mapping[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}

_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}


def _or_none(entry: object, read: ValidatorFunctionWrapHandler) -> object:
    # An unreadable key does not prevent the use of the others (RFC 7517 section 5).
    try:
        return read(entry)
    except ValidationError:
        return None


class _Entry(BaseModel):
    kty: StrictStr
    kid: StrictStr | None = None
    use: StrictStr | None = None
    alg: StrictStr | None = None
    key_ops: list[StrictStr] | None = None
    crv: StrictStr | None = None
    n: StrictStr | None = None
    e: StrictStr | None = None
    x: StrictStr | None = None
    y: StrictStr | None = None

    def verifies(self) -> bool:
        """Whether the key is for signatures."""
        return self.use in {None, "sig"} and (self.key_ops is None or "verify" in self.key_ops)

    def algorithms(self) -> frozenset[str]:
        """Return the algorithms that the key may be used with; none for a key of another kind."""
        fitting = {name for name, (kty, crv) in ALGORITHMS.items() if kty == self.kty and crv in {None, self.crv}}
        return frozenset(fitting if self.alg is None else fitting & _same(self.alg))


def _same(algorithm: str) -> set[str]:
    return {"EdDSA", "Ed25519"} if algorithm in {"EdDSA", "Ed25519"} else {algorithm}


class JwkSet(BaseModel):
    """A JWK Set as a provider sends it; an entry of an unknown kind is read as None."""

    keys: list[Annotated[_Entry | None, WrapValidator(_or_none)]]


@dataclass(frozen=True, slots=True)
class _Usable:
    kid: str | None
    algorithms: frozenset[str]
    key: Key


class KeySet:
    """The usable public keys of a provider."""

    def __init__(self, written: JwkSet) -> None:
        """Keep the usable keys of a JWK Set."""
        self._keys = tuple(_usable(written))

    def __len__(self) -> int:
        return len(self._keys)

    def key(self, kid: str | None, algorithm: str) -> Key | None:
        """Return the key with this id for an algorithm, without an id its only key; else None."""
        fitting = [each for each in self._keys if algorithm in each.algorithms and kid in {None, each.kid}]
        return fitting[0].key if len(fitting) == 1 or (fitting and kid is not None) else None


def _usable(written: JwkSet) -> Iterator[_Usable]:
    for entry in written.keys[:_MOST_KEYS]:
        if entry is None or not entry.verifies() or not (algorithms := entry.algorithms()):
            continue
        key = _imported(entry)
        if key is not None:
            yield _Usable(entry.kid, algorithms, key)


def _imported(entry: _Entry) -> Key | None:
    """Return the public half of a key, or None if the entry holds none; its other members are ignored."""
    members = {member: getattr(entry, member) for member in _MEMBERS[entry.kty]}
    if None in members.values() or (entry.n is not None and len(entry.n) not in _RSA_LETTERS):
        return None
    try:
        return _READERS[entry.kty].import_key({"kty": entry.kty} | members)
    except (JoseError, ValueError, UnsupportedAlgorithm):
        return None


MOST_BYTES = 256 * 1024

SECONDS = 5.0


class NotRead(Exception):
    """The provider's keys could not be read.

    Attributes:
        outcome: why: ``unreachable`` or ``garbled``.
    """

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def provider_client(trusted: ssl.SSLContext) -> httpx.AsyncClient:
    """Return a client for one fetch, to be closed after it.

    If a fetch is cancelled, a pool may count its connection as in use for ever.
    """
    return httpx.AsyncClient(
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        timeout=SECONDS,
        verify=trusted,
        # Plain http is for loopback, where no proxy may be used.
        mounts={"http://": httpx.AsyncHTTPTransport(verify=trusted)},
        follow_redirects=False,
    )


async def read_json(client: httpx.AsyncClient, url: str) -> object:
    """GET a URL and return the JSON there; raises ``NotRead``."""
    try:
        async with client.stream("GET", url) as answer:
            if answer.status_code != httpx.codes.OK:
                raise NotRead("unreachable")
            return _parsed(await _bounded(answer))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotRead("unreachable") from error


async def _bounded(answer: httpx.Response) -> bytes:
    # Unpacked it could be a thousand times as large; the request asked for no compression.
    packings = answer.headers.get_list("content-encoding", split_commas=True)
    if any(packing.strip().lower() not in {"", "identity"} for packing in packings):
        raise NotRead("garbled")
    body = bytearray()
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > MOST_BYTES:
            raise NotRead("garbled")
    return bytes(body)


def _parsed(body: bytes) -> object:
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotRead("garbled") from error
    if not is_writable(parsed):
        raise NotRead("garbled")
    return parsed


FRESH_SECONDS = 600
"""How long keys are used before they are fetched again."""

KEPT_SECONDS = 24 * 3600
"""How long keys stay in use while the provider cannot be reached."""

PATIENCE_SECONDS = 0.5
"""How long a request waits for newer keys before it uses the older ones."""

PAUSE_SECONDS = 30
"""The shortest time between two fetches, even if a token names an unknown key."""

SHORT_PAUSE_SECONDS = float(ProviderUnreachable.retry_after)
"""The same while there are no keys at all."""


class _Configuration(BaseModel):
    """A provider's configuration (OpenID Connect Discovery 1.0 section 3)."""

    issuer: StrictStr
    jwks_uri: StrictStr


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose tokens are accepted.

    Attributes:
        name: the issuer, exactly as its tokens name it; a URL.
        key_set_url: the URL of its keys; None to read it from its configuration.
        may_ask: whether a URL from its configuration may be requested.
    """

    name: str
    key_set_url: str | None
    may_ask: Callable[[str], bool]


class Provider:
    """The keys of an OpenID provider.

    Attributes:
        state: `ok`, `not_asked`, or why the last fetch failed: `unreachable`, `garbled`.
        seconds: the time limit of a fetch.
    """

    def __init__(
        self,
        issuer: Issuer,
        clock: Callable[[], float],
        seconds: float = SECONDS,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """Fetch nothing yet.

        Args:
            issuer: whose keys they are.
            clock: a monotonic clock, in seconds.
            seconds: the time limit of a fetch.
            patience: how many seconds a request waits for a fetch if there are older keys.
        """
        self.state = "not_asked"
        self._issuer = issuer
        self._clock = clock
        self.seconds = seconds
        self._patience = patience
        self._trusted = httpx.create_ssl_context()
        self._keys: KeySet | None = None
        self._read_at = self._tried_at = -math.inf
        self._fetching = SingleFlight(self._fetch)

    async def key(self, kid: str | None, algorithm: str) -> Key | None:
        """Return the provider's key with an id for an algorithm, or None if it has none.

        Raises:
            ProviderUnreachable: no keys are known, and they cannot be fetched.
        """
        keys = await self._current()
        found = keys.key(kid, algorithm)
        if found is None:
            # The provider may have a new key.
            await self._read_again()
            found = (self._keys or keys).key(kid, algorithm)
        return found

    async def aclose(self) -> None:
        """Cancel the fetch in progress."""
        await self._fetching.aclose()

    async def _current(self) -> KeySet:
        if self._age() > KEPT_SECONDS:
            await self._read_again()
        elif self._age() > FRESH_SECONDS:
            await self._read_again(self._patience)
        if self._keys is None or self._age() > KEPT_SECONDS:
            raise ProviderUnreachable
        return self._keys

    def _age(self) -> float:
        return self._clock() - self._read_at

    def _may_try(self) -> bool:
        pause = PAUSE_SECONDS if self._age() <= KEPT_SECONDS else SHORT_PAUSE_SECONDS
        return self._clock() - self._tried_at >= pause

    async def _read_again(self, patience: float | None = None) -> None:
        """Join the fetch in progress, or start one unless the last was a moment ago; wait ``patience`` seconds at most.

        The fetch goes on if nobody waits for it. If it fails, the keys before stay.
        """
        if self._fetching.is_over() and not self._may_try():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._fetching.join()

    async def _fetch(self) -> None:
        self._tried_at = began = self._clock()
        try:
            async with asyncio.timeout(self.seconds):
                self._keys = await self._read()
        except TimeoutError:
            self._failed("unreachable")
        except NotRead as error:
            self._failed(error.outcome)
        else:
            self.state, self._read_at = "ok", began

    def _failed(self, outcome: str) -> None:
        if self.state != outcome:
            message = "the keys of the OpenID provider cannot be read: %s"
            log_event(Event.OIDC_KEYS_UNAVAILABLE, logging.WARNING, message, outcome, outcome=outcome)
        self.state = outcome

    async def _read(self) -> KeySet:
        async with provider_client(self._trusted) as client:
            url = self._issuer.key_set_url or await self._discovered_url(client)
            content = await read_json(client, url)
        try:
            keys = KeySet(JwkSet.model_validate(content))
        except ValidationError as error:
            raise NotRead("garbled") from error
        if not keys:
            raise NotRead("garbled")
        return keys

    async def _discovered_url(self, client: httpx.AsyncClient) -> str:
        """Return the URL of the keys in the provider's configuration (OpenID Connect Discovery 1.0 section 4)."""
        content = await read_json(client, f"{self._issuer.name.rstrip('/')}/.well-known/openid-configuration")
        try:
            configuration = _Configuration.model_validate(content)
        except ValidationError as error:
            raise NotRead("garbled") from error
        # Section 4.3: otherwise one provider could speak for another.
        if configuration.issuer != self._issuer.name or not self._issuer.may_ask(configuration.jwks_uri):
            raise NotRead("garbled")
        return configuration.jwks_uri
