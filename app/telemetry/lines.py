"""Lines that are written behind the answers: nobody waits for a disk, a pipe or whoever reads at its end."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from app.telemetry import metrics

MOST_WAITING = 10_000
"""Lines that wait to be written; those past it are dropped and counted."""

BATCH = 512
"""Lines that are written at once, where so many come before the time is over: each time costs the answers a moment."""

MOST_AT_A_TIME = 1_000
"""Lines that are handed over at once, where more wait."""

SECONDS = 0.25
"""How long a line waits for others."""

PARTING_SECONDS = 1.0
"""How long the end of the process waits for the last lines to be taken."""


class PartlyWritten(OSError):
    """Only the first lines could be written, as on a disk that has become full.

    Attributes:
        whole: how many of them.
    """

    def __init__(self, whole: int) -> None:
        super().__init__(f"only {whole} lines could be written")
        self.whole = whole


class Sink(Protocol):
    """Where lines go."""

    def write(self, lines: Sequence[bytes]) -> None:
        """Write lines, however long that takes; raises ``OSError`` where it cannot, ``PartlyWritten`` if not all."""

    def close(self) -> None:
        """Write no more."""


class Lines:
    """A bounded queue of lines, and the thread that writes them to a sink."""

    def __init__(self, sink: Sink, log: str, *, most: int = MOST_WAITING) -> None:
        """Begin to write to ``sink``; ``log`` is the name under which dropped lines are counted."""
        self._sink = sink
        self._most = most
        self._dropped = metrics.LINES_DROPPED.labels(log)
        self._waiting: deque[bytes] = deque()
        self._wake = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._write, name=f"{log}-lines", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Have a line written, one that ends with a line break; dropped where too many wait already."""
        waiting = len(self._waiting)
        if waiting >= self._most:
            self._dropped.inc()
            return
        self._waiting.append(line)
        if waiting + 1 == BATCH:
            self._wake.set()

    def close(self, within: float = PARTING_SECONDS) -> None:
        """Write what waits, for so many seconds at most, and no more."""
        self._ended = True
        self._wake.set()
        self._thread.join(within)
        if not self._thread.is_alive():
            self._sink.close()

    def _write(self) -> None:
        while not self._ended:
            self._wake.wait(SECONDS)
            self._wake.clear()
            self._empty()

    def _empty(self) -> None:
        while self._waiting:
            lines = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_A_TIME))]
            try:
                self._sink.write(lines)
            except PartlyWritten as error:
                self._dropped.inc(len(lines) - error.whole)
            except OSError:
                self._dropped.inc(len(lines))
