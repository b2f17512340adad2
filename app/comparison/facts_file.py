"""Two policies over the users of a file: facts in the form of policy tests, of one user or a list."""

from collections.abc import Sequence
from functools import partial

from pydantic import TypeAdapter

from app.comparison.differences import Comparison, Difference, State, by_loss, compare
from app.domain.ids import DistrictId, UserId
from app.domain.places import (
    Location,
    Place,
    location_of_district,
    location_of_school,
    location_of_section,
    location_of_student,
)
from app.domain.policy import Policy
from app.domain.policy_test_places import known_person, known_section, status, subject
from app.domain.policy_test_schema import CaseFile
from app.domain.scopes import Scope
from app.policy_files.yaml import Plain, made_of


def read_facts(text: str) -> tuple[CaseFile, ...]:
    """Read a file of facts: a policy test, or a list of such; ``description`` and what is wanted may be left out.

    Raises:
        PolicyMistakes: every mistake has its path, and its line if that is known.
    """
    return made_of(text, _cases)


def compare_over_facts(cases: Sequence[CaseFile], before: Policy, after: Policy) -> Comparison:
    """Return what changes for users by the policy alone; a user without an id is named by the position in the file."""
    differences = []
    for position, case in enumerate(cases, 1):
        user = UserId(case.facts.user if "user" in case.facts.model_fields_set else f"user-{position}")
        facts = subject(case)
        old, new = (State(facts, policy, case.role, status(case, policy)) for policy in (before, after))
        gained, lost = compare(user, old, new, partial(_location_of, case))
        if gained or lost:
            differences.append(Difference(user, None, facts.held(), gained, lost))
    district = DistrictId(", ".join(dict.fromkeys(case.facts.district for case in cases)))
    names = (f"policy {before.revision}", f"policy {after.revision}")
    return Comparison(district, *names, len(cases), by_loss(differences))


_CASE, _CASES = TypeAdapter(CaseFile), TypeAdapter(tuple[CaseFile, ...])
_UNSAID: dict[str, Plain] = {"description": "A user.", "wanted": []}


def _cases(written: Plain) -> tuple[CaseFile, ...]:
    if isinstance(written, list):
        return _CASES.validate_python([_completed(each) for each in written])
    return (_CASE.validate_python(_completed(written)),)


def _completed(written: Plain) -> Plain:
    """Return a case with a description and something that is wanted, which a policy test has to have."""
    if not isinstance(written, dict):
        return written
    return {**_UNSAID, **written} if "questions" not in written else {"description": "A user.", **written}


def _location_of(case: CaseFile, place: Place) -> Location:
    scope, named = place
    district = location_of_district(DistrictId(case.facts.district))
    if scope is Scope.SCHOOL:
        return location_of_school(named, DistrictId(case.facts.district))
    if scope is Scope.SECTION and (section := known_section(named, case)):
        return location_of_section(section)
    if scope is Scope.STUDENT and (student := known_person(named, case)):
        return location_of_student(student)
    return frozenset({place, *district})
