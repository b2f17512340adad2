"""What every answer tells a browser, and which other sites' pages may read answers."""

import re
from collections.abc import Iterator

import httpx
import pytest
from pydantic import ValidationError

from app.cli.server import in_background
from app.main import create_app
from app.settings import Settings
from tests.api.connecting import connected_to, told
from tests.conftest import KEY, Sandbox, Serve, rosterguard_process, settings_over

PERMISSIONS = "/v1/users/{}/permissions"
NOBODY = PERMISSIONS.format("f" * 24)
APP, STRANGER = "https://app.example.org", "https://stranger.example.org"

PROTECTION = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


def protection_of(answer: httpx.Response) -> dict[str, str | None]:
    return {name: ", ".join(answer.headers.get_list(name)) or None for name in PROTECTION}


def about_users(service: httpx.Client, user: str) -> Iterator[httpx.Response]:
    """Ask of a user what there is to ask, well and badly."""
    for path in ("permissions", "roles", "explanation?permission=section:view"):
        yield service.get(f"/v1/users/{user}/{path}")
        yield service.get(f"/v1/users/{'f' * 24}/{path}")
        yield service.get(f"/v1/users/{user}/{path}", params={"rol": "teacher", "permission": "section:view"})
        yield service.get(f"/v1/users/{user}/{path}", headers={"Authorization": "Bearer of nothing"})
        yield service.post(f"/v1/users/{user}/{path}")
        yield service.get(f"/v1/users/{'e' * 24}/{path}", headers={"Cache-Control": "only-if-cached"})
    yield service.post("/v1/users/permissions", json={"users": [{"id": user}]})
    subject, action = {"type": "user", "id": user}, {"name": "view"}
    question = {"subject": subject, "action": action, "resource": {"type": "section", "id": "f" * 24}}
    for path in ("evaluation", "evaluations", "search/subject", "search/resource", "search/action"):
        yield service.post(f"/access/v1/{path}", json=question)
        yield service.post(f"/access/v1/{path}", json=[])


def test_answers_about_users_are_kept_by_nobody_else(service: httpx.Client, sandbox: Sandbox) -> None:
    answers = [(answer.status_code, answer.headers) for answer in about_users(service, sandbox.user("teacher_only"))]
    assert {status for status, _ in answers} == {200, 400, 401, 404, 405, 422, 504}
    assert {re.sub("max-age=[0-9]+", "max-age=N", headers["cache-control"]) for _, headers in answers} == {
        "private, max-age=N, must-revalidate",
        "no-store",
    }
    kept = [headers for status, headers in answers if "private" in headers["cache-control"]]
    assert {headers["vary"] for headers in kept} == {"Authorization"}


def test_a_304_is_kept_by_nobody_else_either(service: httpx.Client, sandbox: Sandbox) -> None:
    path = PERMISSIONS.format(sandbox.user("teacher_only"))
    again = service.get(path, headers={"If-None-Match": service.get(path).headers["etag"]})
    assert (again.status_code, again.headers["vary"]) == (304, "Authorization")
    assert again.headers["cache-control"].startswith("private, ")


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/openapi.json", "/docs/assets/swagger-ui.css", "/nowhere", NOBODY]
)
def test_every_answer_is_to_be_taken_as_what_it_says_that_it_is(path: str, service: httpx.Client) -> None:
    assert protection_of(service.get(path)) == PROTECTION
    assert protection_of(service.head(path, headers={"Authorization": ""})) == PROTECTION


def test_what_is_no_request_is_answered_no_less_carefully(service: httpx.Client) -> None:
    answer = service.get("/livez", headers={"X-Large": "x" * 20_000})
    assert (answer.status_code, protection_of(answer)) == (431, PROTECTION)


def test_the_reference_may_run_its_own_scripts_alone(service: httpx.Client) -> None:
    page = service.get("/docs")
    [policy] = page.headers.get_list("content-security-policy")
    directives = dict(each.strip().split(" ", 1) for each in policy.split(";"))
    assert (directives["default-src"], directives["connect-src"]) == ("'none'", "'self'")
    assert "unsafe" not in directives["script-src"]
    assert page.text.count("<script") == 2
    assert '"validatorUrl": null' in page.text
    # Nothing stands in the page that would come from elsewhere, or run without having a digest.
    assert not re.findall(r"https?://|//cdn|\son\w+=", page.text)


def test_nothing_tells_which_server_this_is() -> None:
    with rosterguard_process("--no-auth") as (_, url), httpx.Client(base_url=url) as client:
        told = [client.get(path).headers.keys() for path in ("/livez", "/docs", "/nowhere")]
    assert [names & {"server", "x-powered-by"} for names in map(set, told)] == [set(), set(), set()]


