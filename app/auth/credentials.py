"""Whatever a caller may present: an API key, or a token of the provider where there is one."""

from app.auth.api_keys import Keys
from app.auth.jwt import Tokens
from app.domain.callers import Caller

_DOTS_IN_TOKEN = 2


class Credentials:
    """Tells who presents what."""

    def __init__(self, keys: Keys, tokens: Tokens | None) -> None:
        """Know callers by ``keys``, and by ``tokens`` where they are taken."""
        self._keys = keys
        self._tokens = tokens

    def known(self, presented: bytes) -> Caller | None:
        """Return who presents it, or None where it is not valid or cannot be told at once."""
        known = self._tokens.known(presented) if self._tokens is not None and b"." in presented else None
        return known or self._keys.caller(presented)

    async def caller(self, presented: str) -> Caller | None:
        """Return who presents it, or None.

        Raises:
            ProviderUnreachable: it looks like a token, and none can be judged just now.
        """
        caller = self._keys.caller(presented.encode(errors="surrogatepass"))
        if caller is None and self._tokens is not None and presented.count(".") == _DOTS_IN_TOKEN:
            return await self._tokens.caller(presented)
        return caller
