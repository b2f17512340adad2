"""The secrets that the tests are run with, and the watch that none of them gets out.

Everything that services answer to the tests, all that their processes write, and whatever a test leaves in its captured
output is looked through, run by run: the test during which a secret shows up fails.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.sandbox import oauth

KEY = "a key that only the tests know"
SECRET = "a secret that only the tests know"
REDIS_PASSWORD = "a-password-that-only-the-tests-know"
TOKEN = oauth.TOKEN
"""Not chosen, but the sandbox's own: everybody may know it, and yet the service has no reason to ever tell it."""

SECRETS: Mapping[str, str] = {
    "the API key": KEY,
    "the digest of the API key": sha256(KEY.encode()).hexdigest(),
    "the district token": TOKEN,
    "the client secret": oauth.CLIENT_SECRET,
    "the client's credential": b64encode(f"{oauth.CLIENT_ID}:{oauth.CLIENT_SECRET}".encode()).decode(),
    "ROSTERGUARD_SECRET": SECRET,
    "the password of Redis": REDIS_PASSWORD,
}


def secrets_in(text: bytes | str) -> list[str]:
    """Return which secrets stand in a text, by what they are."""
    text = text.encode() if isinstance(text, str) else text
    return [named for named, secret in SECRETS.items() if secret.encode() in text]


@dataclass
class Watch:
    """Notes what secrets were seen where, until that is reported."""

    seen: set[str] = field(default_factory=set)

    def look(self, text: bytes | str, where: str) -> None:
        self.seen |= {f"{named} {where}" for named in secrets_in(text)}

    def tell(self) -> list[str]:
        told, self.seen = sorted(self.seen), set()
        return told


WATCH = Watch()


def watched(app: ASGIApp, watch: Watch = WATCH) -> ASGIApp:
    """Look through all that ``app`` answers, head and body, whatever client it answers."""

    async def watching(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, _looking(send, watch) if scope["type"] == "http" else send)

    return watching


def _looking(send: Send, watch: Watch) -> Send:
    said = bytearray()

    async def looking(message: Message) -> None:
        for name, value in message.get("headers", ()):
            watch.look(name + b": " + value, "is answered in a header")
        said.extend(message.get("body", b""))
        if message["type"] == "http.response.body" and not message.get("more_body"):
            watch.look(bytes(said), "is answered in a body")
        await send(message)

    return looking


def judged(sections: Iterable[tuple[str, str]], watch: Watch = WATCH) -> list[str]:
    """Return the secrets that were seen during a test, with those that its captured output holds."""
    for titled, text in sections:
        watch.look(text, f"stands in what was written ({titled})")
    return watch.tell()
