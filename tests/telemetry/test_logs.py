import io
import logging
from collections.abc import Callable
from itertools import count

import orjson
import pytest

from app.telemetry import logs

Log = tuple[logging.Logger, io.StringIO]
"""A logger, and the lines that it writes."""


numbers = count()


def log_in(formatter: logging.Formatter) -> Log:
    kept, logger = io.StringIO(), logging.getLogger(f"rosterguard.tests.{next(numbers)}")
    handler = logging.StreamHandler(kept)
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    logger.propagate = False
    return logger, kept


in_each_form = pytest.mark.parametrize("form", [logs.json_formatter, logs.readable_formatter])
Form = Callable[[], logging.Formatter]


def test_an_event_is_json_with_what_was_said_apart() -> None:
    logger, kept = log_in(logs.json_formatter())
    logger.warning("the sentence: %s", 3, extra={"event": "counted", "counts": {"a": 3}})
    line = orjson.loads(kept.getvalue())
    assert line.pop("time")
    assert line == {
        "event": "counted",
        "message": "the sentence: 3",
        "level": "warning",
        "logger": logger.name,
        "counts": {"a": 3},
    }


@in_each_form
def test_what_is_said_makes_no_second_line_and_moves_no_cursor(form: Form) -> None:
    logger, kept = log_in(form())
    logger.warning('one\n{"event":"forged"}\r\x1b[2J\x9b')
    assert kept.getvalue().count("\n") == 1
    assert not set(kept.getvalue()) & set("\r\x1b\x9b")


@in_each_form
def test_an_event_has_its_key_in_either_form(form: Form) -> None:
    logger, kept = log_in(form())
    logger.warning("the sentence", extra={"event": "counted"})
    assert any(written in kept.getvalue() for written in ('"event":"counted"', "event=counted"))
    assert "the sentence" in kept.getvalue()


def test_an_exception_that_nobody_expected_is_an_event_and_any_other_line_of_a_library_is_none() -> None:
    logger, kept = log_in(logs.json_formatter())
    logger.warning("Started server process")
    try:
        fail()
    except ValueError:
        logger.exception("Exception in ASGI application")
    usual, unexpected = map(orjson.loads, kept.getvalue().splitlines())
    assert "event" not in usual
    assert unexpected["event"] == "unexpected_error"


def fail() -> None:
    try:
        dict[str, int]()["jane@school.example"]
    except KeyError as error:
        raise ValueError("born 2010-01-01") from error


@in_each_form
def test_an_exception_tells_kinds_and_places_and_not_what_it_says(form: Form) -> None:
    logger, kept = log_in(form())
    try:
        fail()
    except ValueError:
        logger.exception("it failed")
    told = kept.getvalue()
    assert all(word in told for word in ("it failed", "ValueError", "KeyError", "test_logs.py"))
    assert "jane" not in told
    assert "2010" not in told


def test_of_what_asyncio_says_only_the_sentence_is_logged() -> None:
    log, kept = log_in(logs.json_formatter())
    said = "Task exception was never retrieved\nfuture: <Task exception=ValueError('jane')>"
    log.handle(logging.LogRecord("asyncio", logging.ERROR, "", 0, said, None, None))
    assert orjson.loads(kept.getvalue())["message"] == "Task exception was never retrieved"


@pytest.mark.parametrize(
    ("logger", "said", "told"),
    [
        (
            "opentelemetry.exporter.otlp.proto.http.trace_exporter",
            "Transient error Max retries exceeded with url: /p?token=hunter2 encountered while exporting",
            "traces cannot be sent to the collector",
        ),
        (
            "urllib3.connection",
            "Failed to parse headers (url=https://u:hunter2@…)",
            "traces cannot be sent to the collector",
        ),
        (
            "opentelemetry.util.re",
            "Header format invalid! … name=value occurrences: hunter2",
            "OpenTelemetry finds fault with a setting of its own",
        ),
        ("opentelemetrical", "hunter2", "hunter2"),
    ],
)
def test_what_opentelemetry_says_is_logged_in_our_words_for_it_repeats_secrets(
    logger: str, said: str, told: str
) -> None:
    log, kept = log_in(logs.json_formatter())
    log.handle(logging.LogRecord(logger, logging.WARNING, "", 0, said, None, None))
    assert orjson.loads(kept.getvalue())["message"] == told


def test_what_goes_wrong_in_a_library_is_logged_and_what_httpx_asks_is_not() -> None:
    levels = logs.config(readable=False)["loggers"]
    assert (levels["httpx"], levels["rosterguard"]) == ({"level": "WARNING"}, {"level": "INFO"})
