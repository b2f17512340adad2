"""`GET /v1/policy`."""

import httpx

from app.domain.policy_file import PolicyFile
from app.main import default_policy
from app.services.policies import read_policy


def test_the_policy_in_force_and_its_revision(service: httpx.Client) -> None:
    policy = read_policy(default_policy())
    answer = service.get("/v1/policy").json()
    assert answer["revision"] == policy.revision
    assert PolicyFile.model_validate(answer["policy"]) == policy.file


def test_the_revision_is_the_tag(service: httpx.Client) -> None:
    answer = service.get("/v1/policy")
    assert answer.headers["etag"] == f'"{answer.json()["revision"]}"'
    assert service.get("/v1/policy", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_it_takes_no_parameters(service: httpx.Client) -> None:
    assert service.get("/v1/policy?revision=1").status_code == 422
