"""Signs what is kept where others can write, with its time, so that nobody can invent a district admin there.

A signed text is one digit for the format, 16 digits for the time at which its content was read, the MAC, and the
content. The time is in clear and at a fixed position, since scripts in Redis compare it; a forged one is found when the
text is opened.
"""

import hashlib
import hmac
from typing import NamedTuple

FORMAT = b"1"

HEAD_BYTES = 17
"""The length of format and time; the time is in microseconds since 1970."""

CONTENT_AT = HEAD_BYTES + 16
"""Where the content begins: behind format, time and MAC."""

_NAME_BYTES = 16
_MICROSECONDS = 1_000_000


class Opened(NamedTuple):
    """What was signed, and when it was read, in Unix seconds."""

    content: bytes
    at: float


class Signer:
    """Signs and opens texts for one purpose; what was signed for another, or under another name, cannot be opened."""

    def __init__(self, secret: bytes, purpose: str) -> None:
        """Derive the key from ``secret``, for this one purpose."""
        self._key = _derived(secret, purpose)

    def signed(self, name: str, content: bytes, at: float) -> bytes:
        """Return ``content``, signed under ``name``."""
        head = FORMAT + b"%016d" % int(at * _MICROSECONDS)
        return head + self._mac(name, head, content) + content

    def opened(self, name: str, text: bytes) -> Opened | None:
        """Return what was signed under ``name``, or None if ``text`` is anything else."""
        head, mac, content = text[:HEAD_BYTES], text[HEAD_BYTES:CONTENT_AT], text[CONTENT_AT:]
        if not hmac.compare_digest(mac, self._mac(name, head, content)) or not head.startswith(FORMAT):
            return None
        return Opened(content, int(head[1:]) / _MICROSECONDS)

    def _mac(self, name: str, head: bytes, content: bytes) -> bytes:
        # The head has a fixed length, and the length of the name tells it from the content.
        named = name.encode()
        dated = head + len(named).to_bytes(2) + named
        return hashlib.blake2b(dated + content, digest_size=CONTENT_AT - HEAD_BYTES, key=self._key).digest()


class Names:
    """Hashes names, so that nobody without the secret knows whose they are: 32 hexadecimal digits."""

    def __init__(self, secret: bytes, purpose: str) -> None:
        """Derive the key from ``secret``, for this one purpose."""
        self._key = _derived(secret, purpose)

    def of(self, named: str) -> str:
        """Return the hash of a name."""
        return hashlib.blake2b(named.encode(), digest_size=_NAME_BYTES, key=self._key).hexdigest()


def _derived(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, f"rosterguard: {purpose}".encode(), "sha256")
