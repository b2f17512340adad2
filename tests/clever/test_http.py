import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from stamina.instrumentation import get_on_retry_hooks

from app.clever.client import connect
from app.clever.connections import ProxyTransport
from app.clever.http import RequestContext
from app.clever.models import IdRecord, Page
from app.clever.resilience import CleverState, Transport
from app.domain.errors import CleverUnreachable
from app.domain.ids import IdShape
from app.domain.read_context import ReadContext, Urgency
from tests.connections import in_use
from tests.waiting import eventually

REQUEST_CONTEXT = RequestContext("Bearer token", ReadContext(urgency=Urgency.RENEWAL), math.inf)


def test_making_a_client_asks_nothing_and_needs_no_running_loop() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
    made = connect(
        url="https://api.clever.com",
        version="v3.1",
        auth_url="https://clever.com",
        token="token",
        client_id=None,
        client_secret=None,
        id_shape=IdShape(),
    )
    assert made.state() == CleverState(accepted_once=False, outcome="not_asked")
    assert get_on_retry_hooks() == ()


@asynccontextmanager
async def listening(asked: list[str]) -> AsyncIterator[str]:
    """Listen on loopback, keep the first line of whatever comes, and answer with an empty list."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode().strip())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n")
        writer.write(b'{"data": []}')
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_a_token_for_loopback_never_goes_through_a_proxy(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    proxied: list[str] = []
    direct: list[str] = []
    async with listening(proxied) as proxy, listening(direct) as clever:
        monkeypatch.setenv(variable, proxy)
        async with ProxyTransport() as way:
            await Transport(way).read(f"{clever}/v3.0/districts", REQUEST_CONTEXT, Page[IdRecord])
    assert (proxied, direct) == ([], ["GET /v3.0/districts HTTP/1.1"])


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_https_goes_through_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str, scheme: str
) -> None:
    proxied: list[str] = []
    async with listening(proxied) as proxy:
        monkeypatch.setenv(variable, scheme + proxy.removeprefix("http://"))
        async with ProxyTransport() as way:
            with pytest.raises(CleverUnreachable):
                await Transport(way).read("https://clever.test/v3.0/districts", REQUEST_CONTEXT, Page[IdRecord])
            # The proxy lets us through, and then nobody speaks TLS.
            await eventually(lambda: in_use() == 0)
    assert proxied == ["CONNECT clever.test:443 HTTP/1.1"]


async def test_a_host_that_the_environment_excepts_is_asked_without_its_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    proxied: list[str] = []
    async with listening(proxied) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.setenv("NO_PROXY", "localhost")
        async with ProxyTransport() as way:
            with pytest.raises(CleverUnreachable):
                await Transport(way).read("https://localhost:1/v3.0/districts", REQUEST_CONTEXT, Page[IdRecord])
    assert proxied == []


@pytest.mark.parametrize(("client_id", "client_secret"), [(None, None), ("id", None), (None, "secret"), ("", "")])
def test_a_client_needs_a_token_or_a_client_id_and_secret(client_id: str | None, client_secret: str | None) -> None:
    with pytest.raises(ValueError, match=r"^Clever needs a district token, or a client id and secret$"):
        connect(
            url="https://api.clever.com",
            version="v3.1",
            auth_url="https://clever.com",
            token=None,
            client_id=client_id,
            client_secret=client_secret,
            id_shape=IdShape(),
        )


async def test_every_request_says_who_asks_and_carries_no_cookie_of_an_earlier_answer() -> None:
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nSet-Cookie: district=1; Path=/\r\n")
            writer.write(b'Content-Length: 12\r\n\r\n{"data": []}')
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server, ProxyTransport() as way:
        host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for _ in range(2):
            await Transport(way).read(f"http://{host}/v3.0/districts?limit=1", REQUEST_CONTEXT, Page[IdRecord])
    said = (
        f"GET /v3.0/districts?limit=1 HTTP/1.1\r\nHost: {host}\r\nUser-Agent: rosterguard/0.1.0\r\n"
        "Accept: application/json\r\nAccept-Encoding: gzip\r\nAuthorization: Bearer token\r\n\r\n"
    )
    assert heads == [said.encode(), said.encode()]
