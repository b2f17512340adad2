"""Two policies over the users of a whole district, as it is held in memory."""

from functools import partial

from app.comparison.differences import Comparison, Difference, State, by_loss, compare
from app.domain.calendar import Calendar, status_at
from app.domain.places import (
    Location,
    Place,
    location_of_district,
    location_of_school,
    location_of_section,
    location_of_student,
)
from app.domain.policy import Policy
from app.domain.scopes import Scope
from app.roster.district import District


def compare_over_district(
    district: District, before: Policy, after: Policy, calendar: Calendar, now: float
) -> Comparison:
    """Return what changes for everybody in a district by the policy alone.

    Args:
        district: with everybody in it.
        before: the policy to start from.
        after: the policy to come to.
        calendar: the district's.
        now: the time for which it counts, in Unix seconds.
    """
    old, new = (State(None, policy, status=status_at(calendar, policy, now)) for policy in (before, after))
    users, location_of = district.people((Scope.DISTRICT, district.id)), partial(location_in, district)
    differences = []
    for user in users:
        if (facts := district.facts(user)) is None:
            continue
        gained, lost = compare(user, old._replace(facts=facts), new._replace(facts=facts), location_of)
        if gained or lost:
            differences.append(Difference(user, None, facts.held(), gained, lost))
    names = (f"policy {before.revision}", f"policy {after.revision}")
    return Comparison(district.id, *names, len(users), by_loss(differences))


def location_in(district: District, place: Place) -> Location:
    """Return every place in which a place of a district lies, itself included, as far as the district knows."""
    scope, named = place
    if scope is Scope.SCHOOL:
        return location_of_school(named, district.id)
    if scope is Scope.SECTION and (section := district.section(named)) is not None:
        return location_of_section(section)
    if scope is Scope.STUDENT and (student := district.facts(named)) is not None:
        return location_of_student(student)
    return frozenset({place, *location_of_district(district.id)})
