"""What stands where others can write: dated, and under a MAC, so that whoever writes there makes no district admins.

A sealed text is a letter for the format, when its content began in 16 digits, the MAC, and the content. The time stands
in clear and in one place, since scripts in Redis compare it; a forged one is found out by whoever opens the text.
"""

import hashlib
import hmac
from typing import NamedTuple

FORMAT = b"1"

HEAD_BYTES = 17
"""The format, and microseconds since 1970 in digits."""

CONTENT_AT = HEAD_BYTES + 16
"""Where the content begins, behind head and MAC."""

_NAME_BYTES = 16
_MICROSECONDS = 1_000_000


class Opened(NamedTuple):
    """What was sealed, and when it began, in Unix seconds."""

    content: bytes
    at: float


class Signer:
    """Seals and opens texts of one purpose; what was sealed for another, or under another name, cannot be opened."""

    def __init__(self, secret: bytes, purpose: str) -> None:
        """Derive the key from ``secret``, for this one purpose."""
        self._key = _derived(secret, purpose)

    def sealed(self, name: str, content: bytes, at: float) -> bytes:
        """Return ``content`` sealed under ``name``."""
        head = FORMAT + b"%016d" % int(at * _MICROSECONDS)
        return head + self._mac(name, head, content) + content

    def opened(self, name: str, text: bytes) -> Opened | None:
        """Return what was sealed under ``name``, or None for anything else."""
        head, mac, content = text[:HEAD_BYTES], text[HEAD_BYTES:CONTENT_AT], text[CONTENT_AT:]
        if not hmac.compare_digest(mac, self._mac(name, head, content)) or not head.startswith(FORMAT):
            return None
        return Opened(content, int(head[1:]) / _MICROSECONDS)

    def _mac(self, name: str, head: bytes, content: bytes) -> bytes:
        # The head has one length, and the name is told from the content by its own.
        named = name.encode()
        dated = head + len(named).to_bytes(2) + named
        return hashlib.blake2b(dated + content, digest_size=CONTENT_AT - HEAD_BYTES, key=self._key).digest()


class Names:
    """Names of things that tell nobody without the secret what they are of: 32 hexadecimal digits."""

    def __init__(self, secret: bytes, purpose: str) -> None:
        """Derive the key from ``secret``, for this one purpose."""
        self._key = _derived(secret, purpose)

    def of(self, named: str) -> str:
        """Return the name of something."""
        return hashlib.blake2b(named.encode(), digest_size=_NAME_BYTES, key=self._key).hexdigest()


def _derived(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, f"rosterguard: {purpose}".encode(), "sha256")
