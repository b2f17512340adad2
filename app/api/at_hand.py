"""What is answered at once: the usual questions of callers who are known, where the answer rests on fresh readings.

It stands beside the application and not in it: the connection asks here first, and whatever is unusual about a request
goes the whole way, which answers the same. So an answer from here has all that others have: it is let in by the same
keys and scopes, has the same headers and ids, and is told in the same lines and metrics.
"""

import re
import time
from collections.abc import Callable

from app.api.authentication import Known
from app.api.authzen.at_hand import evaluation, evaluations
from app.api.authzen.evaluation import EVALUATION_PATH, EVALUATIONS_PATH
from app.api.fastlane import PATH, ROUTE, asks
from app.api.heads import Head
from app.api.http_caching import Stamped, stamped, unkept
from app.api.permissions import rendered
from app.api.security_headers import DATA, raw, varied, wire
from app.domain.callers import ANYONE, Caller, CallerScope
from app.policy_files.reload import ActivePolicy
from app.roster.context import Context
from app.services.at_hand import permissions_at_hand
from app.services.permissions import Subject
from app.telemetry.access_log import AccessLog
from app.telemetry.current_request import CURRENT, request_of, unnamed_request

_TARGET = re.compile(PATH.pattern + r"(?:\?(.*))?")
_STATUS_LINES = {200: b"HTTP/1.1 200 OK\r\n", 304: b"HTTP/1.1 304 Not Modified\r\n"}

Reply = tuple[bytes, bytes, bytes]
"""Status line and headers of an answer as they are sent, without those that the server adds to all; and its body."""

AnswerAtHand = Callable[[bytes, bytes, Head, bytes], Reply | None]
"""Takes method, target, head and body of a request; returns None where it has to go the whole way."""


class AtHand:
    """Answers what can be answered at once."""

    def __init__(
        self, active_policy: ActivePolicy, known: Known | None, lines: AccessLog, *, by_origin: bool = False
    ) -> None:
        """Answer by what is ``active_policy``, and tell ``lines``.

        ``known`` tells who asks, and None lets anyone in; ``by_origin`` is whether answers to pages are others.
        """
        self._active_policy = active_policy
        self._known = known
        self._lines = lines
        self._by_origin = by_origin
        self._headers = wire(DATA)

    def __call__(self, method: bytes, target: bytes, head: Head, body: bytes) -> Reply | None:
        """Answer a request; see ``AnswerAtHand``."""
        began = time.perf_counter()
        context = self._active_policy.context
        if context is None or (body and method == b"GET"):
            return None
        caller = self._caller(head.credential)
        if caller is None:
            return None
        request = request_of(head.names) if head.names else unnamed_request()
        if not request.id:
            return None
        token = CURRENT.set(request)
        try:
            answer = answer_to(context, caller, method, target, head, body)
        finally:
            CURRENT.reset(token)
        if answer is None:
            return None
        route = ROUTE if method == b"GET" else target.decode("latin-1")
        self._lines.answered(request, caller.name, method.decode(), route, answer[0], time.perf_counter() - began)
        if self._by_origin:
            status, head_of_answer, content = answer
            answer = status, wire(varied(raw(head_of_answer), by_origin=True)), content
        return written(answer, b"x-request-id: %b\r\n%b" % (request.named[0], self._headers))

    def _caller(self, credential: bytes | None) -> Caller | None:
        if self._known is None:
            return ANYONE
        return None if credential is None else self._known(credential)


def answer_to(
    context: Context, caller: Caller, method: bytes, target: bytes, head: Head, body: bytes
) -> Stamped | None:
    """Return what ``caller`` is told, where that is at hand."""
    if method == b"GET":
        return _permissions(context, caller, target.decode("latin-1"), head)
    return _decisions(context, caller, target, head, body)


def written(answer: Stamped, marks: bytes) -> Reply:
    """Return an answer as it is sent, with the headers ``marks``."""
    status, head, content = answer
    return _STATUS_LINES[status], head + marks, content


def _permissions(context: Context, caller: Caller, target: str, head: Head) -> Stamped | None:
    path = _TARGET.fullmatch(target)
    if path is None or CallerScope.PERMISSIONS_READ not in caller.scopes:
        return None
    asked = asks(path[2] or "")
    if asked is None:
        return None
    role, district = asked
    answer = permissions_at_hand(context, Subject(path[1], district, role), caller, rendered)
    if answer is None:
        return None
    return stamped(None if head.held is None else head.held.decode("latin-1"), answer, context.fresh_seconds)


def _decisions(context: Context, caller: Caller, target: bytes, head: Head, body: bytes) -> Stamped | None:
    answer = DECIDING.get(target)
    if answer is None or CallerScope.ACCESS_EVALUATE not in caller.scopes or not head.is_json:
        return None
    content = answer(context, caller, body)
    return None if content is None else unkept(content)


DECIDING = {EVALUATION_PATH.encode(): evaluation, EVALUATIONS_PATH.encode(): evaluations}
