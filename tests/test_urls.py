import pytest

from app.urls import base_url, is_loopback


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
        ("https://api.clever.com:65535/v3/v3.0x", "https://api.clever.com:65535/v3/v3.0x"),
        ("https://clever_gateway", "https://clever_gateway"),
        ("https://10.0.0.1/v3.0/clever", "https://10.0.0.1/v3.0/clever"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]"),
        ("https://schüler.example", "https://xn--schler-5ya.example"),
        ("https://api.clever.com.", "https://api.clever.com."),
    ],
)
def test_secrets_go_to_https_and_to_loopback(given: str, kept: str) -> None:
    assert base_url(given) == kept


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
        "https://api.clever.com?",
        "https://api.clever.com#",
        "https://",
        "ftp://localhost",
        "api.clever.com",
        "https://api.clever.com:port",
        "https://api.clever.com:0",
        "https://api.clever.com:65536",
        "https://api.clever.com:-1",
        "https://a..b",
        "https://.",
        "https://-a.b",
        "https://a-.b",
        "https://256.1.1.1",
        f"https://{'a' * 64}.b",
        f"https://{'a.' * 127}b",
        "https://api clever.com",
        "https://api%20clever.com",
        "https://api.clever.com/a path",
        " https://api.clever.com",
        "https://api.clever.com\n",
        "",
    ],
)
def test_secrets_go_nowhere_else(given: str) -> None:
    with pytest.raises(ValueError, match=r"^(this is not an address|only https)"):
        base_url(given)


@pytest.mark.parametrize("path", ["/v3.0", "/v3.1/", "/clever/V1.2", "/v2.1//"])
def test_the_version_is_no_part_of_the_url(path: str) -> None:
    with pytest.raises(ValueError, match=r"^this ends with a version, .*: leave the version out$"):
        base_url(f"https://api.clever.com{path}")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *((host, True) for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost")),
        *((host, False) for host in ("0.0.0.0", "::", "localhost.example.org", "10.0.0.1", "")),
    ],
)
def test_what_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
