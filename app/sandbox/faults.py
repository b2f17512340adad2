"""Injected faults: which requests of the sandbox fail, and how."""

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from threading import Lock
from typing import Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.sandbox.oauth import bearer_of
from app.sandbox.records import District
from app.sandbox.versions import Asked, asked_by

KindName = Literal[
    "astray",
    "bomb",
    "changing",
    "dangling",
    "delay",
    "disordered",
    "doubled",
    "drip",
    "drop",
    "garble",
    "gone",
    "half_json",
    "hang",
    "headers",
    "holes",
    "html",
    "huge",
    "loop",
    "other_district",
    "other_record",
    "repeated",
    "shifted",
    "skipped",
    "status",
    "truncate",
    "unknown_type",
    "wrong_shape",
]

_OF_LISTS = ("astray", "changing", "dangling", "disordered", "doubled", "loop", "repeated", "shifted", "skipped")
_OF_ONES = ("other_record",)
_OF_EVENTS = ("holes", "unknown_type")
_OF_ANY_RECORDS = ("other_district",)
_NEEDS: Mapping[str, Callable[[Asked], bool]] = {
    **dict.fromkeys(_OF_LISTS, lambda asked: asked.is_list),
    **dict.fromkeys(_OF_ONES, lambda asked: asked.is_one),
    **dict.fromkeys(_OF_EVENTS, lambda asked: asked.is_of_events),
    **dict.fromkeys(_OF_ANY_RECORDS, lambda _: True),
}
"""Which endpoints the kinds need that do not fit every request."""

_OF_LATER_PAGES = ("changing", "repeated", "shifted")


