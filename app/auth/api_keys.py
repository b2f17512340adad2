"""The API keys in force, found by their SHA-256."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from app.domain.callers import Caller, CallerScope, digest_of
from app.domain.ids import DistrictId

KeysState = Literal["ok", "outdated", "unusable"]


@dataclass(frozen=True, slots=True)
class Key:
    """An API key and its caller. A random key of 256 bits needs no slow hash: it cannot be guessed."""

    sha256: bytes
    caller: Caller


def key_of(name: str, sha256: str, scopes: Iterable[str], districts: Iterable[str] | None) -> Key:
    """Return the key of an entry in the list; raises ``ValueError`` for an unknown scope."""
    allowed = None if districts is None else frozenset(map(DistrictId, districts))
    caller = Caller(name, digest_of("api key", name), frozenset(map(CallerScope, scopes)), allowed)
    return Key(bytes.fromhex(sha256), caller)


class Keys:
    """The keys in force.

    Attributes:
        state: `ok`; `outdated` if their file is invalid and the keys before are still in force; `unusable` if there are
            none, and every key is refused.
    """

    def __init__(self) -> None:
        """Begin without keys."""
        self.state: KeysState = "unusable"
        self._known: tuple[tuple[bytes, Caller], ...] = ()

    def take(self, keys: Iterable[Key]) -> None:
        """Replace the keys in force."""
        self._known = tuple((key.sha256, key.caller) for key in keys)
        self.state = "ok"

    def refuse(self) -> None:
        """Note that the file is invalid; the keys before stay in force."""
        self.state = "unusable" if self.state == "unusable" else "outdated"

    def caller(self, presented: bytes) -> Caller | None:
        """Return the caller of a key, or None; the time this takes depends on the number of keys alone."""
        sha256 = hashlib.sha256(presented).digest()
        found = None
        for known, caller in self._known:
            # All keys are compared, each in constant time, so that the time reveals nothing about any of them.
            if hmac.compare_digest(known, sha256):
                found = caller
        return found
