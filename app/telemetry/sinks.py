"""Where lines go: a stream of the process, or a file that may be rotated under it."""

import os
import select
import stat
from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path

STDOUT, STDERR = 1, 2


class Stream:
    """One of the streams of the process, by its number; written to without Python's buffer between."""

    def __init__(self, number: int) -> None:
        """Take the number of the stream, such as ``STDERR``."""
        self._number = number

    def write(self, lines: Sequence[bytes]) -> None:
        """Write lines; each stays whole in a pipe, even where several processes write to it."""
        at_once = select.PIPE_BUF if stat.S_ISFIFO(os.fstat(self._number).st_mode) else inf
        for part in _parts(lines, at_once):
            _write_all(self._number, part)

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
        _write_all(self._number, b"".join(lines))

    def close(self) -> None:
        """Close the file."""
        os.close(self._number)

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._number))
        except FileNotFoundError:
            return False


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


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


def _write_all(number: int, lines: bytes) -> None:
    left = memoryview(lines)
    while left:
        left = left[os.write(number, left) :]
