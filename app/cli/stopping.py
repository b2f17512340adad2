"""How `serve` ends: after a first signal it is not ready any more and goes on for a while; a second ends it at once."""

import asyncio
import signal
import time
from collections.abc import Callable
from types import FrameType

from uvicorn.server import HANDLED_SIGNALS
from uvicorn.supervisors import Multiprocess

TICK_SECONDS = 0.1


def heed_signals(delay: float, when_told: Callable[[], None], *, is_worker: bool) -> None:
    """Have the server of the running loop go on for ``delay`` seconds after it was told to stop.

    Load balancers need that long to notice that it is not ready, which ``when_told`` sees to. Workers leave a second
    signal to the process that began them: they get one from the terminal or from systemd, and another from there.
    """
    loop = asyncio.get_running_loop()
    usual = {number: signal.getsignal(number) for number in HANDLED_SIGNALS}
    is_told = False

    def stop(number: int, frame: FrameType | None) -> None:
        handler = usual[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    def told(number: int, frame: FrameType | None) -> None:
        nonlocal is_told
        if not is_told:
            is_told = True
            when_told()
            loop.call_soon_threadsafe(loop.call_later, delay, stop, number, frame)
        elif not is_worker:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    for number in HANDLED_SIGNALS:
        signal.signal(number, told)


class Workers(Multiprocess):
    """Workers that a second signal ends at once, while the first is waited for."""

    def join_all(self) -> None:
        """Wait for the workers to end."""
        while any(worker.process.is_alive() for worker in self.processes):
            if not set(HANDLED_SIGNALS).isdisjoint(self.signal_queue):
                for worker in self.processes:
                    worker.process.kill()
            time.sleep(TICK_SECONDS)
        super().join_all()
