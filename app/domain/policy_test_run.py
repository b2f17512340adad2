"""Running a policy test: how the policy's answers differ from what the case expects."""

import json
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from app.domain.conditions import ConditionEntries, RequestCondition
from app.domain.decision import SCOPE_OF, Reason, decide, decide_without_location, denied_to_everyone
from app.domain.errors import RoleNotHeld
from app.domain.evaluation import access_of, permission_set
from app.domain.facts import Role
from app.domain.grants import ConditionalGrant, Grant
from app.domain.places import Location
from app.domain.policy import Policy
from app.domain.policy_schema import plain
from app.domain.policy_test_places import known_person, known_section, locations, status, subject
from app.domain.policy_test_schema import CaseFile, Question, WantedGrant
from app.domain.scopes import Scope


def failures(case: CaseFile, policy: Policy) -> tuple[str, ...]:
    """Return a line for each difference from what the case expects; none if it passes."""
    if case.wanted is not None:
        return tuple(_of_grants(case, case.wanted, policy))
    return tuple(
        f"questions[{place}], {_described(question)}: {failure}"
        for place, question in enumerate(case.questions or ())
        if (failure := _failure(question, case, policy))
    )


def answer(question: Question, case: CaseFile, policy: Policy) -> tuple[Reason, Reason]:
    """Decide a question as the service does, once by the case alone and once by all that it leaves open."""
    permission = _permission(question, policy)
    if (reason := denied_to_everyone(policy, permission, question.resource.type)) is not None:
        return reason, reason
    try:
        access = access_of(subject(case), policy, question.role or case.role, status(case, policy))
    except RoleNotHeld:
        return Reason.ROLE_NOT_HELD, Reason.ROLE_NOT_HELD
    kind = policy.type_of(question.resource.type)
    if (reason := decide_without_location(access, permission, kind, question.resource.id or "")) is not None:
        return reason, reason
    least, most = (
        there if isinstance(there, Reason) else decide(access, permission, there, question.request)
        for there in locations(question.resource, case, policy)
    )
    return least, most


def _permission(question: Question, policy: Policy) -> str:
    name = question.action.name
    return plain(name if ":" in name else f"{question.resource.type}:{name}", policy.file)


def _failure(question: Question, case: CaseFile, policy: Policy) -> str | None:
    reason, most = answer(question, case, policy)
    meant = question.reason is reason and reason is not Reason.PLACES_DISAGREE
    if reason is not most and not (reason is Reason.GRANTED or meant):
        return f"the case does not say enough to tell: {_unsaid(question, case, policy)}"
    held = reason is Reason.GRANTED
    if held is not question.wanted or question.reason not in (None, reason):
        wanted = json.dumps(question.wanted) + (f" ({question.reason})" if question.reason else "")
        return f"wanted {wanted}, found {json.dumps(held)} ({reason})"
    if question.wanted or question.reason:
        return None
    why = _why_never(reason, question, case, policy)
    return why and f"{why}, so this can never be true; if you mean that, add reason: {reason}"


def _unsaid(question: Question, case: CaseFile, policy: Policy) -> str:
    """Return what the case would have to add."""
    resource = question.resource
    named = {kind: list(getattr(resource.places, kind)) for kind in SCOPE_OF}
    if (kind := policy.type_of(resource.type)) in named and resource.id:
        named[kind].append(resource.id)
    people = [each for each in (*named["student"], *named["user"]) if known_person(each, case) is None]
    sections = [each for each in named["section"] if known_section(each, case) is None]
    wanted = [
        f"in {where} what Clever says of {' and '.join(some)}"
        for where, some in (("people", people), ("sections", sections))
        if some
    ]
    return f"say {', and '.join(wanted)}" if wanted else "say with in: every place that holds it"


def _why_never(reason: Reason, question: Question, case: CaseFile, policy: Policy) -> str | None:
    """Return why no policy could grant this, or None if one could."""
    permission, resource = _permission(question, policy), question.resource
    near = get_close_matches(permission, sorted(policy.permissions), 1)
    always = {
        Reason.UNKNOWN_ACTION: f"the policy names no {permission}{f' (did you mean {near[0]}?)' if near else ''}",
        Reason.NOT_APPLICABLE: f"{permission} says nothing on a {resource.type}",
        Reason.ROLE_NOT_HELD: f"the user does not hold the role {question.role or case.role}",
    }
    if reason in always:
        return always[reason]
    _, most = locations(resource, case, policy)
    return _NOWHERE[most] if isinstance(most, Reason) else _without_reach(most, question.role or case.role, case)


def _without_reach(location: Location, role: Role | None, case: CaseFile) -> str | None:
    facts = case.facts.facts()
    standings = [each for held in facts.roles if role in (None, held.role) for each in held.standings]
    if not standings:
        return "the user holds no role"
    if not any(each.places for each in standings) and (Scope.SELF, facts.user) not in location:
        return "the user's roles reach no place"
    return None


_NOWHERE = {
    Reason.NO_PLACE: "nothing says where this lies",
    Reason.PLACES_DISAGREE: "the places named do not fit together",
    Reason.UNKNOWN_RESOURCE: "there is no such thing in the user's district",
}


def _described(question: Question) -> str:
    resource = question.resource
    thing = f"{resource.type} {resource.id}" if resource.id else resource.type
    return f"{question.action.name} on {thing}" + (f" as {question.role}" if question.role else "")


def _of_grants(case: CaseFile, grants: Iterable[WantedGrant], policy: Policy) -> Iterator[str]:
    try:
        answered = permission_set(subject(case), policy, case.role, status(case, policy))
    except RoleNotHeld as error:
        yield f"found no grants at all: {error}"
        return
    wanted = [_line(_grant(each)) for each in grants]
    found = [_line(each) for each in (*answered.grants, *answered.conditional)]
    yield from (f"wanted {line}" for line in dict.fromkeys(wanted) if line not in found)
    yield from (f"found  {line}" for line in found if line not in wanted)


def _grant(wanted: WantedGrant) -> Grant:
    ids, permissions = (tuple(sorted(set(some))) for some in (wanted.ids, wanted.permissions))
    via = tuple(sorted(set(wanted.via)))
    if not (wanted.when or wanted.unless):
        return Grant(wanted.scope, ids, permissions, via)
    condition = RequestCondition(tuple(sorted(wanted.when.items())), tuple(sorted(wanted.unless.items())))
    return ConditionalGrant(wanted.scope, ids, permissions, via, condition)


def _line(grant: Grant) -> str:
    """Return a grant as text, with values as JSON, so that text, numbers and booleans differ."""
    line = f"{grant.scope} {', '.join(grant.ids)}: {', '.join(grant.permissions)} via {', '.join(grant.via)}"
    if isinstance(grant, ConditionalGrant):
        line += _conditions("when", grant.condition.when) + _conditions("unless", grant.condition.unless)
    return line


def _conditions(word: str, written: ConditionEntries) -> str:
    return "".join(
        f", {word} {key} is {' or '.join(json.dumps(value, ensure_ascii=False) for value in values)}"
        for key, values in written
    )
