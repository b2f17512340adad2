"""Logs: whatever goes through Python's logging, ours or a library's, as JSON or readable in a terminal.

Each line has its sentence under ``message``, and ours have their key under ``event``. A library's have none, but for
exceptions that nobody expected, and for what we put in our own words.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import orjson
import structlog

from app.telemetry.current_request import CURRENT
from app.telemetry.events import Event

Line = MutableMapping[str, Any]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

_NOT_SENT = Event.TRACES_FAILED, "traces cannot be sent to the collector"
_IN_OUR_WORDS = {
    "opentelemetry.exporter": _NOT_SENT,
    "opentelemetry.sdk._shared_internal": _NOT_SENT,
    "urllib3": _NOT_SENT,
    "opentelemetry": (Event.TRACES_MISCONFIGURED, "OpenTelemetry finds fault with a setting of its own"),
}
"""The key and message that replace every message of these loggers: theirs repeat headers and URLs with secrets."""

_CONTROL = {number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160))}


def is_readable(wanted: str) -> bool:
    """Tell whether logs are for people: ``console``, or ``auto`` where stderr is a terminal."""
    return wanted == "console" or (wanted == "auto" and sys.stderr.isatty())


def config(*, readable: bool) -> dict[str, Any]:
    """Return the configuration of Python's logging: all of it goes to stderr.

    Who started the process may have stopped reading stdout after the address, or reads decisions there.
    """
    formatter = "readable" if readable else "json"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {name: {"()": f"app.telemetry.logs.{name}_formatter"} for name in ("json", "readable")},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": formatter}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "rosterguard": {"level": "INFO"},
            "uvicorn": {"level": "INFO"},
            # At INFO it logs every URL, and so whom we asked Clever about.
            "httpx": {"level": "WARNING"},
        },
    }


def json_formatter() -> logging.Formatter:
    """Return a formatter that makes one line of JSON of a record."""
    return _formatter(structlog.processors.JSONRenderer(serializer=_to_json))


def readable_formatter() -> logging.Formatter:
    """Return a formatter that makes a record readable."""
    return _formatter(_on_lines, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), event_key="message"))


def _formatter(*renderers: structlog.types.Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            # Before the fields of the record, among which is the key that gets the name `event`.
            structlog.processors.EventRenamer("message"),
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", key="time"),
            _add_request,
            _drop_exception_text,
            _clean,
        ],
    )


def _add_request(_logger: object, _name: str, line: Line) -> Line:
    request = CURRENT.get()
    if request is not None:
        line.update(request_id=request.id, trace_id=request.trace)
    return line


def _drop_exception_text(_logger: object, _name: str, line: Line) -> Line:
    """Keep an exception's kind and where it came from, and not its text, which may hold what was received."""
    raised: ExcInfo | None = line.pop("exc_info", None)
    if raised is not None and raised[1] is not None:
        line["exception"] = _traceback_of(raised[1])
        line.setdefault("event", Event.UNEXPECTED_ERROR.value)
    return line


def _clean(_logger: object, _name: str, line: Line) -> Line:
    # uvicorn says everything a second time, in colours.
    line.pop("color_message", None)
    logger, message = str(line.get("logger")), str(line["message"]).strip()
    if ours := _in_our_words(logger):
        line["event"], message = ours
    # asyncio appends the task and what it failed with, which may hold what was received.
    line["message"] = (message.partition("\n")[0] if logger == "asyncio" else message).translate(_CONTROL)
    return line


def _in_our_words(logger: str) -> tuple[Event, str] | None:
    return next((ours for name, ours in _IN_OUR_WORDS.items() if f"{logger}.".startswith(f"{name}.")), None)


def _on_lines(_logger: object, _name: str, line: Line) -> Line:
    if "exception" in line:
        line["exception"] = "\n".join(line["exception"])
    return line


def _traceback_of(error: BaseException) -> list[str]:
    """Return the kind of an exception and of each that caused it, with the places that each passed, the last first."""
    lines: list[str] = []
    following: BaseException | None = error
    while following is not None:
        frames = reversed(traceback.extract_tb(following.__traceback__))
        lines.append(type(following).__name__)
        lines += [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    return lines


def _to_json(line: Line, **_: object) -> str:
    return orjson.dumps(line, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
