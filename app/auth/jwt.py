"""Tokens of an OpenID provider: JWTs (RFC 7519), judged as RFC 8725 and RFC 9068 section 4 want it."""

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
    """Return the caller that a token of ``issuer`` speaks for; claims that are absent or odd give nothing.

    It is called by its client: `client_id` in access tokens as RFC 9068 section 2.2 has them, else `azp`, as several
    providers write instead. `sub` may be a person, and so tells callers apart and is not told anywhere.
    """
    client = _text(claims.get("client_id")) or _text(claims.get("azp"))
    name = _INVISIBLE.sub("", client)[:_LONGEST_NAME] or "unnamed"
    digest = digest_of(issuer, "client", client) if client else digest_of(issuer, "sub", _text(claims.get("sub")))
    return Caller(name, digest, _scopes(claims), _districts(claims, districts_claim))


def _scopes(claims: Claims) -> frozenset[CallerScope]:
    """Return the scopes of `scope` (RFC 8693 section 4.2), or of `scp`, as others write; of what is known."""
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


"""By how much the clocks of provider and service may differ."""


KEPT_SECONDS = 300


"""How long a token is taken without being verified again, so that one whose key is gone is refused soon."""


MOST_KEPT = 10_000


LONGEST = 16 * 1024


_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})


class _Registry(JWSRegistry):
    """The algorithms that are taken; under its old name the one that RFC 9864 renamed is bound to its curve, too."""

    max_header_length = 4096  # the usual 512 have no room for the thumbprints that some providers send along

    def get_alg(self, name: str) -> JWSAlgModel:
        """Return an algorithm; raises ``JoseError`` for any but ours."""
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


# What else a header says is ignored, as RFC 7515 section 4 has it, but for what it says is critical.
_REGISTRY = _Registry(algorithms=list(ALGORITHMS), strict_check_header=False)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token has to say, to the letter: who issued it, for which audience; and where it names districts."""

    issuer: str
    audience: str
    districts_claim: str


@dataclass(frozen=True, slots=True)
class _Verified:
    caller: Caller
    expires: float
    kept_until: float


class Tokens:
    """Tells who presents a token of one provider."""

    def __init__(
        self, expected: Expected, provider: Provider, *, clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        """Take the tokens of ``provider``; ``clock`` tells seconds that only go forward, ``wall`` Unix seconds."""
        self._expected = expected
        self._provider = provider
        self._clock = clock
        self._wall = wall
        self._verified: FIFOCache[bytes, _Verified] = FIFOCache(MOST_KEPT)

    async def caller(self, token: str) -> Caller | None:
        """Return who presents ``token``, or None where it is not valid.

        Raises:
            ProviderUnreachable: it cannot be judged, for the provider's keys are not known.
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
        """Return who presents ``token``, or None where it has not been judged lately, or has expired since."""
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
        # A token that is bound to a key of its bearer (RFC 7800) is no bearer token, and we cannot see to that key.
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
    # By the whole token: two that differ in their signature alone are two.
    return hashlib.sha256(token).digest()


class _NotValid(Exception):
    """A token that is refused."""


# The library lets some of what Python says of odd input through, of a header that is no object for example.
_REFUSALS = (_NotValid, JoseError, ValueError, TypeError, OverflowError, RecursionError)


def _read_head(signed: CompactSignature) -> tuple[str | None, str]:
    """Return key id and algorithm, before anybody is asked for a key; raises ``_NotValid``."""
    head: object = signed.headers()
    if not isinstance(head, dict) or "crit" in head:
        raise _NotValid
    kid, algorithm, kind = head.get("kid"), head.get("alg"), head.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS or not (kid is None or isinstance(kid, str)):
        raise _NotValid
    # Whatever else the provider signs, a logout token for one, is not for us (RFC 8725 section 3.11).
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise _NotValid
    return kid, algorithm


def _claims_in(signed: CompactSignature) -> dict[str, Any]:
    claims = json.loads(signed.payload)
    if not isinstance(claims, dict) or not is_writable(claims):
        raise _NotValid
    return claims
