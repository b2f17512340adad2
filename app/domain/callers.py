"""Who asks: a backend of the application, what it may ask, and about which districts."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from app.domain.errors import CallerMayNot
from app.domain.ids import DistrictId


class CallerScope(StrEnum):
    """What a caller may be allowed to ask: scopes as OAuth has them (RFC 6749 section 3.3)."""

    PERMISSIONS_READ = "permissions:read"
    ACCESS_EVALUATE = "access:evaluate"
    ACCESS_SEARCH = "access:search"
    POLICY_READ = "policy:read"
    FACTS_REFRESH = "facts:refresh"
    """Have something read from Clever although it is still fresh."""
    METRICS_READ = "metrics:read"


USUAL_SCOPES = frozenset(
    {CallerScope.PERMISSIONS_READ, CallerScope.ACCESS_EVALUATE, CallerScope.ACCESS_SEARCH, CallerScope.POLICY_READ}
)
"""What a caller may ask of whom nothing else is said."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A backend that asks.

    Attributes:
        name: what operators call it.
        digest: tells it from other callers, the same whichever of its keys and tokens it presents; see ``digest_of``.
        scopes: what it may ask.
        districts: about which it may ask; None for whichever is connected.
    """

    name: str
    digest: bytes
    scopes: Collection[CallerScope]
    districts: frozenset[DistrictId] | None = None

    def require(self, scope: CallerScope) -> None:
        """Raise ``CallerMayNot`` unless the caller may ask this."""
        if scope not in self.scopes:
            raise CallerMayNot(scope)

    def may_ask_about(self, district: DistrictId) -> bool:
        """Tell whether the caller may ask about a district, connected or not."""
        return self.districts is None or district in self.districts


def digest_of(*parts: str) -> bytes:
    """Return what stands for a caller: whoever vouches for it, such as an issuer, and what it is called there."""
    # The length of each part keeps ("a", "bc") from being ("ab", "c").
    return hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode(errors="surrogatepass")).digest()


ANYONE = Caller("anyone", b"", frozenset(CallerScope))
"""Whoever asks where no credential is wanted, on loopback."""
