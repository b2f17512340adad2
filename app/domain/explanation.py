"""An explanation: why a permission is held or not, in terms of the policy and of what Clever says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.domain import wording
from app.domain.access import Access
from app.domain.conditions import Asked
from app.domain.decision import Reason, decided
from app.domain.grounds import Ground, How, grounds_of
from app.domain.missing import Lack, Missing, missing_in
from app.domain.places import Location
from app.domain.policy import Policy

_REFUSALS: Mapping[Reason, str] = {
    Reason.UNKNOWN_ACTION: "the policy names no such permission",
    Reason.NOT_APPLICABLE: "it says nothing inside the places named",
    Reason.UNKNOWN_RESOURCE: "no such place is shared with this application",
    Reason.PLACES_DISAGREE: "the places named are not all there, or do not fit together at Clever",
}
"""Why a question comes to nothing whoever the user is."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether a permission is held on something, and why.

    Attributes:
        reason: the decision, as a check would give it.
        grounds: what gives it, from the nearest place outwards; none where it is not held.
        missing: what would have to be there; none where it is held, or where the question itself comes to nothing.
        summary: all of it in one sentence.
    """

    reason: Reason
    grounds: tuple[Ground, ...]
    missing: tuple[Missing, ...]
    summary: str

    @property
    def held(self) -> bool:
        """Whether the permission is held."""
        return self.reason is Reason.GRANTED


def explained(
    access: Access, policy: Policy, permission: str, location: Location, asked: Asked | None = None
) -> Explanation:
    """Explain whether a permission is held on something.

    Args:
        access: what the user may do, in the role context that was asked for.
        policy: the policy that it was worked out by.
        permission: ``type:action``, one that the policy names, with Clever's type for an alias.
        location: every place in which the thing lies.
        asked: what the request says, for conditions that read it.
    """
    asked = asked or {}
    reason = decided(access, permission, location, asked)
    context = f" as {wording.named(access.role)}" if access.role else ""
    if reason is Reason.GRANTED:
        grounds = grounds_of(access, policy, permission, location, asked)
        return Explanation(reason, grounds, (), _sentence(f"{permission} is held{context}", map(_told, grounds)))
    missing = missing_in(access, policy, permission, location, asked)
    return Explanation(reason, (), missing, _sentence(f"{permission} is not held{context}", _lacking(missing)))


def refused(permission: str, reason: Reason) -> Explanation:
    """Explain why a question comes to nothing whoever the user is: one of four reasons, from ``UNKNOWN_ACTION`` on."""
    return Explanation(reason, (), (), _sentence(f"{permission} is not held", iter((_REFUSALS[reason],))))


def _sentence(opening: str, parts: Iterator[str]) -> str:
    return f"{opening}: {'; '.join(dict.fromkeys(parts))}."


def _told(ground: Ground) -> str:
    by = " and ".join(ground.statements)
    if ground.how is How.LEVEL:
        by += f" by the level of {wording.named(ground.role)}"
    if ground.how is How.MAXIMUM:
        by += " by rule: maximum"
    if ground.asks:
        by += f" where {wording.condition(ground.asks)}"
    return f"{ground.fact} ({by})"


def _lacking(missing: tuple[Missing, ...]) -> Iterator[str]:
    yield from (each.detail for each in missing if each.lack is not Lack.ROLE)
    absent = [each.role for each in missing if each.lack is Lack.ROLE]
    if absent:
        yield wording.none_shared(absent)
