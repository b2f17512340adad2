"""Verification of an OpenID provider's tokens: JWTs (RFC 7519), by RFC 8725 and RFC 9068 section 4."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cachetools import FIFOCache
from joserfc.errors import JoseError
from joserfc.jwa import JWSAlgModel
from joserfc.jws import CompactSignature, JWSRegistry, extract_compact, validate_compact
from joserfc.jwt import JWTClaimsRegistry

from app.auth.jwks import ALGORITHMS, Provider
from app.domain.callers import Caller, CallerScope, digest_of
from app.domain.ids import DistrictId
from app.domain.text import is_writable

Claims = Mapping[str, Any]

_KNOWN = {scope.value: scope for scope in CallerScope}

_INVISIBLE = re.compile(r"[^\x21-\x7e]+")

_LONGEST_NAME = 64


def caller_of(claims: Claims, issuer: str, districts_claim: str) -> Caller:
    """Return the caller of a token of ``issuer``; missing or malformed claims grant nothing.

    Its name is the client's: `client_id` (RFC 9068 section 2.2), or `azp`, which several providers use instead. `sub`
    may be a person, so it only identifies the caller and is never shown.
    """
    client = _text(claims.get("client_id")) or _text(claims.get("azp"))
    name = _INVISIBLE.sub("", client)[:_LONGEST_NAME] or "unnamed"
    digest = digest_of(issuer, "client", client) if client else digest_of(issuer, "sub", _text(claims.get("sub")))
    return Caller(name, digest, _scopes(claims), _districts(claims, districts_claim))


def _scopes(claims: Claims) -> frozenset[CallerScope]:
    """Return the known scopes of `scope` (RFC 8693 section 4.2), or of `scp`, which some providers use instead."""
    value = claims.get("scope", claims.get("scp"))
    scopes = value.split(" ") if isinstance(value, str) else _texts(value)
    return frozenset(_KNOWN[each] for each in scopes if each in _KNOWN)


def _districts(claims: Claims, claim: str) -> frozenset[DistrictId]:
    value = claims.get(claim)
    return frozenset(map(DistrictId, [value] if isinstance(value, str) else _texts(value)))


def _texts(value: object) -> Iterable[str]:
    return (each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


SKEW_SECONDS = 60
"""The greatest difference between the clocks of provider and service."""

KEPT_SECONDS = 300
"""How long a verified token is accepted without a new check of its key."""

MOST_KEPT = 10_000

LONGEST = 16 * 1024

_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})


class _Registry(JWSRegistry):
    """The accepted algorithms; the old name ``EdDSA`` means Ed25519 (RFC 9864)."""

    max_header_length = 4096  # the default of 512 is too short for the thumbprints that some providers add

    def get_alg(self, name: str) -> JWSAlgModel:
        """Return an algorithm; raises ``JoseError`` for one that is not accepted."""
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


# Unknown header parameters are ignored (RFC 7515 section 4), except critical ones.
_REGISTRY = _Registry(algorithms=list(ALGORITHMS), strict_check_header=False)


@dataclass(frozen=True, slots=True)
class Expected:
    """The issuer and audience that a token must have, and the claim with its districts."""

    issuer: str
    audience: str
    districts_claim: str


@dataclass(frozen=True, slots=True)
class _Verified:
    caller: Caller
    expires: float
    kept_until: float


class Tokens:
    """Finds the callers of one provider's tokens."""

    def __init__(
        self, expected: Expected, provider: Provider, *, clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        """Accept the tokens of ``provider``; ``clock`` is monotonic, ``wall`` gives Unix seconds."""
        self._expected = expected
        self._provider = provider
        self._clock = clock
        self._wall = wall
        self._verified: FIFOCache[bytes, _Verified] = FIFOCache(MOST_KEPT)

    async def caller(self, token: str) -> Caller | None:
        """Return the caller of a token, or None if it is invalid.

        Raises:
            ProviderUnreachable: it cannot be verified, since the provider's keys are unavailable.
        """
        if len(token) > LONGEST or not token.isascii():
            return None
        encoded = token.encode()
        known = self.known(encoded)
        if known is not None:
            return known
        self._verified.pop(_key(encoded), None)
        try:
            verified = await self._verify(token)
        except _REFUSALS:
            return None
        self._verified[_key(encoded)] = verified
        return verified.caller

    def known(self, token: bytes) -> Caller | None:
        """Return the caller of a token that was verified a moment ago and has not expired, else None."""
        try:
            known = self._verified[_key(token)]
        except KeyError:
            return None
        if self._clock() < known.kept_until and self._wall() < known.expires + SKEW_SECONDS:
            return known.caller
        return None

    async def _verify(self, token: str) -> _Verified:
        began = self._clock()
        signed = extract_compact(token.encode(), registry=_REGISTRY)
        kid, algorithm = _read_head(signed)
        key = await self._provider.key(kid, algorithm)
        if key is None or not validate_compact(signed, key, registry=_REGISTRY):
            raise _NotValid
        claims = _claims_in(signed)
        self._check(claims)
        caller = caller_of(claims, self._expected.issuer, self._expected.districts_claim)
        return _Verified(caller, claims["exp"], began + KEPT_SECONDS)

    def _check(self, claims: dict[str, Any]) -> None:
        # A token bound to a key of its holder (RFC 7800) is not a bearer token, and the binding cannot be checked here.
        if "cnf" in claims:
            raise _NotValid
        JWTClaimsRegistry(
            now=int(self._wall()),
            leeway=SKEW_SECONDS,
            iss={"essential": True, "value": self._expected.issuer},
            aud={"essential": True, "value": self._expected.audience},
            exp={"essential": True},
        ).validate(claims)


def _key(token: bytes) -> bytes:
    # The hash covers the whole token, so that a forged signature is another key.
    return hashlib.sha256(token).digest()


class _NotValid(Exception):
    """The token is invalid."""


# For odd input, such as a header that is not an object, the library raises built-in errors.
_REFUSALS = (_NotValid, JoseError, ValueError, TypeError, OverflowError, RecursionError)


def _read_head(signed: CompactSignature) -> tuple[str | None, str]:
    """Return key id and algorithm; raises ``_NotValid`` before any key is fetched."""
    head: object = signed.headers()
    if not isinstance(head, dict) or "crit" in head:
        raise _NotValid
    kid, algorithm, kind = head.get("kid"), head.get("alg"), head.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS or not (kid is None or isinstance(kid, str)):
        raise _NotValid
    # Other kinds of tokens, such as logout tokens, are not accepted (RFC 8725 section 3.11).
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise _NotValid
    return kid, algorithm


def _claims_in(signed: CompactSignature) -> dict[str, Any]:
    claims = json.loads(signed.payload)
    if not isinstance(claims, dict) or not is_writable(claims):
        raise _NotValid
    return claims
