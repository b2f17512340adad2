"""The one shortcut past the framework: the usual questions, answered from what is fresh in memory.

No rule is made here: callers are known by the same credentials, bodies are read by the same models, and the answer is
that of the synchronous half of a service, which the route asks first, too. Whatever is unusual about a request, or has
to be waited for, goes on to the application.
"""

import logging
import re
import time
from collections.abc import Mapping, Sequence

from app.api.authentication import Known
from app.api.authzen.evaluation import EVALUATION_PATH, EVALUATIONS_PATH, evaluations_in, questions_in
from app.api.authzen.requests import EvaluationRequest, EvaluationsSemantic, SubjectSearchRequest, question_of, read_as
from app.api.authzen.responses import rendered as rendered_decision
from app.api.authzen.responses import rendered_together
from app.api.authzen.search import SUBJECTS_PATH, rendered_subjects
from app.api.errors import Refused
from app.api.http_caching import Stamped, stamped, unkept
from app.api.permissions import rendered as rendered_set
from app.api.permissions import router
from app.api.security_headers import DATA, RawHeaders, marked
from app.api.strict_json import object_in
from app.domain.callers import ANYONE, Caller, CallerScope
from app.domain.facts import Role
from app.domain.question import Question
from app.policy_files.reload import ActivePolicy
from app.roster.freshness import Freshness
from app.services.decision_point import DecisionPoint
from app.services.decisions import cached_decision, cached_decisions
from app.services.permissions import Subject, cached_permissions
from app.services.search import cached_subjects
from app.telemetry import tracing
from app.telemetry.access_log import AccessLog
from app.telemetry.current_request import CURRENT, REQUEST_ID, TRACEPARENT, Request, request_with

MOST_BYTES = 16 * 1024
"""The longest body that is read here; a longer one would block other requests."""

MOST_QUESTIONS = 100
"""The most questions of a batch that are answered here, for the same reason."""

Headers = Mapping[bytes, bytes]

_log = logging.getLogger("rosterguard")

_USER = re.compile(rb"%b/([A-Za-z0-9_-]{1,64})/permissions(?:\?(.*))?" % router.prefix.encode())
_QUERY = re.compile(rb"(role|district)=([A-Za-z0-9_-]{1,64})(?:&(?!\1)(role|district)=([A-Za-z0-9_-]{1,64}))?")
_ROLES = {role.value: role for role in Role}
_BEARER = b"Bearer "
_UNUSUAL = frozenset({b"cache-control", b"origin", b"transfer-encoding"})

_PERMISSIONS = f"{router.prefix}/{{user_id}}/permissions"
_POSTED = {
    EVALUATION_PATH: CallerScope.ACCESS_EVALUATE,
    EVALUATIONS_PATH: CallerScope.ACCESS_EVALUATE,
    SUBJECTS_PATH: CallerScope.ACCESS_SEARCH,
}
_ROUTES = {path.encode(): path for path in _POSTED}
POSTED_PATHS = frozenset(_ROUTES)
"""Where questions are posted that may be answered here."""


class FastPath:
    """Answers usual requests from memory.

    It takes method, target, headers and body of a request that is there as a whole, and returns status, headers and
    body of the answer; None where the application has to answer.
    """

    def __init__(
        self, active_policy: ActivePolicy, known: Known | None, access_log: AccessLog, *, by_origin: bool = False
    ) -> None:
        """Answer by the active policy, and log requests.

        Args:
            active_policy: decides.
            known: returns the caller of a credential; None lets anyone in.
            access_log: gets a line for each request.
            by_origin: whether pages of other sites may read answers.
        """
        self._active_policy = active_policy
        self._known = known
        self._access_log = access_log
        self._by_origin = by_origin

    def __call__(self, method: bytes, target: bytes, headers: RawHeaders, body: bytes) -> Stamped | None:
        """Answer a request."""
        user = _USER.fullmatch(target) if method == b"GET" else None
        route = _ROUTES.get(target) if method == b"POST" else _PERMISSIONS if user else None
        said = None if route is None else _usual(headers)
        caller, pdp = None if said is None else self._caller(said), self._active_policy.decision_point
        if route is None or said is None or caller is None or pdp is None:
            return None
        began = time.perf_counter()
        request = _request_with(said)
        token = CURRENT.set(request)
        try:
            if user is None:
                answer = _posted(pdp, caller, said, body, route)
            else:
                answer = None if body else _permissions(pdp, caller, said, user[1].decode(), user[2])
            if answer is None:
                return None
            status, head, content = answer
            record = request, method.decode(), route, status, time.perf_counter() - began
            tracing.tracer().record_server_span(*record)
        except Exception:  # noqa: BLE001 -- a fault of ours is logged, and the application answers
            _log.exception("the fast path failed")
            return None
        finally:
            CURRENT.reset(token)
        self._access_log.log_request(*record, caller.name)
        return status, marked(head, request, DATA, by_origin=self._by_origin), content

    def _caller(self, headers: Headers) -> Caller | None:
        if self._known is None:
            return ANYONE
        credential = headers.get(b"authorization", b"")
        return self._known(credential[len(_BEARER) :]) if credential.startswith(_BEARER) else None


