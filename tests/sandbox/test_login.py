"""The login of users: the page, the code, the user token, and what an application reads with it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from starlette.applications import Starlette

from app.sandbox.server import create_sandbox
from app.sandbox.world import World, generate
from tests.conftest import MovedClock

BACK = "http://127.0.0.1:9999/callback"
REGISTERED = "https://app.example.org/callback"
BASIC = httpx.BasicAuth("sandbox-client", "sandbox-secret")
QUESTION = {"response_type": "code", "client_id": "sandbox-client", "redirect_uri": BACK, "state": "a b&c"}
BASIC_SCOPES = [
    "read:user_id",
    "read:district_admins_basic",
    "read:school_admins_basic",
    "read:students_basic",
    "read:teachers_basic",
]


async def authorize(clever: httpx.AsyncClient, **changed: str | None) -> httpx.Response:
    asked = {name: value for name, value in {**QUESTION, **changed}.items() if value is not None}
    return await clever.get("/oauth/authorize", params=asked)


def sent_back(answer: httpx.Response) -> Mapping[str, str]:
    address = urlsplit(answer.headers["Location"])
    assert answer.status_code == 302
    return {name: value for name, (value,) in parse_qs(address.query).items()}


async def code_of(clever: httpx.AsyncClient, person: str, **changed: str) -> str:
    return sent_back(await authorize(clever, login_hint=person, **changed))["code"]


async def exchange(clever: httpx.AsyncClient, code: str, **changed: str) -> httpx.Response:
    asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, **changed}
    return await clever.post("/oauth/tokens", data=asked, auth=BASIC)


@dataclass
class User:
    """Somebody who logged in: what the application got for the code."""

    clever: httpx.AsyncClient
    got: dict[str, Any]

    async def get(self, path: str) -> httpx.Response:
        return await self.clever.get(path, headers={"Authorization": f"Bearer {self.got['access_token']}"})


async def log_in(clever: httpx.AsyncClient, person: str, **changed: str) -> User:
    answer = await exchange(clever, await code_of(clever, person, **changed))
    return User(clever, answer.json())


def legacy_id(world: World, case: str, role: str) -> str:
    return world.districts[0].users[world.cases[case].user].ids_in(role, "legacy_id")[0]


async def test_the_page_lets_one_pick_a_named_case(clever: httpx.AsyncClient) -> None:
    page = await authorize(clever)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    link = (
        "/oauth/authorize?response_type=code&amp;client_id=sandbox-client&amp;redirect_uri=http%3A%2F%2F127.0.0.1"
        "%3A9999%2Fcallback&amp;state=a+b%26c&amp;login_hint=teacher_only"
    )
    assert f'<a href="{link}">teacher_only</a>\n<p>A teacher with two sections at one school.</p>' in page.text
    assert '<html lang="en">' in page.text
    assert page.text.count("<h1>") == 1


async def test_the_page_runs_no_script_and_loads_nothing(clever: httpx.AsyncClient) -> None:
    policy = (await authorize(clever)).headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert policy.endswith("; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")


async def test_what_an_application_asks_is_escaped_on_the_page(clever: httpx.AsyncClient) -> None:
    page = await authorize(clever, state="\"><script>alert('x')</script>")
    assert "<script" not in page.text


async def test_who_holds_several_roles_picks_one(clever: httpx.AsyncClient) -> None:
    page = (await authorize(clever)).text
    for role in ("district_admin", "staff", "teacher"):
        assert f"login_hint=all_three_roles&amp;role={role}" in page
        assert f">all_three_roles as {role}</a>" in page


async def test_the_page_shows_the_people_of_one_district_if_asked() -> None:
    world = generate(districts=2)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_sandbox(world)), base_url="http://clever") as it:
        page = (await authorize(it, district_id=world.districts[1].id)).text
    assert "teacher_only_in_district_2</a>" in page
    assert "teacher_only</a>" not in page


async def test_a_picked_person_is_sent_back_with_a_code_and_the_state(clever: httpx.AsyncClient) -> None:
    answer = await authorize(clever, login_hint="teacher_only", redirect_uri=f"{BACK}?tenant=7")
    assert answer.headers["Location"].startswith(f"{BACK}?tenant=7&code=")
    assert sent_back(answer)["state"] == "a b&c"


@pytest.mark.parametrize(
    "uri", [BACK, REGISTERED, "http://localhost/x", "http://[::1]:8/x", "https://127.0.0.1:8443/x"]
)
async def test_an_application_is_registered_or_on_this_machine(clever: httpx.AsyncClient, uri: str) -> None:
    answer = await authorize(clever, login_hint="teacher_only", redirect_uri=uri)
    assert (answer.status_code, answer.headers["Location"].startswith(f"{uri}?code=")) == (302, True)


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": None},
        {"client_id": "other"},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": f"{REGISTERED}/more"},
        {"redirect_uri": "http://127.0.0.1@evil.example/"},
        {"redirect_uri": "http://127.0.0.1.evil.example/"},
        {"redirect_uri": "http://127.0.0.1/#fragment"},
        {"redirect_uri": "http://127.0.0.1/\nx"},
        {"redirect_uri": "javascript:alert(1)"},
    ],
    ids=str,
)
async def test_an_application_that_is_not_known_for_sure_gets_a_page_and_no_redirect(
    clever: httpx.AsyncClient, changed: dict[str, str | None]
) -> None:
    answer = await authorize(clever, **{"login_hint": "teacher_only", **changed})
    assert (answer.status_code, "Nobody can log in" in answer.text) == (400, True)
    assert "Content-Security-Policy" in answer.headers


@pytest.mark.parametrize(
    "changed", [{"login_hint": "nobody"}, {"login_hint": "teacher_only", "role": "staff"}], ids=str
)
async def test_who_is_not_there_in_this_role_cannot_log_in(clever: httpx.AsyncClient, changed: dict[str, str]) -> None:
    answer = await authorize(clever, **changed)
    assert (answer.status_code, "login_hint" in answer.text) == (400, True)


async def test_a_parameter_given_twice_is_refused(clever: httpx.AsyncClient) -> None:
    assert (await clever.get("/oauth/authorize?state=a&state=b")).status_code == 400


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": None}, "unsupported_response_type"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "openid read:everything"}, "invalid_scope"),
    ],
)
async def test_a_known_application_is_told_its_mistake_by_redirect(
    clever: httpx.AsyncClient, changed: dict[str, str | None], error: str
) -> None:
    told = sent_back(await authorize(clever, **{"login_hint": "teacher_only", **changed}))
    assert (told["error"], told["state"], "code" in told) == (error, "a b&c", False)


async def test_a_code_is_exchanged_for_a_user_token(clever: httpx.AsyncClient) -> None:
    answer = await exchange(clever, await code_of(clever, "teacher_only"))
    got = answer.json()
    assert got.pop("access_token").startswith("il")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert got == {"token_type": "bearer", "expires_in": 86400}


@pytest.mark.parametrize("shape", ["data", "json"])
async def test_a_code_comes_as_form_or_json_with_the_credentials_beside_it(
    clever: httpx.AsyncClient, shape: str
) -> None:
    asked = {
        "grant_type": "authorization_code",
        "code": await code_of(clever, "teacher_only"),
        "redirect_uri": BACK,
        "client_id": "sandbox-client",
        "client_secret": "sandbox-secret",
    }
    body: dict[str, Any] = {shape: asked}
    assert (await clever.post("/oauth/tokens", **body)).status_code == 200


async def test_a_code_is_of_use_once(clever: httpx.AsyncClient) -> None:
    code = await code_of(clever, "teacher_only")
    assert (await exchange(clever, code)).status_code == 200
    answer = await exchange(clever, code)
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "invalid_grant", "error_description": "invalid code"},
    )


async def test_a_code_is_of_use_for_a_minute(clever: httpx.AsyncClient, sandbox: Starlette, clock: MovedClock) -> None:
    sandbox.state.world.clock = clock
    in_time, late = [await code_of(clever, "teacher_only") for _ in range(2)]
    clock.move(59)
    assert (await exchange(clever, in_time)).status_code == 200
    clock.move(1)
    assert (await exchange(clever, late)).json()["error"] == "invalid_grant"


async def test_a_code_is_of_use_to_the_address_that_it_was_sent_to(clever: httpx.AsyncClient) -> None:
    answer = await exchange(clever, await code_of(clever, "teacher_only"), redirect_uri=REGISTERED)
    assert answer.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code": ""}, "invalid_request"),
        ({"code": "unknown"}, "invalid_grant"),
        ({"redirect_uri": ""}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
async def test_an_exchange_that_is_refused_says_why(
    clever: httpx.AsyncClient, changed: dict[str, str], error: str
) -> None:
    answer = await exchange(clever, **{"code": "unknown", **changed})
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json()["error_description"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"[]"),
        ("application/json", b"{"),
        ("application/json", b'{"code": 1}'),
        pytest.param("application/json", b"[" * 100_000, id="nested too deep"),
        ("application/x-www-form-urlencoded", b"code=1&code=2"),
        ("application/x-www-form-urlencoded", b"\xff"),
    ],
)
async def test_a_body_of_another_form_is_an_invalid_request(clever: httpx.AsyncClient, kind: str, body: bytes) -> None:
    answer = await clever.post("/oauth/tokens", content=body, headers={"Content-Type": kind}, auth=BASIC)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_an_exchange_wants_the_client_credentials(clever: httpx.AsyncClient) -> None:
    code = await code_of(clever, "teacher_only")
    asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
    answer = await clever.post("/oauth/tokens", data=asked)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_me_names_the_user_since_version_3(clever: httpx.AsyncClient, world: World) -> None:
    user, district = world.cases["all_three_roles"].user, world.districts[0].id
    answer = await (await log_in(clever, "all_three_roles", role="staff")).get("/v3.1/me")
    links = [
        {"rel": "self", "uri": "/me"},
        {"rel": "canonical", "uri": f"/v3.1/users/{user}"},
        {"rel": "district", "uri": f"/v3.1/districts/{district}"},
    ]
    data = {"id": user, "district": district, "type": "user", "authorized_by": "district"}
    assert answer.json() == {"type": "user", "data": data, "links": links}


@pytest.mark.parametrize(
    ("version", "authorized_by"), [("v2.0", {}), ("v2.1", {"authorized_by": "district"})], ids=["v2.0", "v2.1"]
)
@pytest.mark.parametrize(
    ("role", "kind"), [("staff", "school_admin"), ("teacher", "teacher"), ("district_admin", "district_admin")]
)
async def test_me_names_the_account_of_the_role_before_version_3(
    clever: httpx.AsyncClient, world: World, version: str, authorized_by: dict[str, str], role: str, kind: str
) -> None:
    account, district = legacy_id(world, "all_three_roles", role), world.districts[0].id
    answer = await (await log_in(clever, "all_three_roles", role=role)).get(f"/{version}/me")
    links = [
        {"rel": "self", "uri": "/me"},
        {"rel": "canonical", "uri": f"/{version}/{kind}s/{account}"},
        {"rel": "district", "uri": f"/{version}/districts/{district}"},
    ]
    data = {"id": account, "district": district, "type": kind, **authorized_by}
    assert answer.json() == {"type": kind, "data": data, "links": links}


async def test_me_without_a_version_is_that_of_the_first_one(clever: httpx.AsyncClient, world: World) -> None:
    teacher = await log_in(clever, "teacher_only")
    plain, first = await teacher.get("/me"), await teacher.get("/v1.1/me")
    assert plain.json() == first.json()
    assert plain.json()["data"]["id"] == legacy_id(world, "teacher_only", "teacher")


@pytest.mark.parametrize("version", ["v1.1", "v1.2"])
async def test_me_was_the_whole_account_in_version_1(clever: httpx.AsyncClient, world: World, version: str) -> None:
    account = legacy_id(world, "staff_who_also_teach_elsewhere", "teacher")
    teacher = await log_in(clever, "staff_who_also_teach_elsewhere", role="teacher")
    me, record = await teacher.get(f"/{version}/me"), await teacher.get(f"/{version}/teachers/{account}")
    assert me.json()["data"] == {**record.json()["data"], "type": "teacher"}
    assert ("schools" in me.json()["data"]) == (version == "v1.2")


async def test_a_student_has_the_same_id_in_every_version(clever: httpx.AsyncClient, world: World) -> None:
    student = await log_in(clever, "student_one_school")
    ids = {(await student.get(f"/{version}/me")).json()["data"]["id"] for version in ("v1.2", "v2.1", "v3.0")}
    assert ids == {world.cases["student_one_school"].user}


@pytest.mark.parametrize("case", ["user_without_roles", "teacher_with_empty_role_object"])
async def test_who_had_no_account_before_version_3_has_no_me_there(
    clever: httpx.AsyncClient, world: World, case: str
) -> None:
    user = await log_in(clever, case)
    assert (await user.get("/v3.0/me")).json()["data"]["id"] == world.cases[case].user
    assert (await user.get("/v2.1/me")).status_code == 404
    assert (await user.get("/userinfo")).json()["user_id"] is None


async def test_anybody_logs_in_by_their_id_or_by_one_of_before_version_3(
    clever: httpx.AsyncClient, world: World
) -> None:
    by_account = await log_in(clever, legacy_id(world, "all_three_roles", "teacher"))
    assert (await by_account.get("/v2.1/me")).json()["type"] == "teacher"
    by_id = await log_in(clever, world.districts[0].all_users[-1].id)
    assert (await by_id.get("/v3.0/me")).json()["data"]["id"] == world.districts[0].all_users[-1].id


async def test_userinfo_knows_both_ids_and_the_role_of_this_login_alone(
    clever: httpx.AsyncClient, world: World
) -> None:
    case, district = world.cases["all_three_roles"], world.districts[0]
    told = (await (await log_in(clever, "all_three_roles", role="staff")).get("/userinfo")).json()
    number = district.users[case.user].number
    assert told == {
        "sub": case.user,
        "user_id": legacy_id(world, "all_three_roles", "staff"),
        "multi_role_user_id": case.user,
        "user_type": "staff",
        "district": district.id,
        "district_id": district.id,
        "email": told["email"],
        "email_verified": False,
        "given_name": told["name"]["first"],
        "family_name": told["name"]["last"],
        "name": told["name"],
        "schools": [school.id for school in district.all_schools if school.name == "South Case School"],
        "authorized_by": "district",
    }
    assert f".{number}@" in told["email"]


async def test_a_user_token_reads_its_own_user_and_district_and_nothing_else(
    clever: httpx.AsyncClient, world: World
) -> None:
    district, user = world.districts[0], world.cases["teacher_only"].user
    teacher = await log_in(clever, "teacher_only")
    for path in (f"/v3.0/users/{user}", f"/v3.1/users/{user}", f"/v3.0/districts/{district.id}"):
        assert (await teacher.get(path)).status_code == 200
    others = (
        "/v3.0/users",
        "/v3.0/users?limit=1",
        f"/v3.0/users/{world.cases['contact'].user}",
        f"/v3.0/users/{user}/sections",
        f"/v3.0/users/{user}/schools",
        "/v3.0/districts",
        f"/v3.0/schools/{district.all_schools[0].id}",
        "/v3.0/sections",
        "/v3.0/events",
    )
    for path in others:
        answer = await teacher.get(path)
        assert (path, answer.status_code, answer.json()) == (path, 404, {"message": "Resource not found"})


async def test_a_user_token_reads_the_account_of_its_role_before_version_3(
    clever: httpx.AsyncClient, world: World
) -> None:
    accounts = {role: legacy_id(world, "all_three_roles", role) for role in ("staff", "teacher")}
    teacher = await log_in(clever, "all_three_roles", role="teacher")
    assert (await teacher.get(f"/v2.1/teachers/{accounts['teacher']}")).status_code == 200
    assert (await teacher.get(f"/v2.1/school_admins/{accounts['staff']}")).status_code == 404
    assert (await teacher.get(f"/v2.1/teachers/{accounts['teacher']}/sections")).status_code == 404


async def test_everybody_logs_in_and_reads_what_their_me_links_to_in_every_version(
    clever: httpx.AsyncClient, world: World
) -> None:
    read: Counter[tuple[str, int]] = Counter()
    for case in world.cases:
        user = await log_in(clever, case)
        for version in ("v1.1", "v1.2", "v2.0", "v2.1", "v3.0", "v3.1"):
            me = await user.get(f"/{version}/me")
            links = {link["rel"]: link["uri"] for link in me.json().get("links", ())}
            for path in (links["canonical"], links["district"]) if links else ():
                read[version, (await user.get(path)).status_code] += 1
    without_account = 2
    everybody = 2 * len(world.cases)
    assert read == {
        **{(version, 200): everybody - 2 * without_account for version in ("v1.1", "v1.2", "v2.0", "v2.1")},
        **{(version, 200): everybody for version in ("v3.0", "v3.1")},
    }


async def test_who_is_removed_before_the_exchange_has_no_valid_code(clever: httpx.AsyncClient, world: World) -> None:
    code = await code_of(clever, "teacher_only", scope="openid")
    assert (await clever.delete(f"/_sandbox/users/{world.cases['teacher_only'].user}")).status_code == 204
    assert (await exchange(clever, code)).json()["error"] == "invalid_grant"


async def test_a_user_token_lasts_a_day(clever: httpx.AsyncClient, sandbox: Starlette, clock: MovedClock) -> None:
    sandbox.state.world.clock = clock
    teacher = await log_in(clever, "teacher_only")
    clock.move(24 * 3600 - 1)
    assert (await teacher.get("/v3.0/me")).status_code == 200
    clock.move(1)
    assert (await teacher.get("/v3.0/me")).status_code == 401
    assert (await teacher.get("/oauth/tokeninfo")).status_code == 401


async def test_a_district_token_has_no_me(clever: httpx.AsyncClient) -> None:
    for path in ("/me", "/v2.1/me", "/v3.0/me", "/userinfo"):
        answer = await clever.get(path, headers={"Authorization": "Bearer sandbox-token"})
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/json")


async def test_who_is_removed_is_not_found_any_more(clever: httpx.AsyncClient, world: World) -> None:
    teacher, user = await log_in(clever, "teacher_only"), world.cases["teacher_only"].user
    assert (await clever.delete(f"/_sandbox/users/{user}")).status_code == 204
    assert (await teacher.get("/v3.0/me")).status_code == 404
    assert "teacher_only</a>" not in (await authorize(clever)).text


async def test_token_info_tells_for_whom_a_user_token_was_made(clever: httpx.AsyncClient) -> None:
    usual, asked = await log_in(clever, "teacher_only"), await log_in(clever, "teacher_only", scope="openid email")
    assert (await usual.get("/oauth/tokeninfo")).json() == {"client_id": "sandbox-client", "scopes": BASIC_SCOPES}
    assert (await asked.get("/oauth/tokeninfo")).json()["scopes"] == ["openid", "email"]


async def test_each_user_token_has_a_budget_of_its_own(clever: httpx.AsyncClient, world: World) -> None:
    assert (await clever.put("/_sandbox/limits", json={"rate_limit": 1})).status_code == 204
    one, other = await log_in(clever, "teacher_only"), await log_in(clever, "contact")
    answers = [await user.get("/v3.0/me") for user in (one, one, other)]
    assert [answer.status_code for answer in answers] == [200, 429, 200]
    counted = (await clever.get("/_sandbox/requests")).json()["tokens"]
    assert counted[f"user:{world.cases['teacher_only'].user}"]["requests"] == 2
    assert one.got["access_token"] not in str(counted)


async def test_an_id_token_names_both_ids_and_is_signed_by_a_published_key(
    clever: httpx.AsyncClient, sandbox: Starlette, world: World, clock: MovedClock
) -> None:
    sandbox.state.world.clock = clock
    user = await log_in(clever, "teacher_only", scope="openid", nonce="n-0S6")
    keys = KeySet.import_key_set((await clever.get("/oauth/certs")).json())
    token = jwt.decode(user.got["id_token"], keys, algorithms=["RS256"])
    info = (await user.get("/userinfo")).json()
    assert token.claims == {
        "iss": "http://clever",
        "aud": "sandbox-client",
        "iat": int(clock()),
        "exp": int(clock()) + 3600,
        "nonce": "n-0S6",
        "sub": world.cases["teacher_only"].user,
        "user_id": legacy_id(world, "teacher_only", "teacher"),
        "multi_role_user_id": world.cases["teacher_only"].user,
        "user_type": "teacher",
        "district": world.districts[0].id,
        "email": info["email"],
        "email_verified": False,
        "given_name": info["given_name"],
        "family_name": info["family_name"],
    }


async def test_the_published_key_is_public_alone(clever: httpx.AsyncClient) -> None:
    (key,) = (await clever.get("/oauth/certs")).json()["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}


async def test_the_configuration_names_every_endpoint(clever: httpx.AsyncClient) -> None:
    told = (await clever.get("/.well-known/openid-configuration")).json()
    assert told == {
        "issuer": "http://clever",
        "authorization_endpoint": "http://clever/oauth/authorize",
        "token_endpoint": "http://clever/oauth/tokens",
        "userinfo_endpoint": "http://clever/userinfo",
        "jwks_uri": "http://clever/oauth/certs",
        "scopes_supported": ["openid", "profile", "email", *BASIC_SCOPES],
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }
