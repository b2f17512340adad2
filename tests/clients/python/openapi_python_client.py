"""Uses the client that openapi-python-client makes, and prints what it read through the types."""

import json
import sys

from rosterguard_client import AuthenticatedClient
from rosterguard_client.api.authzen import evaluate_access, evaluate_access_many, search_actions
from rosterguard_client.api.health import get_liveness
from rosterguard_client.api.permissions import get_permissions, get_permissions_of_many, get_roles
from rosterguard_client.api.policy import get_policy
from rosterguard_client.models.action_search_request import ActionSearchRequest
from rosterguard_client.models.authzen_action import AuthzenAction
from rosterguard_client.models.authzen_resource import AuthzenResource
from rosterguard_client.models.authzen_subject import AuthzenSubject
from rosterguard_client.models.batch import Batch
from rosterguard_client.models.batch_item import BatchItem
from rosterguard_client.models.batch_results import BatchResults
from rosterguard_client.models.decision_body import DecisionBody
from rosterguard_client.models.decision_context import DecisionContext
from rosterguard_client.models.evaluation_item import EvaluationItem
from rosterguard_client.models.evaluation_request import EvaluationRequest
from rosterguard_client.models.evaluations_body import EvaluationsBody
from rosterguard_client.models.evaluations_request import EvaluationsRequest
from rosterguard_client.models.invalid_request import InvalidRequest
from rosterguard_client.models.liveness import Liveness
from rosterguard_client.models.page_request import PageRequest
from rosterguard_client.models.permission_set_body import PermissionSetBody
from rosterguard_client.models.policy_file_superset import PolicyFileSuperset
from rosterguard_client.models.policy_in_force import PolicyInForce
from rosterguard_client.models.problem import Problem
from rosterguard_client.models.role import Role
from rosterguard_client.models.role_not_held_problem import RoleNotHeldProblem
from rosterguard_client.models.roles_body import RolesBody


def main(url: str, key: str, user: str, nobody: str, section: str) -> None:
    """Ask every kind of question, and print what the answers say."""
    with AuthenticatedClient(base_url=url, token=key, raise_on_unexpected_status=True) as client:
        whole = get_permissions.sync(user, client=client)
        assert isinstance(whole, PermissionSetBody)
        scopes: list[str] = [grant.scope for grant in whole.grants]
        via: list[list[str]] = [grant.via for grant in whole.grants]

        teacher = get_permissions.sync(user, client=client, role=Role.TEACHER)
        assert isinstance(teacher, PermissionSetBody)

        refused = get_permissions.sync_detailed(user, client=client, role=Role.STUDENT)
        assert isinstance(refused.parsed, RoleNotHeldProblem)

        missing = get_roles.sync_detailed(nobody, client=client)
        assert isinstance(missing.parsed, Problem)

        malformed = get_roles.sync_detailed("no id", client=client)
        assert isinstance(malformed.parsed, InvalidRequest)

        roles = get_roles.sync(user, client=client)
        assert isinstance(roles, RolesBody)
        opened: str | None = roles.default

        batch = Batch(users=[BatchItem(id=user), BatchItem(id=nobody), BatchItem(id=user, role=Role.STUDENT)])
        many = get_permissions_of_many.sync(client=client, body=batch)
        assert isinstance(many, BatchResults)

        subject, resource = AuthzenSubject(type_="user", id=user), AuthzenResource(type_="section", id=section)
        action = AuthzenAction(name="edit")
        question = EvaluationRequest(subject=subject, action=action, resource=resource)
        decision = evaluate_access.sync(client=client, body=question)
        assert isinstance(decision, DecisionBody)
        assert isinstance(decision.context, DecisionContext)

        bare = EvaluationsRequest(subject=subject, action=action, resource=resource)
        alone = evaluate_access_many.sync(client=client, body=bare)
        assert isinstance(alone, DecisionBody)

        bare.evaluations = [EvaluationItem(), EvaluationItem(action=AuthzenAction(name="fly"))]
        several = evaluate_access_many.sync(client=client, body=bare)
        assert isinstance(several, EvaluationsBody)

        search = ActionSearchRequest(subject=subject, resource=resource, page=PageRequest(token="none"))
        untaken = search_actions.sync_detailed(client=client, body=search)
        assert isinstance(untaken.parsed, str)

        policy = get_policy.sync(client=client)
        assert isinstance(policy, PolicyInForce)
        assert isinstance(policy.policy.superset, PolicyFileSuperset)

        alive = get_liveness.sync(client=client)
        assert isinstance(alive, Liveness)

    read = {
        "scopes": scopes,
        "via": via,
        "role": teacher.role,
        "refused": {"status": refused.status_code, "type": refused.parsed.type_, "held": refused.parsed.held},
        "unknown": {"status": missing.status_code, "type": missing.parsed.type_},
        "malformed": {"status": malformed.status_code, "type": malformed.parsed.type_},
        "opened": opened,
        "results": [
            [result.status, result.body.user if isinstance(result.body, PermissionSetBody) else result.body.type_]
            for result in many.results
        ],
        "decision": [decision.decision, decision.context.reason],
        "alone": alone.decision,
        "several": [each.decision for each in several.evaluations],
        "message": [untaken.status_code, "string"],
        "rule": policy.policy.rule,
        "superset": policy.policy.superset.to_dict(),
        "alive": alive.status,
    }
    print(json.dumps(read))


main(*sys.argv[1:])
