"""Tokens of an OpenID provider, over sockets: which are taken, and what they let their bearer ask."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from app.cli.server import in_background
from app.main import create_app
from tests.auth.provider import (
    AUDIENCE,
    DISTRICTS_CLAIM,
    FakeProvider,
    ed25519,
    encoded,
    p256,
    rsa,
    running_provider,
    signed,
)
from tests.conftest import KEY, MovedClock, Sandbox, Serve, settings_over

NOW = 1_800_000_000
EVERYTHING = "permissions:read access:evaluate access:search policy:read facts:refresh"


@dataclass
class Service:
    """The service, the provider whose tokens it takes, and its clocks."""

    client: httpx.Client
    provider: FakeProvider
    clock: MovedClock
    wall: MovedClock

    def get(self, path: str, token: str) -> httpx.Response:
        return self.client.get(path, headers=[(b"Authorization", f"Bearer {token}".encode("latin-1"))])

    def status(self, token: str) -> int:
        return self.get("/v1/policy", token).status_code

    def token(self, *given: Any, **claims: Any) -> str:
        return self.provider.token(*given, **({"scope": "policy:read"} | claims))


@pytest.fixture(scope="module")
def running(running_sandbox: Sandbox, running_clock: MovedClock) -> Iterator[Service]:
    wall = MovedClock(NOW)
    with running_provider() as provider:
        settings = settings_over(
            running_sandbox, oidc_issuer=provider.url, oidc_audience=AUDIENCE, oidc_districts_claim=DISTRICTS_CLAIM
        )
        app = create_app(settings, clock=running_clock, wall=wall)
        with in_background(app) as url, httpx.Client(base_url=url, timeout=30) as client:
            yield Service(client, provider, running_clock, wall)


@pytest.fixture
def service(running: Service, sandbox: Sandbox, clock: MovedClock) -> Service:
    """The service in a far future, in which it knows no key of the provider any more."""
    running.provider.reset()
    running.wall.now = NOW
    return running


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa("first"), "RS256"),
        (p256("first"), "ES256"),
        (ed25519("first"), "EdDSA"),
        (ed25519("first"), "Ed25519"),
    ],
)
def test_a_token_of_each_algorithm_is_taken(key: Any, algorithm: str, service: Service) -> None:
    service.provider.keys = [key]
    assert service.status(service.token(key, algorithm)) == 200


def test_an_api_key_is_good_beside_them(service: Service) -> None:
    assert service.status(KEY) == 200
    assert not service.provider.asked


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": [AUDIENCE, "https://other.example.org"]},
        {"exp": NOW - 59},
        {"exp": NOW + 0.5},
        {"nbf": NOW + 60, "iat": NOW + 60},
        {"exp": 10**400},
        {"filler": "x" * 10_000},
    ],
)
def test_what_a_token_may_say(claims: dict[str, Any], service: Service) -> None:
    assert service.status(service.token(**claims)) == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://login.example.org"},
        {"iss": None},
        {"iss": ["https://login.example.org"]},
        {"aud": "https://other.example.org"},
        {"aud": ["https://other.example.org"]},
        {"aud": f"{AUDIENCE}/"},
        {"aud": None},
        {"aud": []},
        {"aud": {AUDIENCE: 1}},
        {"exp": NOW - 60},
        {"exp": None},
        {"exp": "never"},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"nbf": NOW + 61},
        {"nbf": "now"},
        {"iat": NOW + 61},
        {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}},
        {"client_id": "gradebook\ud800"},
        {"\udfff": 1},
    ],
)
def test_what_a_token_must_not_say(claims: dict[str, Any], service: Service) -> None:
    answer = service.get("/v1/policy", service.token(**claims))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (
        401,
        'Bearer realm="rosterguard", error="invalid_token"',
    )


@pytest.mark.parametrize(
    "head",
    [
        {"typ": "logout+jwt"},
        {"typ": ["JWT"]},
        {"crit": ["b64"], "b64": False},
        {"crit": ["b64"], "b64": True},
        {"crit": ["exp"], "exp": NOW},
        {"crit": []},
        {"kid": "another"},
        {"kid": 1},
    ],
)
def test_what_the_head_of_a_token_must_not_say_though_its_signature_is_right(
    head: dict[str, Any], service: Service
) -> None:
    assert service.status(service.provider.token(head=head, scope="policy:read")) == 401


@pytest.mark.parametrize(
    "head", [{"jwk": rsa("evil").as_dict(private=False)}, {"jku": "https://evil.example.org/keys"}, {"kid": "first"}]
)
def test_a_key_that_a_token_brings_along_is_not_used(head: dict[str, Any], service: Service) -> None:
    assert service.status(service.provider.token(rsa("evil"), head=head, scope="policy:read")) == 401


@pytest.mark.parametrize("head", [{"typ": "JWT"}, {"x5t": "a" * 27, "nonce": "something else"}])
def test_what_else_a_head_says_is_ignored(head: dict[str, Any], service: Service) -> None:
    assert service.status(service.provider.token(head=head, scope="policy:read")) == 200


def good(service: Service) -> dict[str, Any]:
    return {"iss": service.provider.url, "aud": AUDIENCE, "exp": NOW + 600, "scope": "policy:read"}


def unsigned(service: Service) -> str:
    return signed({"alg": "none"}, good(service), None)


def unsigned_with_the_signature_of_another(service: Service) -> str:
    head, _, signature = service.token().split(".")
    return f"{head}.{unsigned(service).split('.')[1]}.{signature}"


def signed_with_the_public_key(service: Service) -> str:
    told = json.dumps({"alg": "HS256", "kid": "first"}), json.dumps(good(service))
    unsigned = ".".join(encoded(part.encode()) for part in told)
    public = rsa("first").as_pem(private=False)
    return f"{unsigned}.{encoded(hmac.digest(public, unsigned.encode(), hashlib.sha256))}"


def signed_by_somebody_else(service: Service) -> str:
    return service.provider.token(rsa("evil"), head={"kid": "first"}, scope="policy:read")


def signed_by_a_key_of_another_type(service: Service) -> str:
    return service.provider.token(p256("first"), "ES256", scope="policy:read")


def signed_on_another_curve(service: Service) -> str:
    key = ECKey.generate_key("P-384", parameters={"kid": "first"})
    service.provider.keys = [key]
    return service.provider.token(key, "ES384", scope="policy:read")


def without_a_signature(service: Service) -> str:
    return service.token().rpartition(".")[0] + "."


def with_other_claims(service: Service) -> str:
    head, claims, signature = service.token(scope="").split(".")
    other = service.token(scope=EVERYTHING).split(".")[1]
    assert other != claims
    return f"{head}.{other}.{signature}"


def with_claims_that_are_none(service: Service) -> str:
    return signed({"alg": "RS256", "kid": "first"}, ["no", "claims"], rsa("first"))


def with_a_deep_head(_: Service) -> str:
    return encoded(b'{"alg": "RS256", "kid": ' + b"[" * 2_900) + ".e30.AAAA"


def with_a_head_of(said: object) -> Callable[[Service], str]:
    return lambda _: f"{encoded(json.dumps(said).encode())}.e30.AAAA"


@pytest.mark.parametrize(
    "forged",
    [
        unsigned,
        unsigned_with_the_signature_of_another,
        signed_with_the_public_key,
        signed_by_somebody_else,
        signed_by_a_key_of_another_type,
        signed_on_another_curve,
        without_a_signature,
        with_other_claims,
        with_claims_that_are_none,
        with_a_deep_head,
        *map(with_a_head_of, (7, ["alg"], "alg b64", {"alg": ["RS256"]}, {"alg": None}, {"alg": "RS256", "kid": 7})),
        lambda _: "..",
        lambda _: "a.b.c",
        lambda _: "é.é.é",
        lambda service: service.token() + "\u00a0",
        lambda service: f"{service.token()}.x",
        lambda service: f"{service.token()}, Bearer {KEY}",
    ],
)
def test_a_forged_token_is_refused(forged: Callable[[Service], str], service: Service) -> None:
    service.status(service.token())
    assert service.status(forged(service)) == 401


def test_a_token_that_is_longer_than_a_head_may_be_is_not_read(service: Service) -> None:
    assert service.status(service.token(filler="x" * 20_000)) == 431


def test_a_token_may_ask_what_its_scopes_say(service: Service, sandbox: Sandbox) -> None:
    path = f"/v1/users/{sandbox.user('teacher_only')}/permissions"
    districts = {DISTRICTS_CLAIM: [sandbox.district]}
    statuses = [
        service.get(path, service.token(scope=scope, **districts)).status_code
        for scope in (None, "openid", "policy:read", "permissions:read", EVERYTHING)
    ]
    assert statuses == [403, 403, 403, 200, 200]


@pytest.mark.parametrize(
    "claims", [{}, {DISTRICTS_CLAIM: []}, {DISTRICTS_CLAIM: ["f" * 24]}, {"districts": ["f" * 24]}]
)
def test_without_the_claim_no_district_is_the_callers(claims: Any, service: Service, sandbox: Sandbox) -> None:
    path = f"/v1/users/{sandbox.user('teacher_only')}/permissions"
    token = service.token(scope=EVERYTHING, **claims)
    answers = [service.get(path, token), service.get(f"{path}?district={sandbox.district}", token)]
    unknown = service.get(f"/v1/users/{'f' * 24}/permissions", KEY)
    assert [(answer.status_code, answer.content) for answer in answers] == [(404, unknown.content)] * 2


def test_a_token_that_was_taken_before_is_not_verified_again_and_yet_expires(service: Service) -> None:
    token = service.token(exp=NOW + 100)
    first = service.status(token)
    service.provider.keys = [rsa("second")]
    service.wall.move(159)
    second = service.status(token)
    service.wall.move(1)
    assert (first, second, service.status(token)) == (200, 200, 401)


def test_a_key_that_is_gone_lets_nobody_in_for_much_longer(service: Service) -> None:
    token = service.token(exp=NOW + 100_000)
    assert service.status(token) == 200
    service.provider.keys = [rsa("second")]
    service.clock.move(301)
    kept = service.status(token)
    service.clock.move(300)
    assert (kept, service.status(token)) == (200, 401)


def test_a_token_with_a_key_that_is_new_is_taken(service: Service) -> None:
    assert service.status(service.token()) == 200
    service.provider.keys = [rsa("second"), rsa("first")]
    service.clock.move(30)
    assert [service.status(service.token(key)) for key in service.provider.keys] == [200, 200]


def test_while_no_key_is_known_a_token_is_neither_good_nor_bad(service: Service) -> None:
    service.provider.status = 503
    answer = service.get("/v1/policy", service.token())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json() == {
        "type": "urn:problem-type:rosterguard:provider-unreachable",
        "title": "OpenID provider cannot be read",
        "status": 503,
        "detail": "the keys of the OpenID provider cannot be read, so no token can be verified",
    }
    assert httpx.get(f"{service.client.base_url}/readyz").json()["parts"]["provider"] == "unreachable"
    assert [service.status(KEY), service.status("no key and no token")] == [200, 401]
    service.provider.status = 200
    service.clock.move(5)
    assert service.status(service.token()) == 200


def test_where_no_provider_is_named_a_token_is_no_credential(serve: Serve) -> None:
    with running_provider() as provider:
        answer = serve().get("/v1/policy", headers={"Authorization": f"Bearer {provider.token(scope='policy:read')}"})
        assert (answer.status_code, provider.asked) == (401, {})


def test_pages_and_budget_are_the_callers_whichever_token_they_come_with(service: Service, sandbox: Sandbox) -> None:
    body = {"subject": {"type": "user"}, "action": {"name": "section:view"}, "page": {"limit": 1}}
    body |= {"resource": {"type": "district", "id": sandbox.district, "properties": {"district": sandbox.district}}}
    claims = {"scope": EVERYTHING, DISTRICTS_CLAIM: sandbox.district}

    def searched(page: dict[str, Any], **said: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {service.token(**(claims | said))}"}
        return service.client.post("/access/v1/search/subject", json=body | {"page": page}, headers=headers)

    page = {"limit": 1, "token": searched({"limit": 1}).json()["page"]["next_token"]}
    assert searched(page, jti="another token").status_code == 200
    assert searched(page, client_id="somebody else").status_code == 400