class Fault(BaseModel):
    """A fault: which requests it may strike, how often, and what happens then.

    Kinds for lists strike only requests for lists, and kinds for single records only those.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field("*", description="A pattern of paths; `*` matches slashes too.")
    kind: KindName = Field(description="What happens.")
    status: int | None = Field(None, ge=200, le=599, description="For `status`, and for `html` instead of 200.")
    rate: float = Field(1.0, ge=0, le=1, description="The probability that it strikes a matching request.")
    times: int | None = Field(None, ge=0, description="The most times that it strikes.")
    seconds: float = Field(0.0, ge=0, le=3600, description="Of a `delay`, per byte of `drip`, or for `Retry-After`.")
    script: tuple[bool | KindName | None, ...] | None = Field(
        None,
        description="What happens to each matching request in turn: this kind (true), another, or nothing (null).",
    )
    page: Literal[1, "later"] | None = Field(
        None, description="1 strikes first pages of lists, `later` the pages with `starting_after`."
    )
    token: str | None = Field(None, description="Strikes only requests with this bearer token.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.status is None and "status" in (self.kind, *(self.script or ())):
            raise PydanticCustomError("status", "a fault of the kind 'status' needs a status")
        if self.script is not None and self.rate != 1:
            raise PydanticCustomError("script", "script and rate exclude each other")
        return self


class Faults(BaseModel):
    """Faults; the first one that matches a request and strikes is applied."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(0, description="The seed of the faults' random numbers.")
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that applies to a request: its kind, the fault, and its random numbers."""

    kind: KindName
    fault: Fault
    chance: random.Random


@dataclass(slots=True)
class _Armed:
    fault: Fault
    chance: random.Random
    script: Iterator[bool | KindName | None] | None
    struck: int = 0

    def strike(self, request: Request) -> Strike | None:
        if not _matches(self.fault, request) or self.struck == self.fault.times:
            return None
        kind = self._kind(request)
        if kind is None:
            return None
        self.struck += 1
        return Strike(kind, self.fault, self.chance)

    def _kind(self, request: Request) -> KindName | None:
        if self.script is not None:
            step = next(self.script, None)
            kind = self.fault.kind if step is True else step or None
            return kind if kind and _can_strike(kind, request) else None
        if not _can_strike(self.fault.kind, request):
            return None
        return self.fault.kind if self.chance.random() < self.fault.rate else None


@dataclass
class FaultInjector:
    """The faults in force, and how often each struck. They may be changed from any thread."""

    seed: int = 0
    _armed: Sequence[_Armed] = ()
    _lock: Lock = field(default_factory=Lock, repr=False)

    def put(self, faults: Faults) -> None:
        """Replace all faults."""
        armed = [
            _Armed(
                fault, random.Random(f"{faults.seed}/{number}"), None if fault.script is None else iter(fault.script)
            )
            for number, fault in enumerate(faults.faults)
        ]
        with self._lock:
            self.seed, self._armed = faults.seed, armed

    def clear(self) -> None:
        """Remove all faults."""
        self.put(Faults())

    def to_json(self) -> dict[str, object]:
        """Return the faults as they were put, each with how often it ``struck``."""
        with self._lock:
            faults = [{**one.fault.model_dump(mode="json"), "struck": one.struck} for one in self._armed]
            return {"seed": self.seed, "faults": faults}

    def strike(self, request: Request) -> Strike | None:
        """Return the fault that applies to a request, and count it."""
        with self._lock:
            strikes = (one.strike(request) for one in self._armed)
            return next((strike for strike in strikes if strike), None)


def _matches(fault: Fault, request: Request) -> bool:
    if not fnmatchcase(request.scope["path"], fault.path):
        return False
    if fault.token is not None and bearer_of(request) != fault.token:
        return False
    if fault.page is None:
        return True
    asked, later = asked_by(request.scope["path"]), "starting_after" in request.query_params
    return asked is not None and asked.is_list and later == (fault.page == "later")


def _can_strike(kind: KindName, request: Request) -> bool:
    if kind in _OF_LATER_PAGES and "starting_after" not in request.query_params:
        return False
    needs, asked = _NEEDS.get(kind), asked_by(request.scope["path"])
    return needs is None or (asked is not None and needs(asked))


_EXTENSION = "sandbox.transport"


class TransportProtocol(HttpToolsProtocol):
    """uvicorn's protocol with the transport of each request in its scope, for `uvicorn.Config(http=…)`."""

    def on_message_begin(self) -> None:
        """Start a request."""
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"transport": self.transport}}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request to the sandbox ``app``, and the fault that applies to it."""

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send
    strike: Strike

    @property
    def state(self) -> State:
        """The state of the sandbox."""
        state: State = self.scope["app"].state
        return state

    @property
    def request(self) -> Request:
        """The request."""
        return Request(self.scope)

    @property
    def district(self) -> District | None:
        """The district that the request may read; None if it may read none."""
        district: District | None = self.state.access.read_by(self.request)
        return district

    @property
    def transport(self) -> asyncio.Transport | None:
        """The transport of the request's connection; None with another protocol."""
        # uvloop's transports are asyncio's in all but their class.
        return cast("asyncio.Transport | None", self.scope.get("extensions", {}).get(_EXTENSION, {}).get("transport"))

    def asking(self, **other: object) -> "Exchange":
        """Return the exchange with a changed ``path`` or ``query_string``."""
        return replace(self, scope={**self.scope, **other})

    async def proceed(self) -> None:
        """Let the sandbox answer without a fault."""
        await self.app(self.scope, self.receive, self.send)

    async def answer(self, response: Response) -> None:
        """Send an answer."""
        await response(self.scope, self.receive, self.send)

    async def true_answer(self) -> Response:
        """Return the answer of the sandbox without a fault."""
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        await self.app(self.scope, self.receive, collect)
        start, *parts = messages
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
        return _response(b"".join(part.get("body", b"") for part in parts), start["status"], headers)

    async def gone_within(self, seconds: float) -> bool:
        """Wait, and return whether the client disconnected meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                await self.departure()
        except TimeoutError:
            return False
        return True

    async def departure(self) -> None:
        """Wait until the client disconnects."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


def with_body(response: Response, body: bytes) -> Response:
    """Return an answer with another body and its correct length."""
    return _response(body, response.status_code, dict(response.headers))


def _response(body: bytes, status: int, headers: dict[str, str]) -> Response:
    return Response(body, status, {name: value for name, value in headers.items() if name != "content-length"})