def preflight(service: httpx.Client, path: str, origin: str) -> httpx.Response:
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    return httpx.options(f"{service.base_url}{path}", headers={"Origin": origin, **asked})


def allowed(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-allow-")}


def test_no_other_site_may_read_answers_unless_it_is_configured(service: httpx.Client, sandbox: Sandbox) -> None:
    path = PERMISSIONS.format(sandbox.user("teacher_only"))
    assert allowed(service.get(path, headers={"Origin": APP})) == {}
    beforehand = preflight(service, path, APP)
    assert (beforehand.status_code, allowed(beforehand)) == (401, {})


def test_a_configured_site_may_read_answers_and_errors(serve: Serve, sandbox: Sandbox) -> None:
    service = serve(cors_origins=(APP,))
    for path in (PERMISSIONS.format(sandbox.user("teacher_only")), NOBODY, "/nowhere"):
        answer = service.get(path, headers={"Origin": APP})
        assert allowed(answer) == {"access-control-allow-origin": APP}
        assert "Origin" in answer.headers["vary"]
        assert answer.headers["access-control-expose-headers"] == "Age, ETag, Retry-After, X-Request-ID"


@pytest.mark.parametrize(
    "origin", [STRANGER, "null", "https://app.example.org.evil.example", "http://app.example.org", "*"]
)
def test_another_site_may_not(origin: str, serve: Serve, sandbox: Sandbox) -> None:
    service = serve(cors_origins=(APP,))
    answer = service.get(PERMISSIONS.format(sandbox.user("teacher_only")), headers={"Origin": origin})
    assert (answer.status_code, allowed(answer)) == (200, {})
    beforehand = preflight(service, NOBODY, origin)
    assert "access-control-allow-origin" not in beforehand.headers
    assert beforehand.status_code == 200  # an error would have to be a problem, and this is for the browser to judge


def test_an_answer_of_the_fast_path_is_kept_for_no_page_either(serve: Serve, sandbox: Sandbox) -> None:
    service = serve(cors_origins=(APP,))
    path = PERMISSIONS.format(sandbox.user("teacher_only"))
    assert [service.get(path).headers["vary"] for _ in range(3)] == ["Authorization, Origin"] * 3


def by_every_entrance(service: httpx.Client, user: str) -> Iterator[httpx.Response]:
    """Ask in each of the ways in which an answer comes about, as a page and as a backend."""
    path = PERMISSIONS.format(user)
    question = {"subject": {"type": "user", "id": user}, "action": {"name": "view"}}
    question["resource"] = {"type": "section", "id": "f" * 24}
    tag = service.get(path).headers["etag"]
    for headers in ({}, {"Origin": APP}, {"Origin": STRANGER}):
        for cached in ({}, {"Cache-Control": "max-stale=1"}):
            for given in (headers | cached, headers | cached | {"If-None-Match": tag}):
                yield service.get(path, headers=given)
                yield service.head(path, headers=given)
            yield service.post("/access/v1/evaluation", json=question, headers=headers | cached)
            yield service.post("/access/v1/evaluations", json={"evaluations": [question]}, headers=headers | cached)
        for other in ("/livez", "/nowhere", NOBODY, f"{path}?rol=teacher", "/docs", "/openapi.json"):
            yield service.get(other, headers=headers)
        yield service.get(path, headers=headers | {"Authorization": "Bearer of nothing"})
        yield service.get("/livez", headers=headers | {"X-Large": "x" * 20_000})
        yield service.get("/livez", headers=headers | {"Host": "a@b"})
        yield preflight(service, path, headers.get("Origin", APP))


def test_what_an_answer_varies_by_stands_in_one_line_by_every_entrance(serve: Serve, sandbox: Sandbox) -> None:
    shared, alone = serve(cors_origins=(APP,)), serve()
    user = sandbox.user("teacher_only")
    for answer in by_every_entrance(shared, user):
        [vary] = answer.headers.get_list("vary")
        is_kept = "private" in answer.headers.get("cache-control", "")
        if answer.request.method == "OPTIONS":
            vary = vary.partition(", ")[0]  # it varies by what is asked beforehand as well
        assert vary == ("Authorization, Origin" if is_kept else "Origin"), answer.request
    for answer in by_every_entrance(alone, user):
        is_kept = "private" in answer.headers.get("cache-control", "")
        assert answer.headers.get_list("vary") == (["Authorization"] if is_kept else [])


def test_all_entrances_say_the_same_of_an_answer(serve: Serve, sandbox: Sandbox) -> None:
    for service in (serve(), serve(cors_origins=(APP,))):
        said: dict[tuple[str, int], set[frozenset[str]]] = {}
        for answer in by_every_entrance(service, sandbox.user("teacher_only")):
            assert len(answer.headers.get_list("x-request-id")) == len(answer.headers.get_list("date")) == 1
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert len(answer.headers.multi_items()) == len(set(answer.headers))
            if "Origin" not in answer.request.headers:
                asked = (answer.request.method + answer.request.url.path, answer.status_code)
                said.setdefault(asked, set()).add(frozenset(answer.headers))
        assert {asked: len(each) for asked, each in said.items() if len(each) > 1} == {}


def test_what_a_browser_asks_beforehand_needs_no_key_and_tells_nothing(serve: Serve, sandbox: Sandbox) -> None:
    service = serve(cors_origins=(APP,))
    there, nobody, nowhere = (
        preflight(service, path, APP) for path in (PERMISSIONS.format(sandbox.user("teacher_only")), NOBODY, "/nowhere")
    )
    assert (there.status_code, there.text, there.headers["access-control-allow-origin"]) == (200, "OK", APP)
    for answer in (there, nobody, nowhere):
        del answer.headers["x-request-id"], answer.headers["date"]
    assert there.headers == nobody.headers == nowhere.headers
    assert "access-control-allow-credentials" not in there.headers
    assert sandbox.requests.total() <= 1  # the service's own question for its district


def test_a_site_that_may_read_still_needs_a_key(serve: Serve) -> None:
    service = serve(cors_origins=(APP,))
    answer = httpx.get(f"{service.base_url}{NOBODY}", headers={"Origin": APP, "Cookie": f"key={KEY}"})
    assert (answer.status_code, allowed(answer)) == (401, {"access-control-allow-origin": APP})


@pytest.fixture(scope="module")
def without_keys(running_sandbox: Sandbox) -> Iterator[httpx.Client]:
    app = create_app(settings_over(running_sandbox, api_keys=()), no_auth=True)
    with in_background(app) as url, httpx.Client(base_url=url) as client:
        yield client


@pytest.mark.parametrize(
    "host",
    ["attacker.example", "127.0.0.1.attacker.example:80", "10.0.0.1", "localhost@a", "[::2]", "localhost:99999", ""],
)
def test_without_keys_a_site_whose_name_leads_here_may_not_read_answers(
    host: str, without_keys: httpx.Client, sandbox: Sandbox
) -> None:
    path = PERMISSIONS.format(sandbox.user("teacher_only"))
    for _ in range(3):
        assert without_keys.get(path).status_code == 200
        assert without_keys.get(path, headers={"Host": host}).status_code in {400, 421}


@pytest.mark.parametrize(
    ("named", "header", "wanted"),
    [("attacker.example", "127.0.0.1", 421), ("127.0.0.1:1", "attacker.example", 200), ("[::1]", "10.0.0.1", 200)],
)
def test_without_keys_the_host_that_the_target_names_counts(
    named: str, header: str, wanted: int, without_keys: httpx.Client, sandbox: Sandbox
) -> None:
    path = PERMISSIONS.format(sandbox.user("teacher_only"))
    for _ in range(3):
        assert without_keys.get(path).status_code == 200
        with connected_to(str(without_keys.base_url)) as caller:
            said = f"GET http://{named}{path} HTTP/1.1\r\nHost: {header}\r\nConnection: close\r\n\r\n"
            caller.sendall(said.encode())
            assert [answer.status for answer in told(caller)] == [wanted]


@pytest.mark.parametrize("host", ["localhost", "LocalHost:8900", "127.0.0.1", "127.1.2.3:1", "[::1]", "[::1]:8900"])
def test_without_keys_this_machine_may_be_called_by_any_of_its_own_names(host: str, without_keys: httpx.Client) -> None:
    assert without_keys.get("/v1/policy", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "given", [f"{APP}", f"{APP}, http://localhost:3000", "", "http://127.0.0.1:5173,https://a.b:8443"]
)
def test_sites_are_named_with_commas_between(given: str) -> None:
    settings = Settings.model_validate({"clever_token": "t", "cors_origins": given})
    assert settings.cors_origins == tuple(each.strip() for each in given.split(",") if each)


@pytest.mark.parametrize(
    "given",
    [
        *("*", "null", f"{APP},*", f"{APP}/", "app.example.org", "https://*.example.org", "https://App.example.org"),
        *("https://app.example.org:443", "http://app.example.org", "https://u@app.example.org", "https://:8443"),
        "ftp://a.b",
    ],
)
def test_what_is_no_exact_site_is_a_mistake(given: str) -> None:
    with pytest.raises(ValidationError) as mistake:
        Settings.model_validate({"clever_token": "t", "cors_origins": given})
    [told] = mistake.value.errors()
    said = {"only https keeps a page from being forged on its way; http is for loopback alone"}
    said |= {"name each site as its browser does, such as https://app.example.org; no * and no path"}
    assert (told["loc"], told["msg"].removeprefix("Value error, ") in said) == (("cors_origins",), True)
