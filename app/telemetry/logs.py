"""Logs: whatever is told through Python's logging, by us or by libraries, as JSON, or readable in a terminal."""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import orjson
import structlog

from app.telemetry.current_request import CURRENT

Event = MutableMapping[str, Any]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

_NOT_SENT = "traces cannot be sent to the collector"
_IN_OUR_WORDS = {
    "opentelemetry.exporter": _NOT_SENT,
    "opentelemetry.sdk._shared_internal": _NOT_SENT,
    "urllib3": _NOT_SENT,
    "opentelemetry": "OpenTelemetry finds fault with a setting of its own",
}
"""What is told in the place of all that these loggers say: they repeat headers, and URLs, which may hold secrets."""

_CONTROL = {number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160))}


def is_readable(wanted: str) -> bool:
    """Tell whether logs are for people: ``console``, or ``auto`` where somebody watches."""
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
            # At INFO it tells every URL, and so whom we asked Clever about.
            "httpx": {"level": "WARNING"},
        },
    }


def json_formatter() -> logging.Formatter:
    """Return what makes JSON of a record, on one line."""
    return _formatter(structlog.processors.JSONRenderer(serializer=_dumped))


def readable_formatter() -> logging.Formatter:
    """Return what makes a record readable."""
    return _formatter(_on_lines, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()))


def _formatter(*renderers: structlog.types.Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", key="time"),
            _with_request,
            _without_values,
            _tame,
        ],
    )


def _with_request(_logger: object, _name: str, event: Event) -> Event:
    request = CURRENT.get()
    if request is not None:
        event.update(request_id=request.id, trace_id=request.trace)
    return event


def _without_values(_logger: object, _name: str, event: Event) -> Event:
    """Tell of an exception its kind and where it came from, and not what it says: that may hold what was received."""
    said: ExcInfo | None = event.pop("exc_info", None)
    if said is not None and said[1] is not None:
        event["exception"] = _places(said[1])
    return event


def _tame(_logger: object, _name: str, event: Event) -> Event:
    # uvicorn says everything a second time, in colours.
    event.pop("color_message", None)
    # asyncio appends the task and what it failed with, which may hold what was received.
    said = _in_our_words(str(event.get("logger"))) or str(event["event"]).strip()
    event["event"] = (said.partition("\n")[0] if event.get("logger") == "asyncio" else said).translate(_CONTROL)
    return event


def _in_our_words(logger: str) -> str | None:
    return next((ours for name, ours in _IN_OUR_WORDS.items() if f"{logger}.".startswith(f"{name}.")), None)


def _on_lines(_logger: object, _name: str, event: Event) -> Event:
    if "exception" in event:
        event["exception"] = "\n".join(event["exception"])
    return event


def _places(error: BaseException) -> list[str]:
    """Return the kinds of an exception and of what caused it, each with the places that it passed, the last first."""
    told: list[str] = []
    following: BaseException | None = error
    while following is not None:
        frames = reversed(traceback.extract_tb(following.__traceback__))
        told.append(type(following).__name__)
        told += [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    return told


def _dumped(event: Event, **_: object) -> str:
    return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
