"""The standard's decisions where they can be made at once: plain questions, of which nothing more is said.

The shapes here are part of those in ``questions``: whatever has another member, however harmless, goes the whole way.
"""

from collections.abc import Sequence
from functools import cache, partial
from typing import TypeVar

import msgspec

from app.api.authzen.responses import rendered
from app.domain.callers import Caller
from app.roster.context import NO_DECISION_LOG, Context
from app.services.at_hand import (
    Holder,
    Verdict,
    counted,
    holder_at_hand,
    sought_at_hand,
    told_of,
    verdict_at_hand,
)
from app.services.decisions import Decision

MOST_BYTES = 32 * 1024
"""Of a body that is looked at here; what a larger one may hold is for others to judge."""

MOST_AT_HAND = 100
"""Questions that are answered in one go; of more, others would have to wait."""


class _Shape(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True, gc=False):
    """A part of a question; it has these members and no others."""


class _District(_Shape, frozen=True):
    district: str


class _Subject(_Shape, frozen=True):
    type: str
    id: str
    properties: _District | None = None


class _Action(_Shape, frozen=True):
    name: str


class _Resource(_Shape, frozen=True):
    type: str
    id: str


class _Question(_Shape, frozen=True):
    subject: _Subject
    action: _Action
    resource: _Resource


class _Item(_Shape, frozen=True):
    subject: _Subject | None = None
    action: _Action | None = None
    resource: _Resource | None = None


class _Questions(_Shape, frozen=True):
    evaluations: list[_Item]
    subject: _Subject | None = None
    action: _Action | None = None
    resource: _Resource | None = None


Found = tuple[Holder, Verdict, str]
"""Whom a question is about, what is decided, and on which resource."""

_ENCODER = msgspec.json.Encoder()
_QUESTION = msgspec.json.Decoder(_Question)
_QUESTIONS = msgspec.json.Decoder(_Questions)


def evaluation(context: Context, caller: Caller, body: bytes) -> bytes | None:
    """Return the answer to one question; None where it is not plain, or cannot be answered at once."""
    said = _read(_QUESTION, body)
    holder = None if said is None else _holder(context, caller, said.subject)
    if said is None or holder is None:
        return None
    named = said.resource.id
    sought = sought_at_hand(context, said.action.name, said.resource.type)
    verdict = sought and verdict_at_hand(context, holder, sought, named)
    if verdict is None:
        return None
    counted([verdict])
    _tell(context, caller, [(holder, verdict, named)], alone=True)
    return rendered(context, Decision(verdict.reason))


def evaluations(context: Context, caller: Caller, body: bytes) -> bytes | None:
    """Return the answers to many questions; None where one of them is not plain, or cannot be answered at once."""
    said = _read(_QUESTIONS, body)
    if said is None or not 0 < len(said.evaluations) <= MOST_AT_HAND:
        return None
    # What many questions have in common is looked at once.
    holder_of = cache(partial(_holder, context, caller))
    sought_by = cache(partial(sought_at_hand, context))
    verdicts: list[Found] = []
    for item in said.evaluations:
        subject, action = item.subject or said.subject, item.action or said.action
        resource = item.resource or said.resource
        if subject is None or action is None or resource is None:
            return None
        holder, sought = holder_of(subject), sought_by(action.name, resource.type)
        verdict = None if holder is None or sought is None else verdict_at_hand(context, holder, sought, resource.id)
        if holder is None or verdict is None:
            return None
        verdicts.append((holder, verdict, resource.id))
    reasons = [verdict.reason for _, verdict, _ in verdicts]
    counted([verdict for _, verdict, _ in verdicts])
    _tell(context, caller, verdicts, alone=False)
    answers = {reason: rendered(context, Decision(reason)) for reason in set(reasons)}
    return b'{"evaluations":[%b]}' % b",".join([answers[reason] for reason in reasons])


S = TypeVar("S", _Question, _Questions)


def _read(decoder: msgspec.json.Decoder[S], body: bytes) -> S | None:
    """Return what a body says, or None where it says anything else, or may say something twice (RFC 7493 section 2.3).

    Of two equal names the decoder takes the last. Written anew the other is missing, and with it quotes, for without a
    backslash they stand around texts and nowhere else.
    """
    if len(body) > MOST_BYTES or b"\\" in body:
        return None
    try:
        said = decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return said if _ENCODER.encode(said).count(b'"') == body.count(b'"') else None


def _holder(context: Context, caller: Caller, subject: _Subject) -> Holder | None:
    if context.policy.type_of(subject.type) != "user":
        return None
    district = None if subject.properties is None else subject.properties.district
    return holder_at_hand(context, subject.id, district, caller)


def _tell(context: Context, caller: Caller, verdicts: Sequence[Found], *, alone: bool) -> None:
    if context.decision_log is not NO_DECISION_LOG:
        for holder, verdict, named in verdicts:
            told = told_of(context, holder, verdict, named)
            context.decision_log.decided(told, caller=caller.name, alone=alone)
