"""An OpenID provider, as far as we know it: its keys, read when they are wanted and kept while it cannot be reached."""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from joserfc.jwk import Key
from pydantic import BaseModel, StrictStr, ValidationError

from app.domain.errors import ProviderUnreachable
from app.identity.fetching import SECONDS, NotRead, provider_client, read_json
from app.identity.key_set import KeySet, WrittenKeySet

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

_log = logging.getLogger("rosterguard")


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
            _log.warning("the keys of the OpenID provider cannot be read: %s", word)
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
