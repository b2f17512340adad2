"""The keys of an OpenID provider: those of its JWK Set (RFC 7517) with which tokens may be signed, and no others."""

import asyncio
import json
import logging
import math
import ssl
from collections.abc import Callable, Iterator, Mapping
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

ALGORITHMS: Mapping[str, tuple[str, str | None]] = MappingProxyType(
    {"RS256": ("RSA", None), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519"), "Ed25519": ("OKP", "Ed25519")}
)


"""The algorithms that are taken, and the type and curve of key that each goes with and no other (RFC 8725 section 3.1).

``Ed25519`` is what RFC 9864 calls ``EdDSA`` with a key of that curve.
"""


_MOST_KEYS = 100


_RSA_LETTERS = range(342, 1367)


"""How long a modulus of 2048 (RFC 7518 section 3.3) to 8192 bits is in base64; larger ones take long to check with."""


_READERS: Mapping[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}


_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}


def _or_none(entry: object, read: ValidatorFunctionWrapHandler) -> object:
    # A key that we cannot read leaves the others in use (RFC 7517 section 5).
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
        """Tell whether the provider means it for signatures."""
        return self.use in {None, "sig"} and (self.key_ops is None or "verify" in self.key_ops)

    def algorithms(self) -> frozenset[str]:
        """Return the algorithms that the key goes with; none for a key of another kind."""
        fitting = {name for name, (kty, crv) in ALGORITHMS.items() if kty == self.kty and crv in {None, self.crv}}
        return frozenset(fitting if self.alg is None else fitting & _same(self.alg))


def _same(algorithm: str) -> set[str]:
    return {"EdDSA", "Ed25519"} if algorithm in {"EdDSA", "Ed25519"} else {algorithm}


class WrittenKeySet(BaseModel):
    """A JWK Set as a provider sends it; what is no key that we know is read as None."""

    keys: list[Annotated[_Entry | None, WrapValidator(_or_none)]]


@dataclass(frozen=True, slots=True)
class _Usable:
    kid: str | None
    algorithms: frozenset[str]
    key: Key


class KeySet:
    """The public keys of a provider that tokens may be signed with."""

    def __init__(self, written: WrittenKeySet) -> None:
        """Take the usable ones of ``written``."""
        self._keys = tuple(_usable(written))

    def __len__(self) -> int:
        return len(self._keys)

    def key(self, kid: str | None, algorithm: str) -> Key | None:
        """Return the key of that id for an algorithm; without an id the only one there is for it, or None."""
        fitting = [each for each in self._keys if algorithm in each.algorithms and kid in {None, each.kid}]
        return fitting[0].key if len(fitting) == 1 or (fitting and kid is not None) else None


def _usable(written: WrittenKeySet) -> Iterator[_Usable]:
    for entry in written.keys[:_MOST_KEYS]:
        if entry is None or not entry.verifies() or not (algorithms := entry.algorithms()):
            continue
        key = _imported(entry)
        if key is not None:
            yield _Usable(entry.kid, algorithms, key)


