"""Reads answers into the models that datamodel-code-generator makes, and prints what it read through them."""

import json
import sys

import httpx
from models import (
    AuthzenAction,
    AuthzenResource,
    AuthzenSubject,
    Batch,
    BatchItem,
    BatchResults,
    DecisionBody,
    EvaluationItem,
    EvaluationRequest,
    EvaluationsAnswer,
    EvaluationsBody,
    EvaluationsRequest,
    InvalidRequest,
    Liveness,
    PermissionSetBody,
    PolicyInForce,
    Problem,
    Role,
    RoleNotHeldProblem,
    RolesBody,
)
from pydantic import BaseModel


def main(url: str, key: str, user: str, nobody: str, section: str) -> None:
    """Ask every kind of question, and print what the answers say."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}) as client:

        def get(path: str, **query: str) -> httpx.Response:
            return client.get(path, params=query)

        def post(path: str, body: BaseModel) -> httpx.Response:
            said = body.model_dump_json(exclude_none=True)
            return client.post(path, content=said, headers={"Content-Type": "application/json"})

        permissions = f"/v1/users/{user}/permissions"
        whole = PermissionSetBody.model_validate_json(get(permissions).content)
        teacher = PermissionSetBody.model_validate_json(get(permissions, role=Role.teacher.value).content)
        refused = RoleNotHeldProblem.model_validate_json(get(permissions, role=Role.student.value).content)
        unknown = Problem.model_validate_json(get(f"/v1/users/{nobody}/roles").content)
        malformed = InvalidRequest.model_validate_json(get("/v1/users/no id/roles").content)
        roles = RolesBody.model_validate_json(get(f"/v1/users/{user}/roles").content)
        batch = Batch(users=[BatchItem(id=user), BatchItem(id=nobody), BatchItem(id=user, role=Role.student)])
        many = BatchResults.model_validate_json(post("/v1/users/permissions", batch).content)

        subject, resource = AuthzenSubject(type="user", id=user), AuthzenResource(type="section", id=section)
        action = AuthzenAction(name="edit")
        question = EvaluationRequest(subject=subject, action=action, resource=resource)
        decision = DecisionBody.model_validate_json(post("/access/v1/evaluation", question).content)
        alone = EvaluationsAnswer.model_validate_json(post("/access/v1/evaluations", question).content).root
        items = [EvaluationItem(), EvaluationItem(action=AuthzenAction(name="fly"))]
        asked = EvaluationsRequest(subject=subject, action=action, resource=resource, evaluations=items)
        several = EvaluationsAnswer.model_validate_json(post("/access/v1/evaluations", asked).content).root
        policy = PolicyInForce.model_validate_json(get("/v1/policy").content)
        alive = Liveness.model_validate_json(get("/livez").content)

    read = {
        "scopes": [grant.scope for grant in whole.grants],
        "via": [grant.via for grant in whole.grants],
        "role": teacher.role,
        "refused": {"status": refused.status, "type": refused.type, "held": refused.held},
        "unknown": {"status": unknown.status, "type": unknown.type},
        "malformed": {"status": malformed.status, "type": malformed.type},
        "opened": roles.default,
        "results": [
            [result.status, result.body.user if isinstance(result.body, PermissionSetBody) else result.body.type]
            for result in many.results
        ],
        "decision": [decision.decision, decision.context and decision.context.reason],
        "alone": isinstance(alone, DecisionBody) and alone.decision,
        "several": isinstance(several, EvaluationsBody) and [each.decision for each in several.evaluations],
        "message": [400, "string"],
        "rule": policy.policy.rule,
        "superset": policy.policy.superset,
        "alive": alive.status,
    }
    print(json.dumps(read, default=BaseModel.model_dump))


main(*sys.argv[1:])
