"""What replicas tell one another is heard after a long silence, and a silence for ever is noticed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from app.cache.redis_client import redis_at
from app.cache.redis_locks import Invalidations
from tests.valkey import Valkey, valkey
from tests.waiting import eventually


@dataclass
class Heard:
    """What was heard, and how often the connection was lost."""

    messages: list[bytes] = field(default_factory=list)
    ends: int = 0

    def end(self) -> None:
        self.ends += 1


@asynccontextmanager
async def listening(server: Valkey, quiet: float) -> AsyncIterator[Heard]:
    heard = Heard()
    redis = redis_at(server.url)
    invalidations = Invalidations(redis, "channel", on_message=heard.messages.append, on_end=heard.end, quiet=quiet)
    async with invalidations.listening():
        yield heard
    await redis.aclose()


async def test_after_several_silences_a_message_is_heard(redis: Valkey) -> None:
    asked = redis.client.info("commandstats")["cmdstat_ping"]["calls"] if redis.client.ping() else 0
    async with listening(redis, quiet=0.02) as heard:
        await eventually(lambda: redis.client.info("commandstats")["cmdstat_ping"]["calls"] > asked + 2)
        redis.client.publish("channel", b"news")
        await eventually(lambda: heard.messages)
    assert (heard.messages, heard.ends) == ([b"news"], 0)


async def test_where_nobody_answers_any_more_the_connection_is_made_anew() -> None:
    with valkey() as server:
        async with listening(server, quiet=0.02) as heard:
            server.stall()
            await eventually(lambda: heard.ends)
            server.go_on()
            # The server may take the connection that was given up for one that still listens.
            await eventually(lambda: server.client.publish("channel", b"news") and heard.messages)
    assert heard.messages[0] == b"news"
