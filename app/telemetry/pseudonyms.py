"""Ids in logs, or what stands in for them: the same for the same id, and of no use to whoever lacks the key."""

import hashlib
import hmac
from collections.abc import Callable
from functools import lru_cache

Told = Callable[[str], str]
"""Returns what logs say in the place of an id."""

_DIGEST_BYTES = 12
_REMEMBERED = 10_000


def hashed(secret: bytes) -> Told:
    """Return a keyed hash of ids, 24 hexadecimal digits; the key is derived from ``secret`` for this one purpose."""
    key = hmac.digest(secret, b"rosterguard: ids in logs", "sha256")

    @lru_cache(maxsize=_REMEMBERED)
    def told(named: str) -> str:
        return hashlib.blake2b(named.encode(), digest_size=_DIGEST_BYTES, key=key).hexdigest()

    return told


def plain(named: str) -> str:
    """Return an id as it is."""
    return named
