"""What is relied on of uvicorn beyond its documentation: the protocol of a connection, and the cycle of a request."""

import ast
import inspect
from asyncio import Protocol
from hashlib import blake2b

import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.api import fast_connection, http_limits
from app.api.fast_connection import FastConnection
from app.api.http_limits import Connection

RELIED_ON = {
    "the connection": (
        {
            "app_state",
            "cycle",
            "expect_100_continue",
            "headers",
            "loop",
            "parser",
            "pipeline",
            "server_state",
            "transport",
        }
        | {"timeout_keep_alive", "timeout_keep_alive_task", "url"}
        | {"on_response_complete", "shutdown", "timeout_keep_alive_handler"}
    ),
    "self.cycle": {"disconnected", "message_event", "response_complete", "response_started"},
    "self.server_state": {"default_headers"},
}
"""Every undocumented name that is overridden, read or written, by whose it is."""

DOCUMENTED = {*dir(Protocol)} | {f"on_{event}" for event in ("body", "headers_complete", "message_begin", "url")}
DOCUMENTED |= {"on_chunk_header", "on_message_complete"}
"""What asyncio calls on a protocol, and httptools on what takes its events."""

READ_AGAINST = {"0.54.0": "6e342671b7cb4d9a804c733e22ea52ef"}
"""Digests of the classes that our two modules were written against, by version."""


KINDS = {
    "the connection": HttpToolsProtocol,
    "self.cycle": RequestResponseCycle,
    "self.server_state": ServerState,
}


def attributes(source: str, *of: str) -> set[str]:
    """Return the names that a text of Python reads or writes of something, such as ``self.flow``."""
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)]
    return {node.attr for node in found if ast.unparse(node.value) in of}


def names_of(kind: type) -> set[str]:
    """Return what a class of uvicorn calls its methods and attributes."""
    return ({*dir(kind)} - {*dir(object)}) | attributes(inspect.getsource(kind), "self")


OURS = "".join(map(inspect.getsource, (http_limits, fast_connection)))


def test_every_name_that_is_relied_on_is_listed_and_no_other() -> None:
    used = {part: attributes(OURS, part, part.removeprefix("self.")) for part in KINDS}
    written = attributes(OURS, "self", "super()") | {*vars(Connection)} | {*vars(FastConnection)}
    inherited = (written & names_of(HttpToolsProtocol)) - DOCUMENTED
    used["the connection"] = {name for name in inherited if not name.startswith("__")}
    # It is asked for by its name, for before the first request there is no cycle.
    used["self.cycle"] |= {name for name in names_of(RequestResponseCycle) if f'self.cycle, "{name}"' in OURS}
    assert used == RELIED_ON


def test_uvicorn_still_has_what_is_relied_on() -> None:
    missing = {f"{name} of {part}" for part, kind in KINDS.items() for name in RELIED_ON[part] - names_of(kind)}
    assert not missing, f"uvicorn {uvicorn.__version__} no longer has what app/api/http_limits.py relies on: {missing}"


def test_uvicorn_is_the_one_that_was_read() -> None:
    read = "".join(map(inspect.getsource, (HttpToolsProtocol, RequestResponseCycle, FlowControl)))
    digest = blake2b(read.encode(), digest_size=16).hexdigest()
    assert READ_AGAINST.get(uvicorn.__version__) == digest, (
        f"uvicorn {uvicorn.__version__} has another protocol (digest {digest}) than app/api/http_limits.py and "
        "app/api/fast_connection.py were written against: read what has changed in it beside the names in RELIED_ON, "
        "run tests/api, then write version and digest into READ_AGAINST and the bound into pyproject.toml"
    )