def _usual(headers: RawHeaders) -> Headers | None:
    """Return headers by name; None if one comes twice, or one asks for another answer than the usual."""
    said = dict(headers)
    return said if len(said) == len(headers) and said.keys().isdisjoint(_UNUSUAL) else None


def _request_with(headers: Headers) -> Request:
    named = headers.get(REQUEST_ID)
    return request_with([] if named is None else [named], headers.get(TRACEPARENT))


def _permissions(
    pdp: DecisionPoint, caller: Caller, headers: Headers, user: str, query: bytes | None
) -> Stamped | None:
    subject = _subject(user, query)
    if subject is None or CallerScope.PERMISSIONS_READ not in caller.scopes:
        return None
    answer = cached_permissions(pdp, subject, Freshness(caller=caller), rendered_set)
    if answer is None:
        return None
    held = headers.get(b"if-none-match")
    return stamped(None if held is None else held.decode("latin-1"), answer, pdp.roster.fresh_seconds)


def _subject(user: str, query: bytes | None) -> Subject | None:
    """Return who is asked about; None where the query is anything but a role, a district, or both."""
    if not query:
        return Subject(user)
    parts = _QUERY.fullmatch(query)
    if parts is None:
        return None
    name, value, other, further = (None if part is None else part.decode() for part in parts.groups())
    said = {name: value, other: further}
    role = said.get("role")
    if role is not None and role not in _ROLES:
        return None
    return Subject(user, said.get("district"), None if role is None else _ROLES[role])


def _posted(pdp: DecisionPoint, caller: Caller, headers: Headers, body: bytes, route: str) -> Stamped | None:
    if headers.get(b"content-type") != b"application/json" or _POSTED[route] not in caller.scopes:
        return None
    if len(body) > MOST_BYTES:
        return None
    try:
        if route == EVALUATION_PATH:
            question = question_of(read_as(EvaluationRequest, object_in(body)))
            decision = cached_decision(pdp, question, Freshness(caller=caller))
            return None if decision is None else unkept(rendered_decision(pdp, decision))
        if route == SUBJECTS_PATH:
            return _subjects(pdp, caller, body)
        questions = _few_questions(body)
    except Refused:
        return None
    decisions = questions and cached_decisions(pdp, questions, Freshness(caller=caller, one_of_many=True))
    return unkept(rendered_together(pdp, decisions)) if decisions else None


def _subjects(pdp: DecisionPoint, caller: Caller, body: bytes) -> Stamped | None:
    asked = read_as(SubjectSearchRequest, object_in(body))
    # A page may be refused, and only once the search is logged.
    if asked.page:
        return None
    found = cached_subjects(pdp, question_of(asked), Freshness(caller=caller, one_of_many=True))
    return None if found is None else unkept(rendered_subjects(pdp, caller, asked, found))


def _few_questions(body: bytes) -> Sequence[Question]:
    """Return the questions of a batch if they are few, well-formed, and all to be answered, else none."""
    evaluations = evaluations_in(body)
    if len(evaluations.items) > MOST_QUESTIONS or evaluations.semantic is not EvaluationsSemantic.EXECUTE_ALL:
        return ()
    questions = [item for item in questions_in(evaluations) if isinstance(item, Question)]
    return questions if len(questions) == len(evaluations.items) else ()
