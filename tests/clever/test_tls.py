"""Who is spoken to over TLS: whom a trusted certificate names, and nobody else."""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.clever.connections import Connections
from app.clever.http import request_for


def certified_in(folder: Path) -> Path:
    """A file with a key and a certificate for localhost that nobody signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    day = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, day, day.replace(year=2120))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    signed = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    path = folder / "localhost.pem"
    path.write_bytes(key.private_bytes(*form) + signed)
    return path


@asynccontextmanager
async def speaking_tls(certified: Path) -> AsyncIterator[int]:
    """Answer over TLS, and yield the port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certified)
    async with await asyncio.start_server(answer, "127.0.0.1", ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def read(url: str, context: ssl.SSLContext) -> bytes:
    async with Connections(context) as connections:
        response = await connections.handle_async_request(request_for(url, "Bearer hush"))
        try:
            return await response.aread()
        finally:
            await response.aclose()


async def test_whom_a_trusted_certificate_names_is_asked(tmp_path: Path) -> None:
    certified = certified_in(tmp_path)
    trusting = ssl.create_default_context(cafile=str(certified))
    async with speaking_tls(certified) as port:
        assert await read(f"https://localhost:{port}/", trusting) == b"hi"


async def test_whom_a_trusted_certificate_does_not_name_is_not_asked(tmp_path: Path) -> None:
    certified = certified_in(tmp_path)
    trusting = ssl.create_default_context(cafile=str(certified))
    async with speaking_tls(certified) as port:
        with pytest.raises(httpx.ConnectError):
            await read(f"https://127.0.0.1:{port}/", trusting)


async def test_who_has_a_certificate_that_nobody_signed_is_not_asked(tmp_path: Path) -> None:
    certified = certified_in(tmp_path)
    async with speaking_tls(certified) as port:
        with pytest.raises(httpx.ConnectError):
            await read(f"https://localhost:{port}/", httpx.create_ssl_context())
