"""Tokens of an OpenID provider: JWTs (RFC 7519), verified by RFC 8725 and RFC 9068 section 4."""

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
    """Return the caller that a token of ``issuer`` stands for; claims that are missing or malformed grant nothing.

    Its name is that of the client: `client_id` (RFC 9068 section 2.2), or `azp`, which several providers write instead.
    `sub` may be a person, so it tells callers apart but is not shown anywhere.
    """
    client = _text(claims.get("client_id")) or _text(claims.get("azp"))
    name = _INVISIBLE.sub("", client)[:_LONGEST_NAME] or "unnamed"
    digest = digest_of(issuer, "client", client) if client else digest_of(issuer, "sub", _text(claims.get("sub")))
    return Caller(name, digest, _scopes(claims), _districts(claims, districts_claim))


def _scopes(claims: Claims) -> frozenset[CallerScope]:
    """Return the known scopes of `scope` (RFC 8693 section 4.2), or of `scp`, which some providers write instead."""
    said = claims.get("scope", claims.get("scp"))
    named = said.split(" ") if isinstance(said, str) else _texts(said)
    return frozenset(_KNOWN[each] for each in named if each in _KNOWN)


def _districts(claims: Claims, named: str) -> frozenset[DistrictId]:
    said = claims.get(named)
    return frozenset(map(DistrictId, [said] if isinstance(said, str) else _texts(said)))


def _texts(said: object) -> Iterable[str]:
    return (each for each in said if isinstance(each, str)) if isinstance(said, list) else ()


def _text(said: object) -> str:
    return said if isinstance(said, str) else ""


SKEW_SECONDS = 60
"""How far the clocks of provider and service may differ."""

KEPT_SECONDS = 300
"""How long a verified token is accepted without being verified again; after that a removed key counts."""

MOST_KEPT = 10_000

LONGEST = 16 * 1024

_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})


class _Registry(JWSRegistry):
    """The accepted algorithms; also under its old name, ``EdDSA``, Ed25519 is bound to its curve (RFC 9864)."""

    max_header_length = 4096  # the default of 512 is too short for the thumbprints that some providers add

    def get_alg(self, name: str) -> JWSAlgModel:
        """Return an algorithm; raises ``JoseError`` for one that is not accepted."""
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


# Unknown header parameters are ignored (RFC 7515 section 4), except critical ones.
_REGISTRY = _Registry(algorithms=list(ALGORITHMS), strict_check_header=False)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token has to contain exactly: its issuer and its audience; and the claim that names districts."""

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
        """Accept the tokens of ``provider``; ``clock`` tells seconds that only go forward, ``wall`` Unix seconds."""
        self._expected = expected
        self._provider = provider
        self._clock = clock
        self._wall = wall
        self._verified: FIFOCache[bytes, _Verified] = FIFOCache(MOST_KEPT)

    async def caller(self, token: str) -> Caller | None:
        """Return the caller of a token, or None if it is not valid.

        Raises:
            ProviderUnreachable: it cannot be verified, since the provider's keys are not known.
        """
        if len(token) > LONGEST or not token.isascii():
            return None
        said = token.encode()
        known = self.known(said)
        if known is not None:
            return known
        self._verified.pop(_key(said), None)
        try:
            verified = await self._verify(token)
        except _REFUSALS:
            return None
        self._verified[_key(said)] = verified
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
        # A token that is bound to a key of its holder (RFC 7800) is no bearer token; that key cannot be checked here.
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
    # Of the whole token: two that differ in their signature only are different.
    return hashlib.sha256(token).digest()


class _NotValid(Exception):
    """The token is refused."""


# For odd input, such as a header that is not an object, the library raises Python's own errors.
_REFUSALS = (_NotValid, JoseError, ValueError, TypeError, OverflowError, RecursionError)


def _read_head(signed: CompactSignature) -> tuple[str | None, str]:
    """Return key id and algorithm, before any key is fetched; raises ``_NotValid``."""
    head: object = signed.headers()
    if not isinstance(head, dict) or "crit" in head:
        raise _NotValid
    kid, algorithm, kind = head.get("kid"), head.get("alg"), head.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS or not (kid is None or isinstance(kid, str)):
        raise _NotValid
    # Other tokens that the provider signs, such as a logout token, are not for this service (RFC 8725 section 3.11).
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise _NotValid
    return kid, algorithm


def _claims_in(signed: CompactSignature) -> dict[str, Any]:
    claims = json.loads(signed.payload)
    if not isinstance(claims, dict) or not is_writable(claims):
        raise _NotValid
    return claims
