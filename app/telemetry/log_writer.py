"""Writes lines in the background: no answer waits for a disk, a pipe, or whoever reads from it."""

import os
import select
import stat
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import inf
from pathlib import Path
from typing import Protocol

from app.telemetry import metrics

MOST_WAITING = 10_000
"""How many lines may wait to be written; any more are dropped and counted."""

BATCH = 512
"""So many lines are written without waiting for the time to be over; each write delays answers for a moment."""

MOST_AT_A_TIME = 1_000
"""How many lines are written at once, if more wait."""

SECONDS = 0.25
"""How long a line waits for others to be written with."""

PARTING_SECONDS = 1.0
"""How long the end of the process waits for the last lines to be written."""


class PartlyWritten(OSError):
    """Only some lines could be written, as on a disk that has become full.

    Attributes:
        whole: how many.
    """

    def __init__(self, whole: int) -> None:
        super().__init__(f"only {whole} lines could be written")
        self.whole = whole


class Sink(Protocol):
    """Something that lines are written to."""

    def write(self, lines: Sequence[bytes]) -> None:
        """Write lines, however long it takes; raises ``OSError``, or ``PartlyWritten`` if only some were written."""

    def close(self) -> None:
        """Close the sink."""


class LogWriter:
    """A bounded queue of lines, and a thread that writes them to a sink."""

    def __init__(self, sink: Sink, log: str, *, most: int = MOST_WAITING) -> None:
        """Start the thread; ``log`` is the name under which dropped lines are counted."""
        self._sink = sink
        self._most = most
        self._dropped = metrics.LINES_DROPPED.labels(log)
        self._waiting: deque[bytes] = deque()
        self._wake = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._write, name=f"{log}-lines", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Queue a line, which ends with a line break; it is dropped if too many wait already."""
        waiting = len(self._waiting)
        if waiting >= self._most:
            self._dropped.inc()
            return
        self._waiting.append(line)
        if waiting + 1 == BATCH:
            self._wake.set()

    def close(self, within: float = PARTING_SECONDS) -> None:
        """Write what waits, for so many seconds at most, and stop."""
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


STDOUT, STDERR = 1, 2


class Stream:
    """A stream of the process, written to by its file descriptor and without Python's buffer."""

    def __init__(self, number: int) -> None:
        """Take the file descriptor, such as ``STDERR``."""
        self._number = number

    def write(self, lines: Sequence[bytes]) -> None:
        """Write lines; in a pipe each stays whole, even if several processes write to it."""
        at_once = select.PIPE_BUF if stat.S_ISFIFO(os.fstat(self._number).st_mode) else inf
        _write_all(self._number, lines, at_once)

    def close(self) -> None:
        """Do nothing: the stream belongs to the process."""


class File:
    """A file to append to, which only the service's own user may read.

    If it was moved or removed, as by log rotation, the next lines go to a new file.
    """

    def __init__(self, path: Path) -> None:
        """Open ``path``; raises ``OSError``."""
        self._path = path
        self._number = _opened(path)

    def write(self, lines: Sequence[bytes]) -> None:
        """Write lines."""
        if not self._is_there():
            # Opened before the old one is closed: a descriptor that is closed and kept could become a caller's socket.
            old, self._number = self._number, _opened(self._path)
            os.close(old)
        if self._ends_in_half_a_line():
            os.write(self._number, b"\n")
        _write_all(self._number, lines)

    def close(self) -> None:
        """Close the file."""
        os.close(self._number)

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._number))
        except FileNotFoundError:
            return False

    def _ends_in_half_a_line(self) -> bool:
        """Tell whether the last line is incomplete, as when the disk became full; it may be another process's."""
        size = os.fstat(self._number).st_size
        return size > 0 and os.pread(self._number, 1, size - 1) != b"\n"


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _parts(lines: Sequence[bytes], most: float) -> Iterator[bytes]:
    """Yield the lines, joined to parts of ``most`` bytes at most."""
    part, size = list[bytes](), 0
    for line in lines:
        if part and size + len(line) > most:
            yield b"".join(part)
            part, size = [], 0
        part.append(line)
        size += len(line)
    yield b"".join(part)


def _write_all(number: int, lines: Sequence[bytes], at_once: float = inf) -> None:
    written = 0
    try:
        for part in _parts(lines, at_once):
            left = memoryview(part)
            while left:
                taken = os.write(number, left)
                left, written = left[taken:], written + taken
    except OSError as error:
        raise PartlyWritten(sum(end <= written for end in accumulate(map(len, lines)))) from error
