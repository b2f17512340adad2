"""What a verified token says of its bearer: who it is, what it may ask, and about which districts."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from app.domain.callers import Caller, CallerScope, digest_of
from app.domain.ids import DistrictId

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
