"""Uses the client that openapi-generator's python makes, and prints what it read through the types."""

import json
import sys
from collections.abc import Callable

from openapi_client import (
    ActionSearchRequest,
    ApiClient,
    ApiException,
    AuthzenAction,
    AuthzenApi,
    AuthzenResource,
    AuthzenSubject,
    Batch,
    BatchItem,
    Configuration,
    DecisionBody,
    EvaluationItem,
    EvaluationRequest,
    EvaluationsBody,
    EvaluationsRequest,
    HealthApi,
    PageRequest,
    PermissionsApi,
    PermissionSetBody,
    PolicyApi,
    Role,
)


def refusal(asked: Callable[[], object]) -> ApiException:
    """Return what is raised of a question that is refused."""
    try:
        asked()
    except ApiException as error:
        return error
    raise AssertionError("this should have been refused")


def main(url: str, key: str, user: str, nobody: str, section: str) -> None:
    """Ask every kind of question, and print what the answers say."""
    with ApiClient(Configuration(host=url, access_token=key)) as client:
        permissions, authzen = PermissionsApi(client), AuthzenApi(client)
        whole = permissions.get_permissions(user)
        teacher = permissions.get_permissions(user, role=Role.TEACHER)
        refused = refusal(lambda: permissions.get_permissions(user, role=Role.STUDENT))
        unknown = refusal(lambda: permissions.get_roles(nobody))
        malformed = refusal(lambda: permissions.get_roles("no id"))
        roles = permissions.get_roles(user)
        batch = Batch(users=[BatchItem(id=user), BatchItem(id=nobody), BatchItem(id=user, role=Role.STUDENT)])
        results = [
            (each.status, each.body.actual_instance) for each in permissions.get_permissions_of_many(batch).results
        ]

        asked = {
            "subject": AuthzenSubject(type="user", id=user),
            "resource": AuthzenResource(type="section", id=section),
        }
        question = asked | {"action": AuthzenAction(name="edit")}
        decision = authzen.evaluate_access(EvaluationRequest(**question))
        alone = authzen.evaluate_access_many(EvaluationsRequest(**question)).actual_instance
        assert isinstance(alone, DecisionBody)
        items = [EvaluationItem(), EvaluationItem(action=AuthzenAction(name="fly"))]
        several = authzen.evaluate_access_many(EvaluationsRequest(**question, evaluations=items)).actual_instance
        assert isinstance(several, EvaluationsBody)
        search = ActionSearchRequest(**asked, page=PageRequest(token="none"))
        untaken = refusal(lambda: authzen.search_actions(search))

        policy = PolicyApi(client).get_policy()
        alive = HealthApi(client).get_liveness()

    read = {
        "scopes": [grant.scope for grant in whole.grants],
        "via": [grant.via for grant in whole.grants],
        "role": teacher.role,
        "refused": {"status": refused.status, "type": refused.data.type, "held": refused.data.held},
        "unknown": {"status": unknown.status, "type": unknown.data.type},
        "malformed": {"status": malformed.status, "type": malformed.data.type},
        "opened": roles.default,
        "results": [
            [status, body.user if isinstance(body, PermissionSetBody) else body.type] for status, body in results
        ],
        "decision": [decision.decision, decision.context.reason],
        "alone": alone.decision,
        "several": [each.decision for each in several.evaluations],
        "message": [untaken.status, "string"],
        "rule": policy.policy.rule,
        "superset": policy.policy.superset,
        "alive": alive.status,
    }
    print(json.dumps(read))


main(*sys.argv[1:])
