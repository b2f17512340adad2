"""The keys of a provider: which are taken, and for which algorithms."""

from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey

from app.auth.jwks import ALGORITHMS, JwkSet, KeySet
from tests.auth.provider import ed25519, p256, rsa


def public(key: Any, **said: Any) -> dict[str, Any]:
    entry = key.as_dict(private=False) | said
    return {name: value for name, value in entry.items() if value is not None}


def read(*entries: object) -> KeySet:
    return KeySet(JwkSet.model_validate({"keys": entries}))


@pytest.mark.parametrize(
    ("entry", "algorithms"),
    [
        (public(rsa("k"), kid="k"), {"RS256"}),
        (public(p256("k"), kid="k"), {"ES256"}),
        (public(ed25519("k"), kid="k"), {"EdDSA", "Ed25519"}),
        (public(ed25519("k"), kid="k", alg="EdDSA"), {"EdDSA", "Ed25519"}),
        (public(rsa("k"), kid="k", use="sig", alg="RS256", key_ops=["verify"], x5c=["…"]), {"RS256"}),
        (public(rsa("k"), kid="k", alg="PS256"), set()),
        (public(rsa("k"), kid="k", use="enc"), set()),
        (public(rsa("k"), kid="k", key_ops=["encrypt"]), set()),
        (public(ECKey.generate_key("P-384"), kid="k"), set()),
        (public(OKPKey.generate_key("Ed448"), kid="k"), set()),
        (public(OKPKey.generate_key("X25519"), kid="k"), set()),
        (OctKey.generate_key(256).as_dict(private=True) | {"kid": "k"}, set()),
    ],
)
def test_a_key_goes_with_the_algorithms_of_its_type_and_curve(entry: object, algorithms: set[str]) -> None:
    keys = read(entry)
    assert {algorithm for algorithm in ALGORITHMS if keys.key("k", algorithm)} == algorithms
    assert not any(keys.key("k", other) for other in ("none", "HS256", "RS512", "PS256"))


@pytest.mark.parametrize(
    "odd",
    [
        None,
        7,
        {},
        {"kty": "RSA"},
        {"kty": ["RSA"]},
        {"kty": "new"},
        public(rsa("k"), kid=7),
        public(rsa("k"), n="AQAB"),
        public(rsa("k"), n="A" * 5000),
        public(rsa("k"), n="é" * 342),
        public(rsa("k"), n="=" * 342),
        public(p256("k"), x="AAAA"),
        public(p256("k"), y="A" * 43),
        public(ed25519("k"), x=""),
    ],
)
def test_what_is_no_key_leaves_the_others_in_use(odd: object) -> None:
    keys = read(odd, public(p256("good")))
    assert len(keys) == 1
    assert keys.key("good", "ES256") is not None


def test_only_the_public_half_is_taken() -> None:
    key = read(rsa("k").as_dict(private=True)).key("k", "RS256")
    assert key is not None
    assert not key.is_private


def test_without_an_id_a_key_is_found_only_where_there_is_no_other() -> None:
    keys = read(public(rsa("one")), public(rsa("two")), public(p256("three")))
    assert keys.key(None, "RS256") is None
    assert keys.key(None, "ES256") == keys.key("three", "ES256") is not None


def test_an_id_that_is_not_there_finds_nothing_even_where_there_is_one_key() -> None:
    assert read(public(rsa("one"))).key("two", "RS256") is None
