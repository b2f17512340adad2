"""The keys of an OpenID provider: those of its JWK Set (RFC 7517) with which tokens may be signed, and no others."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from pydantic import BaseModel, StrictStr, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

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
