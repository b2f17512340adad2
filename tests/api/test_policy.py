"""`GET /v1/policy`."""

from pathlib import Path

import httpx

from app.domain.policy_lint import warnings
from app.domain.policy_schema import PolicyFile
from app.main import default_policy
from app.policy_files.yaml import read_policy
from tests.api.connecting import until
from tests.conftest import Serve


def test_the_policy_in_force_and_its_revision(service: httpx.Client) -> None:
    policy = read_policy(default_policy())
    answer = service.get("/v1/policy").json()
    assert answer["revision"] == policy.revision
    assert PolicyFile.model_validate(answer["policy"]) == policy.file
    assert answer["warnings"] == []


def test_the_revision_is_the_tag(service: httpx.Client) -> None:
    answer = service.get("/v1/policy")
    assert answer.headers["etag"] == f'"{answer.json()["revision"]}"'
    assert service.get("/v1/policy", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_what_is_odd_in_it_is_warned_of_and_changes_the_tag(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(f"{default_policy()}sections: {{grace_days: 7, after: drop}}\n")
    answer = serve(policy=file).get("/v1/policy")
    policy = read_policy(file.read_text())
    assert answer.json()["warnings"] == list(warnings(policy.file))
    assert [one.partition(" ")[0] for one in answer.json()["warnings"]] == ["sections.grace_days", "sections.after"]
    assert answer.json()["policy"]["district"]["before_launch"] == "deny"
    assert answer.headers["etag"].startswith(f'"{policy.revision}-')


def test_it_takes_no_parameters(service: httpx.Client) -> None:
    assert service.get("/v1/policy?revision=1").status_code == 422


def test_what_its_file_comes_to_say_is_in_force(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(default_policy())
    service = serve(policy=file)
    assert service.get("/v1/policy").json()["policy"]["rule"] == "superset"
    file.write_text(default_policy().replace("rule: superset", "rule: scoped"))
    until(lambda: service.get("/v1/policy").json()["policy"]["rule"] == "scoped")


def test_a_file_that_becomes_unfit_for_use_leaves_what_there_was(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(default_policy())
    service = serve(policy=file)
    until(lambda: service.get("/readyz").json()["parts"]["policy"] == "ok")
    file.write_text("version: 2")
    until(lambda: service.get("/readyz").json()["parts"]["policy"] == "outdated")
    assert service.get("/v1/policy").json()["revision"] == read_policy(default_policy()).revision
