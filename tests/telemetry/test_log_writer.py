import os
import resource
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.telemetry.log_writer import File, LogWriter, PartlyWritten, Stream
from app.telemetry.metrics import REGISTRY


class Held:
    """A sink that takes nothing until it is let."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.begun = threading.Event()
        self.written: list[bytes] = []

    def write(self, lines: Sequence[bytes]) -> None:
        self.begun.set()
        self.let.wait()
        self.written += lines

    def close(self) -> None:
        pass


class Full:
    """A sink like a disk without room."""

    def write(self, lines: Sequence[bytes]) -> None:
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        pass


def dropped(log: str) -> float:
    return REGISTRY.get_sample_value("rosterguard_log_lines_dropped_total", {"log": log}) or 0


@contextmanager
def file_at(path: Path) -> Iterator[LogWriter]:
    lines = LogWriter(File(path), "tests")
    try:
        yield lines
    finally:
        lines.close(30)


def test_lines_are_written_whole_and_in_order() -> None:
    sink = Held()
    sink.let.set()
    lines = LogWriter(sink, "tests")
    told = [b"%d\n" % number for number in range(5000)]
    for line in told:
        lines.put(line)
    lines.close(30)
    assert b"".join(sink.written) == b"".join(told)


def test_whoever_tells_never_waits_for_a_sink_that_hangs_and_what_is_too_much_is_counted() -> None:
    sink, before = Held(), dropped("hanging")
    lines = LogWriter(sink, "hanging", most=100)
    lines.put(b"the first\n")
    sink.begun.wait()
    for _ in range(1000):
        lines.put(b"another\n")
    assert dropped("hanging") - before == 900
    lines.close(0.01)
    sink.let.set()


def test_lines_that_cannot_be_written_are_counted_and_the_next_are_tried() -> None:
    before, lines = dropped("full"), LogWriter(Full(), "full")
    for _ in range(70):
        lines.put(b"a line\n")
    lines.close(30)
    assert dropped("full") - before == 70


@contextmanager
def room_in_files_for(size: int) -> Iterator[None]:
    """Have this process make no file longer than ``size``, as on a disk that is full then."""
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_of_lines_for_which_there_is_room_no_more_those_that_are_not_whole_are_counted(tmp_path: Path) -> None:
    before, sink = dropped("filling"), File(tmp_path / "decisions")
    with room_in_files_for(10):
        lines = LogWriter(sink, "filling")
        for line in (b"one\n", b"two\n", b"three\n", b"four\n"):
            lines.put(line)
        lines.close(30)
    assert ((tmp_path / "decisions").read_bytes(), dropped("filling") - before) == (b"one\ntwo\nth", 2)


def test_after_half_a_line_of_any_process_the_next_is_not_glued_to_it(tmp_path: Path) -> None:
    file = tmp_path / "decisions"
    torn, other = File(file), File(file)
    with room_in_files_for(2), pytest.raises(PartlyWritten):
        torn.write([b"one\n"])
    other.write([b"two\n"])
    torn.write([b"three\n"])
    assert file.read_bytes() == b"on\ntwo\nthree\n"
    for sink in (torn, other):
        sink.close()


def test_a_file_is_appended_to_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / "decisions"
    for line in (b"one\n", b"two\n"):
        with file_at(file) as lines:
            lines.put(line)
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"one\ntwo\n", 0o600)


def test_a_file_that_is_rotated_away_is_begun_anew(tmp_path: Path) -> None:
    file, away = tmp_path / "decisions", tmp_path / "decisions.1"
    sink = File(file)
    sink.write([b"one\n"])
    file.rename(away)
    sink.write([b"two\n"])
    sink.close()
    assert (away.read_bytes(), file.read_bytes()) == (b"one\n", b"two\n")


def test_a_file_that_cannot_be_begun_anew_leaves_its_number_to_nobody_else(tmp_path: Path) -> None:
    """A number that was closed would be the next caller's connection, and the lines go to them."""
    folder = tmp_path / "logs"
    folder.mkdir()
    sink = File(folder / "decisions")
    folder.rename(tmp_path / "away")
    with pytest.raises(FileNotFoundError):
        sink.write([b"a line\n"])
    reads, writes = os.pipe()
    with pytest.raises(FileNotFoundError):
        sink.write([b"a line\n"])
    os.write(writes, b"theirs")
    assert os.read(reads, 10) == b"theirs"
    os.close(reads)
    os.close(writes)
    folder.mkdir()
    sink.write([b"two\n"])
    sink.close()
    assert (folder / "decisions").read_bytes() == b"two\n"


def test_lines_stay_whole_in_a_pipe_that_several_write_to() -> None:
    reads, writes = os.pipe()
    told = [bytes([letter]) * 300 + b"\n" for letter in b"abcdefgh"]
    threads = [threading.Thread(target=Stream(writes).write, args=([line] * 200,)) for line in told]
    for thread in threads:
        thread.start()
    found = b""
    while len(found) < 301 * 200 * len(told):
        found += os.read(reads, 65536)
    for thread in threads:
        thread.join()
    os.close(reads)
    os.close(writes)
    assert Counter(found.splitlines(keepends=True)) == Counter(told * 200)