def _imported(entry: _Entry) -> Key | None:
    """Read the public half of a key and nothing else that the entry says; None where that is no key."""
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
    """What the provider publishes could not be read.

    Attributes:
        word: why, in one fixed word: ``unreachable`` or ``garbled``.
    """

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def provider_client(trusted: ssl.SSLContext) -> httpx.AsyncClient:
    """Return a client for one reading of a provider, which has to be closed after it.

    A reading may be broken off, which may leave a connection that its pool counts as in use for ever.
    """
    return httpx.AsyncClient(
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        timeout=SECONDS,
        verify=trusted,
        # Plain http is for loopback, where no proxy of the environment is to be asked.
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
    # Unpacked it could be a thousand times as large, and we asked for it as it is.
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


"""How long keys are used without being read again."""


KEPT_SECONDS = 24 * 3600


"""How old keys may be that stay in use while the provider cannot be read."""


PATIENCE_SECONDS = 0.5


"""How long older keys wait for newer ones, before they are used meanwhile."""


PAUSE_SECONDS = 30


"""How long after a try keys are not read again, though a token names one that is not known or they are old."""


SHORT_PAUSE_SECONDS = float(ProviderUnreachable.retry_after)


"""The same where there are no keys at all."""


class _Configuration(BaseModel):
    """What a provider says of itself (OpenID Connect Discovery 1.0 section 3)."""

    issuer: StrictStr
    jwks_uri: StrictStr


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose tokens are taken.

    Attributes:
        name: the issuer as its tokens name it, to the letter; a URL.
        key_set_url: where its keys are; None where it says so itself, below its name.
        may_ask: tells of a URL that a provider names whether it may be asked.
    """

    name: str
    key_set_url: str | None
    may_ask: Callable[[str], bool]


class Provider:
    """The keys of an OpenID provider.

    Attributes:
        state: `ok`, `not_asked`, or why its keys could not be read the last time: `unreachable`, `garbled`.
    """

    def __init__(
        self,
        issuer: Issuer,
        clock: Callable[[], float],
        seconds: float = SECONDS,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """Ask nothing yet.

        Args:
            issuer: whose keys they are.
            clock: tells seconds that only go forward.
            seconds: how many reading keys takes at most.
            patience: for how many of them it is waited where there are older keys.
        """
        self.state = "not_asked"
        self._issuer = issuer
        self._clock = clock
        self._seconds = seconds
        self._patience = patience
        self._trusted = httpx.create_ssl_context()
        self._keys: KeySet | None = None
        self._read_at = self._tried_at = -math.inf
        self._reading: asyncio.Task[None] | None = None

    async def key(self, kid: str | None, algorithm: str) -> Key | None:
        """Return the provider's key of an id for an algorithm, or None where it has none such.

        Raises:
            ProviderUnreachable: no keys are known, and they cannot be read.
        """
        keys = await self._current()
        found = keys.key(kid, algorithm)
        if found is None:
            # It may have come to sign with another one.
            await self._read_again()
            found = (self._keys or keys).key(kid, algorithm)
        return found

    async def aclose(self) -> None:
        """Break off what is being read."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})

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
        """Read the keys, once for all who want it and not too often; where that fails what there was stays.

        It goes on when it takes longer than the ``patience`` of who wants it.
        """
        if self._reading is None and self._may_try():
            self._reading = asyncio.create_task(self._take_what_is_read())
        if self._reading is not None:
            await asyncio.wait({self._reading}, timeout=patience)

    async def _take_what_is_read(self) -> None:
        self._tried_at = began = self._clock()
        try:
            async with asyncio.timeout(self._seconds):
                self._keys = await self._read()
        except TimeoutError:
            self._failed("unreachable")
        except NotRead as error:
            self._failed(error.word)
        else:
            self.state, self._read_at = "ok", began
        finally:
            self._reading = None

    def _failed(self, word: str) -> None:
        if self.state != word:
            message = "the keys of the OpenID provider cannot be read: %s"
            log_event(Event.OIDC_KEYS_UNAVAILABLE, logging.WARNING, message, word, outcome=word)
        self.state = word

    async def _read(self) -> KeySet:
        async with provider_client(self._trusted) as client:
            url = self._issuer.key_set_url or await self._named_url(client)
            said = await read_json(client, url)
        try:
            keys = KeySet(WrittenKeySet.model_validate(said))
        except ValidationError as error:
            raise NotRead("garbled") from error
        if not keys:
            raise NotRead("garbled")
        return keys

    async def _named_url(self, client: httpx.AsyncClient) -> str:
        """Ask the provider where its keys are (OpenID Connect Discovery 1.0 section 4)."""
        said = await read_json(client, f"{self._issuer.name.rstrip('/')}/.well-known/openid-configuration")
        try:
            configuration = _Configuration.model_validate(said)
        except ValidationError as error:
            raise NotRead("garbled") from error
        # Section 4.3: else one provider could speak for another.
        if configuration.issuer != self._issuer.name or not self._issuer.may_ask(configuration.jwks_uri):
            raise NotRead("garbled")
        return configuration.jwks_uri
