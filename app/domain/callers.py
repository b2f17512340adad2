"""Who asks: a backend of the application, what it may ask, and about which districts."""

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
        digest: stands for its credential, where one is compared with another; tells nothing of it.
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


ANYONE = Caller("anyone", b"", frozenset(CallerScope))
"""Whoever asks where no credential is wanted, on loopback."""
