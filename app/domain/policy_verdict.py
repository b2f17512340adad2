"""The verdict on a policy by a case: what is otherwise than the case wants it."""

import json
from collections.abc import Iterable, Iterator

from app.domain.access import access_of
from app.domain.conditions import RequestCondition, Written
from app.domain.decision import SCOPE_OF, Reason, decided, unanswerable
from app.domain.engine import permission_set
from app.domain.errors import Mistake, RoleNotHeld
from app.domain.facts import Facts
from app.domain.grants import ConditionalGrant, Grant
from app.domain.places import Location
from app.domain.policy import Policy
from app.domain.policy_case import CaseFile, Question, WantedGrant
from app.domain.policy_names import plain
from app.domain.scopes import CLEVER_TYPES, Scope


def complaints(case: CaseFile, policy: Policy) -> tuple[str, ...]:
    """Return a line for each thing that is otherwise than wanted; none where the case passes."""
    if case.wanted is not None:
        return tuple(_of_grants(case, case.wanted, policy))
    return tuple(
        f"questions[{place}], {_told(question)}: {complaint}"
        for place, question in enumerate(case.questions or ())
        if (complaint := _of_answer(question, answer(question, case, policy)))
    )


def unplaced(case: CaseFile, policy: Policy) -> Iterator[Mistake]:
    """Yield each place of a thing of the application's that stands in its properties alone, as requests have it.

    The service looks such a place up at Clever, with all that holds it; a case would lie nowhere, and deny for that.
    """
    for number, question in enumerate(case.questions or ()):
        resource = question.resource
        if resource.says_where or policy.type_of(resource.type) in CLEVER_TYPES:
            continue
        for key in resource.properties:
            if (kind := policy.type_of(key)) in CLEVER_TYPES:
                message = f"properties only feed conditions here: say with in: {{{kind}: …}} where this lies"
                yield Mistake(("questions", number, "resource", "properties", key), message)


def answer(question: Question, case: CaseFile, policy: Policy) -> Reason:
    """Decide a question as the service does, but for what only Clever could tell."""
    facts, resource = case.facts.facts(), question.resource
    name = question.action.name
    permission = plain(name if ":" in name else f"{resource.type}:{name}", policy.file)
    if (reason := unanswerable(policy, permission, resource.type)) is not None:
        return reason
    try:
        access = access_of(facts, policy, question.role or case.role)
    except RoleNotHeld:
        return Reason.ROLE_NOT_HELD
    if permission not in access.anywhere:
        return Reason.NOT_PERMITTED
    location = _location(question, policy, facts)
    return decided(access, permission, location, question.asked) if location else Reason.NO_PLACE


def _location(question: Question, policy: Policy, facts: Facts) -> Location:
    resource = question.resource
    places = {(scope, place) for kind, scope in SCOPE_OF.items() for place in getattr(resource.places, kind)}
    kind = policy.type_of(resource.type)
    if resource.id is not None and kind in CLEVER_TYPES:
        places.add((SCOPE_OF[kind], resource.id))
    if places and not any(scope is Scope.DISTRICT for scope, _ in places):
        places.add((Scope.DISTRICT, facts.district))
    return frozenset(places)


def _told(question: Question) -> str:
    resource = question.resource
    thing = f"{resource.type} {resource.id}" if resource.id else resource.type
    return f"{question.action.name} on {thing}" + (f" as {question.role}" if question.role else "")


def _of_answer(question: Question, reason: Reason) -> str | None:
    held = reason is Reason.GRANTED
    if held is question.wanted and question.reason in (None, reason):
        return None
    wanted = json.dumps(question.wanted) + (f" ({question.reason})" if question.reason else "")
    return f"wanted {wanted}, found {json.dumps(held)} ({reason})"


def _of_grants(case: CaseFile, grants: Iterable[WantedGrant], policy: Policy) -> Iterator[str]:
    try:
        answered = permission_set(case.facts.facts(), policy, case.role)
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
    asks = RequestCondition(tuple(sorted(wanted.when.items())), tuple(sorted(wanted.unless.items())))
    return ConditionalGrant(wanted.scope, ids, permissions, via, asks)


def _line(grant: Grant) -> str:
    """Write a grant down; values as JSON, so that text, numbers and booleans differ."""
    line = f"{grant.scope} {', '.join(grant.ids)}: {', '.join(grant.permissions)} via {', '.join(grant.via)}"
    if isinstance(grant, ConditionalGrant):
        line += _conditions("when", grant.asks.when) + _conditions("unless", grant.asks.unless)
    return line


def _conditions(word: str, written: Written) -> str:
    return "".join(
        f", {word} {key} is {' or '.join(json.dumps(value, ensure_ascii=False) for value in values)}"
        for key, values in written
    )
