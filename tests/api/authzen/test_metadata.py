"""The metadata: where the service is, by its settings alone (AuthZEN section 9)."""

import httpx
import pytest

from tests.api.authzen.conftest import anonymous
from tests.conftest import Sandbox, Serve, rosterguard_process

PATH = "/.well-known/authzen-configuration"
URL = "https://pdp.example.org"


def configuration(url: str, base: str | None = None) -> dict[str, str]:
    base = base or url
    return {
        "policy_decision_point": url,
        "access_evaluation_endpoint": f"{base}/access/v1/evaluation",
        "access_evaluations_endpoint": f"{base}/access/v1/evaluations",
        "search_subject_endpoint": f"{base}/access/v1/search/subject",
        "search_resource_endpoint": f"{base}/access/v1/search/resource",
        "search_action_endpoint": f"{base}/access/v1/search/action",
    }


def test_it_names_the_public_url_whatever_the_request_says(serve: Serve) -> None:
    """§9.1.1, §9.2.2, §9.2.3: never Host, nor what a proxy forwards; no credential is needed."""
    headers = {"Host": "evil.example.com", "X-Forwarded-Host": "evil.example.com", "X-Forwarded-Proto": "http"}
    with anonymous(serve(public_url=URL)) as stranger:
        answer = stranger.get(PATH, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == configuration(URL)


def test_it_may_be_kept(serve: Serve) -> None:
    """§11.9."""
    service = serve(public_url=URL)
    first = service.get(PATH)
    second = service.get(PATH, headers={"If-None-Match": first.headers["etag"]})
    assert first.headers["cache-control"] == "public, max-age=3600"
    assert (second.status_code, second.content, second.headers["etag"]) == (304, b"", first.headers["etag"])


@pytest.mark.parametrize("url", [f"{URL}/d1", f"{URL}/d1/east", f"{URL}/d1/"])
def test_a_path_of_the_url_comes_last(url: str, serve: Serve) -> None:
    """§9.2: the well-known part is put before any path; the identifier stays as it was written."""
    base = url.rstrip("/")
    with anonymous(serve(public_url=url)) as stranger:
        answer = stranger.get(PATH + base.removeprefix(URL), headers={"X-Request-ID": "r"})
        assert stranger.get(PATH).json() == answer.json() == configuration(url, base)
        assert answer.headers["x-request-id"] == "r"
        assert stranger.get(f"{PATH}/elsewhere").status_code == 404


def test_without_a_url_there_is_none(serve: Serve) -> None:
    answer = serve().get(PATH)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert answer.text == "this service does not know its public URL: ROSTERGUARD_PUBLIC_URL is not set"


def test_on_loopback_each_worker_names_the_address_of_all(sandbox: Sandbox) -> None:
    with rosterguard_process(
        "--no-auth", "--workers", "2", ROSTERGUARD_CLEVER_URL=sandbox.url, ROSTERGUARD_SECRET="s" * 16
    ) as (_, url):
        assert httpx.get(url + PATH, timeout=30).json() == configuration(url)
