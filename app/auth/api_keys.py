"""The API keys in force: callers by the SHA-256 of each of their keys, replaced whole."""

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
    """A key that a caller may present, known by its SHA-256; a caller may have several, while one replaces another.

    A random key of 256 bits needs no slow hash: there is nothing to be guessed.
    """

    sha256: bytes
    caller: Caller


def key_of(name: str, sha256: str, scopes: Iterable[str], districts: Iterable[str] | None) -> Key:
    """Return the key of an entry as operators write it, ``sha256`` in hex; raises ``ValueError`` for no scope."""
    theirs = None if districts is None else frozenset(map(DistrictId, districts))
    caller = Caller(name, digest_of("api key", name), frozenset(map(CallerScope, scopes)), theirs)
    return Key(bytes.fromhex(sha256), caller)


class Keys:
    """The keys in force.

    Attributes:
        state: how they fare where a file says them: `ok`; `outdated`, while it cannot be used and what it said before
            is in force; `unusable`, while there is nothing to be in force and every key is refused.
    """

    def __init__(self) -> None:
        """Begin without keys."""
        self.state: KeysState = "unusable"
        self._known: tuple[tuple[bytes, Caller], ...] = ()

    def take(self, keys: Iterable[Key]) -> None:
        """Let in whoever presents one of ``keys`` from now on, and nobody else."""
        self._known = tuple((key.sha256, key.caller) for key in keys)
        self.state = "ok"

    def refuse(self) -> None:
        """Go on with what there was; its file has become unfit for use."""
        self.state = "unusable" if self.state == "unusable" else "outdated"

    def caller(self, presented: bytes) -> Caller | None:
        """Return whose key was presented, or None; the time taken depends on how many keys there are alone."""
        sha256 = hashlib.sha256(presented).digest()
        found = None
        for known, caller in self._known:
            # Each is compared, and each in constant time, so that nothing is told of which one came close.
            if hmac.compare_digest(known, sha256):
                found = caller
        return found
