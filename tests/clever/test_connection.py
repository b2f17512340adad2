import httpx
import pytest

from app.clever.client import connect
from app.clever.connection import http_client, safe_url
from app.domain.ids import IdShape


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://api.clever.com", "https://api.clever.com"),
        ("https://api.clever.com/", "https://api.clever.com"),
        ("https://gateway.example.org/clever/", "https://gateway.example.org/clever"),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001"),
        ("http://127.8.8.8", "http://127.8.8.8"),
        ("http://[::1]:8001", "http://[::1]:8001"),
        ("http://localhost:8001/", "http://localhost:8001"),
    ],
)
def test_secrets_go_to_https_and_to_loopback(given: str, kept: str) -> None:
    assert safe_url(given) == kept


@pytest.mark.parametrize(
    "given",
    [
        "http://api.clever.com",
        "http://10.0.0.1",
        "http://localhost.example.org",
        "http://127.0.0.1@example.org",
        "https://name:secret@api.clever.com",
        "https://api.clever.com/?a=b",
        "https://api.clever.com/#a",
        "https://",
        "ftp://localhost",
        "api.clever.com",
        "https://api.clever.com:port",
        "",
    ],
)
def test_secrets_go_nowhere_else(given: str) -> None:
    with pytest.raises(ValueError, match=r"^the URL of Clever "):
        safe_url(given)


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
    async with http_client() as client:
        response = httpx.Response(
            200, headers={"set-cookie": "district=1; Path=/"}, request=httpx.Request("GET", "https://clever.test/")
        )
        client.cookies.extract_cookies(response)
        request = client.build_request("GET", "https://clever.test/")
    sent = {name: request.headers.get(name) for name in ("user-agent", "accept", "cookie")}
    assert sent == {"user-agent": "rosterguard/0.1.0", "accept": "application/json", "cookie": None}
