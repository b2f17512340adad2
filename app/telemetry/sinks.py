"""Where lines go: a stream of the process, or a file that may be rotated under it."""

import os
import select
import stat
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import inf
from pathlib import Path

from app.telemetry.lines import PartlyWritten

STDOUT, STDERR = 1, 2


class Stream:
    """One of the streams of the process, by its number; written to without Python's buffer between."""

    def __init__(self, number: int) -> None:
        """Take the number of the stream, such as ``STDERR``."""
        self._number = number

    def write(self, lines: Sequence[bytes]) -> None:
        """Write lines; each stays whole in a pipe, even where several processes write to it."""
        at_once = select.PIPE_BUF if stat.S_ISFIFO(os.fstat(self._number).st_mode) else inf
        _write_all(self._number, lines, at_once)

    def close(self) -> None:
        """Leave the stream to the process."""


class File:
    """A file that is appended to, and that only the service's own user may read.

    Where it was moved or removed, as log rotation does, the next lines begin a new one.
    """

    def __init__(self, path: Path) -> None:
        """Open ``path``; raises ``OSError``."""
        self._path = path
        self._number = _opened(path)

    def write(self, lines: Sequence[bytes]) -> None:
        """Write lines."""
        if not self._is_there():
            # Opened before the old one is closed: of a number that is closed and kept, a caller's socket would be next.
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
        """Tell whether the disk became full under a line, be it one of another process."""
        size = os.fstat(self._number).st_size
        return size > 0 and os.pread(self._number, 1, size - 1) != b"\n"


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _parts(lines: Sequence[bytes], most: float) -> Iterator[bytes]:
    """Yield all lines, as many together as ``most`` bytes hold."""
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
