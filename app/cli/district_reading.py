"""Reads a whole district for a command, as the service loads one."""

import asyncio
import time

from rich.console import Console

from app.cache.memory import MemoryCache
from app.domain.ids import DistrictId
from app.main import clever_client
from app.roster.district import District, Whom
from app.roster.loading import Loading
from app.roster.store import Store
from app.settings import Settings


class DistrictUnreadable(Exception):
    """A district cannot be read; the message says why in a word, such as ``not_connected``."""


def read_district(settings: Settings, district: DistrictId) -> District:
    """Read everybody and every place of a district from the Clever that the settings name.

    Raises:
        SettingsMistakes: the settings name no Clever, or not in a way that can be used.
        DistrictUnreadable: it is not connected, or its lists cannot be read.
    """
    console = Console(stderr=True)
    with console.status("reading the district") if console.is_terminal else console:
        return asyncio.run(_read(settings, district))


async def _read(settings: Settings, named: DistrictId) -> District:
    client, found = clever_client(settings), list[District]()

    async def take(district: District, _newest_event: str | None) -> None:
        found.append(district)

    async def take_back(_district: DistrictId) -> None:
        found.clear()

    unused = MemoryCache(most=1, keep_seconds=1, clock=time.monotonic)  # a load puts nothing into the store itself
    store = Store(
        users=unused,
        places=unused,
        gone=unused,
        outdated=unused,
        clock=time.monotonic,
        wall=time.time,
        fresh_seconds=settings.fresh_seconds,
    )
    loading = Loading(clever=client, store=store, whom=Whom.EVERYONE, hand_over=take, take_back=take_back)
    try:
        loading.start(named)
        progress = await loading.finish(named)
    finally:
        await loading.aclose()
        await client.aclose()
    if not found:
        raise DistrictUnreadable(progress.last_error)
    return found[0]
