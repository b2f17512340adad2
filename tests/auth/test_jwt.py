"""What a verified token says of its bearer."""

from typing import Any

import pytest

from app.auth.jwt import caller_of
from app.domain.callers import CallerScope
from app.domain.ids import DistrictId

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
