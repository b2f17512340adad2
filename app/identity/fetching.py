"""What an OpenID provider publishes, read within bounds; it is sent nothing, and nothing of ours is told to it."""

import json
import ssl

import httpx

from app.domain.text import is_writable

MOST_BYTES = 256 * 1024
SECONDS = 5.0


class NotRead(Exception):
    """What the provider publishes could not be read.

    Attributes:
        word: why, in one fixed word: ``unreachable`` or ``garbled``.
    """

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def provider_client(trusted: ssl.SSLContext) -> httpx.AsyncClient:
    """Return a client for one reading of a provider, which has to be closed after it.

    A reading may be broken off, which may leave a connection that its pool counts as in use for ever.
    """
    return httpx.AsyncClient(
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        timeout=SECONDS,
        verify=trusted,
        # Plain http is for loopback, where no proxy of the environment is to be asked.
        mounts={"http://": httpx.AsyncHTTPTransport(verify=trusted)},
        follow_redirects=False,
    )


async def read_json(client: httpx.AsyncClient, url: str) -> object:
    """GET a URL and return the JSON there; raises ``NotRead``."""
    try:
        async with client.stream("GET", url) as answer:
            if answer.status_code != httpx.codes.OK:
                raise NotRead("unreachable")
            return _parsed(await _bounded(answer))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotRead("unreachable") from error


async def _bounded(answer: httpx.Response) -> bytes:
    # Unpacked it could be a thousand times as large, and we asked for it as it is.
    packings = answer.headers.get_list("content-encoding", split_commas=True)
    if any(packing.strip().lower() not in {"", "identity"} for packing in packings):
        raise NotRead("garbled")
    body = bytearray()
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > MOST_BYTES:
            raise NotRead("garbled")
    return bytes(body)


def _parsed(body: bytes) -> object:
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotRead("garbled") from error
    if not is_writable(parsed):
        raise NotRead("garbled")
    return parsed
