"""Callers: the backends that ask, their scopes and their districts."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from app.domain.errors import CallerMayNot
from app.domain.ids import DistrictId


class CallerScope(StrEnum):
    """What a caller may ask, as OAuth scopes (RFC 6749 section 3.3)."""

    PERMISSIONS_READ = "permissions:read"
    ACCESS_EVALUATE = "access:evaluate"
    ACCESS_SEARCH = "access:search"
    POLICY_READ = "policy:read"
    FACTS_REFRESH = "facts:refresh"
    """Read from Clever again what is still fresh."""
    METRICS_READ = "metrics:read"
    DISTRICTS_LOAD = "districts:load"
    """Load a whole district."""


USUAL_SCOPES = frozenset(
    {CallerScope.PERMISSIONS_READ, CallerScope.ACCESS_EVALUATE, CallerScope.ACCESS_SEARCH, CallerScope.POLICY_READ}
)
"""The scopes of a caller that is configured without any."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A backend that asks.

    Attributes:
        name: its name in the configuration, for operators.
        digest: identifies the caller, whichever of its keys or tokens it presents; see ``digest_of``.
        scopes: what it may ask.
        districts: the districts that it may ask about; None for every connected one.
    """

    name: str
    digest: bytes
    scopes: Collection[CallerScope]
    districts: frozenset[DistrictId] | None = None

    def require(self, scope: CallerScope) -> None:
        """Raise ``CallerMayNot`` if the caller lacks a scope."""
        if scope not in self.scopes:
            raise CallerMayNot(scope)

    def may_ask_about(self, district: DistrictId) -> bool:
        """Whether the caller may ask about a district, connected or not."""
        return self.districts is None or district in self.districts


def digest_of(*parts: str) -> bytes:
    """Return the digest of a caller: of the authority that names it, such as an issuer, and of its name there."""
    # The length of each part keeps ("a", "bc") from being ("ab", "c").
    return hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode(errors="surrogatepass")).digest()


ANYONE = Caller("anyone", b"", frozenset(CallerScope))
"""The caller of every request with ``--no-auth``."""
