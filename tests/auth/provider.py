"""An OpenID provider of the tests: its keys and answers can be changed while it runs, and it counts the requests."""

import asyncio
import base64
import json
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.cli.server import in_background

AUDIENCE = "https://rosterguard.example.org"
DISTRICTS_CLAIM = "https://example.org/districts"

_ANYTHING = JWSRegistry(algorithms=["RS256", "ES256", "ES384", "EdDSA", "Ed25519", "none"])


@cache
def rsa(name: str) -> RSAKey:
    return RSAKey.generate_key(2048, parameters={"kid": name})


@cache
def p256(name: str) -> ECKey:
    return ECKey.generate_key("P-256", parameters={"kid": name})


@cache
def ed25519(name: str) -> OKPKey:
    return OKPKey.generate_key("Ed25519", parameters={"kid": name})


def signed(head: dict[str, Any], claims: object, key: Key | None) -> str:
    """Sign whatever is wanted, however unwise it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        algorithm = _ANYTHING.get_alg(head["alg"])
    unsigned = f"{encoded(json.dumps(head).encode())}.{encoded(json.dumps(claims).encode())}"
    return f"{unsigned}.{encoded(algorithm.sign(unsigned.encode(), key))}"


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


class FakeProvider:
    """What the provider publishes and how it fares."""

    def __init__(self) -> None:
        self.url = ""
        self.reset()

    def reset(self) -> None:
        self.keys: list[Key] = [rsa("first")]
        self.configuration: dict[str, Any] = {}
        self.status = 200
        self.body: bytes | None = None
        self.headers: dict[str, str] = {}
        self.let: threading.Event | None = None
        self.asked: Counter[str] = Counter()

    def token(
        self, key: Key | None = None, algorithm: str = "RS256", head: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """Return a token that is good for ten minutes from the year 2001, but for what a test says of it."""
        signer = key or self.keys[0]
        usual = {"iss": self.url, "aud": AUDIENCE, "exp": 1_800_000_600, "client_id": "gradebook"} | claims
        said = {name: value for name, value in usual.items() if value is not None}
        return signed({"alg": algorithm, "kid": signer.kid, "typ": "at+jwt"} | (head or {}), said, signer)

    async def publish(self, request: Request) -> Response:
        self.asked[request.url.path] += 1
        if self.let is not None:
            await asyncio.to_thread(self.let.wait)
        if request.url.path == "/keys":
            said: dict[str, Any] = {"keys": [key.as_dict(private=False) for key in self.keys]}
        else:
            said = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"} | self.configuration
        body = json.dumps(said).encode() if self.body is None else self.body
        return Response(body, self.status, self.headers, "application/json")


@contextmanager
def running_provider() -> Iterator[FakeProvider]:
    provider = FakeProvider()
    paths = ("/.well-known/openid-configuration", "/keys")
    with in_background(Starlette(routes=[Route(path, provider.publish) for path in paths])) as url:
        provider.url = url
        yield provider
