"""A sandbox in which everything that is personal is a mark: whatever of it is found elsewhere got there from here.

What is kept are ids and what grants something, by name; all else that a record says, also what it may come to say one
day, is replaced. So is what Clever does not send but might: other fields, other roles, words where ids belong.
"""

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.sandbox.server import create_sandbox
from app.sandbox.world import generate

MARK, TITLE = "marked-", "titled-"
"""What a mark begins with; in small letters, since a title is kept in small letters."""

IDS = frozenset({"id", "district", "school", "schools", "teacher", "teachers", "student", "students", "legacy_id"})
GRANTING = frozenset({"relationship", "type"})
LINKS = frozenset({"rel", "uri", "count"})
STATES = frozenset({"state", "launch_date", "pause_start", "pause_end", "last_sync"})
ROLE_TEXTS = frozenset({"title", "department"})


@dataclass
class Marks:
    """Marks a record, and counts what was marked, by field."""

    made: Counter[str] = field(default_factory=Counter)

    def new(self, named: str, begin: str = MARK) -> str:
        self.made[named] += 1
        return f"{begin}{named.replace('_', '-')}-{self.made[named]}"

    def body(self, said: Any) -> Any:
        """Mark an answer: a record, a list of them, or a refusal."""
        if "data" not in said:
            return {name: said[name] if name in LINKS else self.new(name) for name in said}
        many = isinstance(said["data"], list)
        data = (
            [{**one, "data": self.record(one["data"])} for one in said["data"]] if many else self.record(said["data"])
        )
        return {**said, "data": data}

    def record(self, record: dict[str, Any]) -> dict[str, Any]:
        """Mark a user, school, section or district."""
        if "access_token" in record:
            return record
        kept = IDS | STATES if "login_methods" in record else IDS
        marked = {name: value if name in kept else self.everything(value, name) for name, value in record.items()}
        if "roles" in record:
            marked["roles"] = {role: self.role(held, role) for role, held in record["roles"].items()}
            marked["roles"] |= {self.new("role"): {"legacy_id": self.new("legacy_id")}}
        return marked | {"demographics": {self.new("key"): [self.new("demographics")]}}

    def role(self, held: dict[str, Any] | None, role: str) -> dict[str, Any] | None:
        """Mark a role; but an empty one, or none, stays so: it is a case of its own."""
        if not held:
            return held
        marked = {name: self._of_role(name, value) for name, value in held.items()}
        if role == "staff":
            marked["roles"] = [*held.get("roles", ()), self.new("staff_role", TITLE)]
            marked["schools"] = [*held.get("schools", ()), f"{self.new('school')}@example.org"]
        return marked | {"preferred_name": self.new("preferred_name"), "ext": {self.new("key"): self.new("ext")}}

    def _of_role(self, name: str, value: Any) -> Any:
        if name in IDS or name == "roles":
            return value
        if name in ROLE_TEXTS:
            return self.new(name, TITLE).title()
        if name == "student_relationships":
            return (
                [*map(self._entry, value), {**value[0], "relationship": self.new("relationship")}] if value else value
            )
        return self.everything(value, name)

    def _entry(self, entry: dict[str, Any]) -> dict[str, Any]:
        return {name: value if name in IDS | GRANTING else self.new(name) for name, value in entry.items()}

    def everything(self, value: Any, name: str) -> Any:
        """Mark whatever stands in a field, keys included, whatever it was."""
        if isinstance(value, dict):
            return {key: self.everything(one, key) for key, one in value.items()} | {self.new("key"): self.new(name)}
        return [self.everything(one, name) for one in value] if isinstance(value, list) else self.new(name)


def marked_sandbox(marks: Marks) -> Starlette:
    """Make a sandbox that sends marks; its faults strike at what is marked already."""
    sandbox = create_sandbox(generate(teachers=8, students=30), rate_limit=0)
    sandbox.state.marks = marks
    sandbox.user_middleware.append(Middleware(_Marking, marks=marks))
    return sandbox


class _Marking:
    def __init__(self, app: ASGIApp, marks: Marks) -> None:
        self._app = app
        self._marks = marks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v3"):
            await self._app(scope, receive, send)
            return
        start: Message = {}
        body = bytearray()

        async def marking(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body"):
                marked = _marked(bytes(body), self._marks)
                kept = [(name, value) for name, value in start["headers"] if name != b"content-length"]
                await send({**start, "headers": [*kept, (b"content-length", str(len(marked)).encode())]})
                await send({"type": "http.response.body", "body": marked})

        await self._app(scope, receive, marking)


def _marked(body: bytes, marks: Marks) -> bytes:
    return json.dumps(marks.body(json.loads(body))).encode() if body.startswith(b"{") else body


def found_in(text: bytes | str, begin: str = MARK) -> set[str]:
    """Return the marks that stand in a text, in whatever case or, by their beginning, in Base64."""
    text = text.encode() if isinstance(text, str) else text
    small = text.lower()
    found = {begin for encoded in _in_base64(begin.encode()) if encoded in text}
    return found | {one.decode(errors="replace") for one in _words(small, begin.encode())}


def _words(text: bytes, begin: bytes) -> Iterator[bytes]:
    for part in text.split(begin)[1:]:
        yield begin + part[:24]


def _in_base64(text: bytes) -> Iterator[bytes]:
    """Return what a text looks like in Base64 at each of the three ways that it may stand."""
    for before in range(3):
        whole = b64encode(b"\0" * before + text)
        yield whole[-(-before * 8 // 6) : (before + len(text)) * 8 // 6]
