"""Finds the caller of a credential, be it an API key or a token of the OpenID provider."""

from app.auth.api_keys import Keys
from app.auth.jwt import Tokens
from app.domain.callers import Caller

_DOTS_IN_TOKEN = 2


class Credentials:
    """Finds callers by API key or token."""

    def __init__(self, keys: Keys, tokens: Tokens | None) -> None:
        """Take the API keys, and the tokens if there is a provider."""
        self._keys = keys
        self._tokens = tokens

    def known(self, presented: bytes) -> Caller | None:
        """Return the caller of a credential, or None if it is not valid or that is not known at once."""
        known = self._tokens.known(presented) if self._tokens is not None and b"." in presented else None
        return known or self._keys.caller(presented)

    async def caller(self, presented: str) -> Caller | None:
        """Return the caller of a credential, or None if it is not valid.

        Raises:
            ProviderUnreachable: it looks like a token, and no token can be verified just now.
        """
        caller = self._keys.caller(presented.encode(errors="surrogatepass"))
        if caller is None and self._tokens is not None and presented.count(".") == _DOTS_IN_TOKEN:
            return await self._tokens.caller(presented)
        return caller
