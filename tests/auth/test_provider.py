"""Keys are read when they are wanted, not too often, and kept while the provider cannot be read."""

import asyncio
import socket
import threading
from contextlib import suppress
from typing import Any

import pytest

from app.auth.jwks import Issuer, Provider
from app.domain.errors import ProviderUnreachable
from app.urls import is_safe_address
from tests.auth.provider import FakeProvider, rsa
from tests.conftest import MovedClock
from tests.connections import in_use

CONFIGURATION, KEYS = "/.well-known/openid-configuration", "/keys"


async def knows(provider: Provider, kid: str) -> bool:
    return await provider.key(kid, "RS256") is not None


async def test_a_hundred_who_come_at_once_cause_one_reading(provider: Provider, published: FakeProvider) -> None:
    assert all(await asyncio.gather(*(knows(provider, "first") for _ in range(100))))
    assert published.asked == {CONFIGURATION: 1, KEYS: 1}
    assert provider.state == "ok"


async def test_a_key_that_is_new_is_found(provider: Provider, published: FakeProvider, clock: MovedClock) -> None:
    assert await knows(provider, "first")
    published.keys = [rsa("second"), rsa("first")]
    clock.move(30)
    assert await knows(provider, "second")
    assert published.asked[KEYS] == 2


async def test_unknown_keys_cause_a_reading_every_half_minute_at_most(
    provider: Provider, published: FakeProvider, clock: MovedClock
) -> None:
    for _ in range(10):
        assert not any([await knows(provider, f"no-{number}") for number in range(5)])
        clock.move(10)
    assert published.asked[KEYS] == 4


async def test_keys_are_read_again_after_ten_minutes_and_one_that_is_gone_is_known_no_more(
    provider: Provider, published: FakeProvider, clock: MovedClock
) -> None:
    assert await knows(provider, "first")
    published.keys = [rsa("second")]
    clock.move(600)
    known = [await knows(provider, "first")]
    clock.move(1)
    assert [*known, await knows(provider, "first"), await knows(provider, "second")] == [True, False, True]


async def test_keys_stay_in_use_for_a_day_while_the_provider_cannot_be_read(
    provider: Provider, published: FakeProvider, clock: MovedClock
) -> None:
    assert await knows(provider, "first")
    published.status = 503
    clock.move(24 * 3600)
    assert await knows(provider, "first")
    assert provider.state == "unreachable"
    clock.move(1)
    with pytest.raises(ProviderUnreachable):
        await knows(provider, "first")
    published.status = 200
    clock.move(30)
    assert await knows(provider, "first")


async def test_older_keys_do_not_wait_for_a_provider_that_does_not_answer_and_are_replaced_once_it_does(
    published: FakeProvider, clock: MovedClock
) -> None:
    provider = Provider(Issuer(published.url, None, is_safe_address), clock, patience=0.01)
    assert await knows(provider, "first")
    published.keys, published.let = [rsa("second")], threading.Event()
    clock.move(601)
    assert await knows(provider, "first")
    published.let.set()
    assert [await knows(provider, "second"), await knows(provider, "first")] == [True, False]
    assert published.asked[KEYS] == 2
    await provider.aclose()


async def test_a_reading_that_nobody_waits_for_ends_with_the_service(
    published: FakeProvider, clock: MovedClock
) -> None:
    provider = Provider(Issuer(published.url, None, is_safe_address), clock, patience=0.01)
    assert await knows(provider, "first")
    published.let = threading.Event()
    clock.move(601)
    assert await knows(provider, "first")
    await provider.aclose()
    published.let.set()
    assert provider.state == "ok"


async def test_a_provider_that_cannot_be_read_is_not_asked_by_every_caller(
    provider: Provider, published: FakeProvider, clock: MovedClock
) -> None:
    published.status = 500
    for _ in range(4):
        with pytest.raises(ProviderUnreachable):
            await knows(provider, "first")
        clock.move(2)
    assert published.asked == {CONFIGURATION: 2}


@pytest.mark.parametrize(
    ("published_as", "word"),
    [
        ({"status": 404}, "unreachable"),
        ({"status": 307, "headers": {"Location": "/keys"}}, "unreachable"),
        ({"body": b"<html>"}, "garbled"),
        ({"body": b"[" * 100_000}, "garbled"),
        ({"body": b"[]"}, "garbled"),
        ({"body": rb'{"\ud800": 1}'}, "garbled"),
        ({"body": b" " * 300_000 + b"{}"}, "garbled"),
        ({"headers": {"Content-Encoding": "gzip"}}, "garbled"),
        ({"configuration": {"issuer": "https://login.example.org"}}, "garbled"),
        ({"configuration": {"issuer": None}}, "garbled"),
        ({"configuration": {"jwks_uri": "http://login.example.org/keys"}}, "garbled"),
        ({"configuration": {"jwks_uri": "file:///etc/passwd"}}, "garbled"),
        ({"configuration": {"jwks_uri": "https://["}}, "garbled"),
        ({"keys": []}, "garbled"),
    ],
)
async def test_what_cannot_be_used_is_reported_in_one_word(
    published_as: dict[str, Any], word: str, provider: Provider, published: FakeProvider
) -> None:
    for name, value in published_as.items():
        setattr(published, name, value)
    with pytest.raises(ProviderUnreachable):
        await knows(provider, "first")
    assert provider.state == word


async def test_where_the_keys_are_can_be_said_beforehand(published: FakeProvider, clock: MovedClock) -> None:
    provider = Provider(Issuer("https://login.example.org", f"{published.url}{KEYS}", is_safe_address), clock)
    assert await knows(provider, "first")
    assert published.asked == {KEYS: 1}
    await provider.aclose()


async def test_a_provider_that_does_not_answer_is_unreachable(clock: MovedClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        provider = Provider(Issuer(url, None, is_safe_address), clock, seconds=0.05)
        with pytest.raises(ProviderUnreachable):
            await knows(provider, "first")
        await provider.aclose()
    assert provider.state == "unreachable"


async def test_readings_that_are_broken_off_leave_no_connection_in_use(
    provider: Provider, published: FakeProvider, clock: MovedClock
) -> None:
    for number in range(300):
        provider.seconds = 0.001 + 0.00002 * number  # so that it ends at each step of a reading
        with suppress(ProviderUnreachable):
            await knows(provider, "first")
        clock.move(25 * 3600)
    assert in_use() == 0
    provider.seconds = 5
    assert await knows(provider, "first")
