"""What a verified token says of its bearer."""

from typing import Any

import pytest
from joserfc.jwk import Key

from app.auth.jwks import Issuer, Provider
from app.auth.jwt import KEPT_SECONDS, LONGEST, Expected, Tokens, caller_of
from app.domain.callers import CallerScope
from app.domain.ids import DistrictId
from app.urls import is_safe_address
from tests.auth.provider import AUDIENCE, FakeProvider
from tests.conftest import MovedClock

READ, EVALUATE = CallerScope.PERMISSIONS_READ, CallerScope.ACCESS_EVALUATE


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({}, set()),
        ({"scope": "openid permissions:read  access:evaluate"}, {READ, EVALUATE}),
        ({"scp": ["permissions:read", "profile", 7, None]}, {READ}),
        ({"scp": "permissions:read"}, {READ}),
        ({"scope": "", "scp": ["permissions:read"]}, set()),
        ({"scope": ["permissions:read"]}, {READ}),
        *(
            ({"scope": odd}, set())
            for odd in (None, 1, True, {"permissions:read": 1}, "PERMISSIONS:READ", "permissions:*")
        ),
    ],
)
def test_scopes_are_those_that_are_known(claims: dict[str, Any], scopes: set[CallerScope]) -> None:
    assert caller_of(claims, "https://login.example.org", "districts").scopes == scopes


@pytest.mark.parametrize(
    ("claims", "districts"),
    [
        ({"districts": ["d1", "d2", 3, None]}, {"d1", "d2"}),
        ({"districts": "d1"}, {"d1"}),
        ({"district": "d1"}, set()),
        *(({"districts": odd}, set()) for odd in (None, 1, [], {"d1": True}, [["d1"]])),
    ],
)
def test_districts_are_those_of_the_claim_and_without_it_none(claims: dict[str, Any], districts: set[str]) -> None:
    caller = caller_of(claims, "https://login.example.org", "districts")
    assert caller.districts == frozenset(map(DistrictId, districts))


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"client_id": "gradebook", "azp": "portal", "sub": "a.person@example.org"}, "gradebook"),
        ({"azp": "portal", "sub": "a.person@example.org"}, "portal"),
        ({"sub": "a.person@example.org"}, "unnamed"),
        ({"client_id": "grade\nbook \u202e"}, "gradebook"),
        ({"client_id": "x" * 1000}, "x" * 64),
        ({"client_id": ["gradebook"]}, "unnamed"),
        ({}, "unnamed"),
    ],
)
def test_a_caller_is_called_by_its_client_and_never_by_a_person(claims: dict[str, Any], name: str) -> None:
    assert caller_of(claims, "https://login.example.org", "districts").name == name


def test_whoever_differs_in_issuer_client_or_person_is_another_caller() -> None:
    said = [
        ("https://a.example.org", {"client_id": "x"}),
        ("https://b.example.org", {"client_id": "x"}),
        ("https://a.example.org", {"client_id": "y"}),
        ("https://a.example.org", {"sub": "x"}),
        ("https://a.example.org", {"sub": "y"}),
        ("https://a.example.org", {"client_id": "x" * 64 + "1"}),
        ("https://a.example.org", {"client_id": "x" * 64 + "2"}),
    ]
    assert len({caller_of(claims, issuer, "districts").digest for issuer, claims in said}) == len(said)


def test_two_tokens_of_one_client_are_of_one_caller() -> None:
    one, other = (
        caller_of({"client_id": "gradebook", "jti": jti}, "https://login.example.org", "districts") for jti in "ab"
    )
    assert one == other


async def test_a_token_is_kept_for_as_long_as_the_key_is_known_that_verified_it(
    published: FakeProvider, provider: Provider, clock: MovedClock
) -> None:
    began = clock.now

    class Slow(Provider):
        """Takes a minute to find a key."""

        async def key(self, kid: str | None, algorithm: str) -> Key | None:
            found = await provider.key(kid, algorithm)
            clock.move(60)
            return found

    slow = Slow(Issuer(published.url, None, is_safe_address), clock)
    tokens = Tokens(Expected(published.url, AUDIENCE, "districts"), slow, clock=clock, wall=lambda: 1_800_000_000)
    token = published.token()
    caller = await tokens.caller(token)
    assert caller is not None
    clock.now = began + KEPT_SECONDS - 1
    assert tokens.known(token.encode()) == caller
    clock.now = began + KEPT_SECONDS
    assert tokens.known(token.encode()) is None


@pytest.mark.parametrize(("length", "is_read"), [(LONGEST, True), (LONGEST + 1, False)])
async def test_a_token_that_is_too_long_is_refused_before_anything_is_made_of_it(
    length: int, is_read: bool, published: FakeProvider, provider: Provider, clock: MovedClock
) -> None:
    tokens = Tokens(Expected(published.url, AUDIENCE, "districts"), provider, clock=clock, wall=lambda: 1_800_000_000)
    bare = published.token(note="")
    # Three characters of a claim are four of the token, but for what is left over at its end.
    [token] = {
        token
        for letters in range((length - len(bare)) * 3 // 4 - 8, (length - len(bare)) * 3 // 4 + 8)
        if len(token := published.token(note="a" * letters)) == length
    }
    assert (await tokens.caller(token) is not None) is is_read
