"""The list of API keys as operators write it, in a setting or a file: who may ask what, about which districts."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

CallerScopeName = Literal[
    "permissions:read", "access:evaluate", "access:search", "policy:read", "facts:refresh", "metrics:read"
]


class ApiKey(BaseModel):
    """An API key: the caller's name, the SHA-256 of the key in hex, its scopes, and its districts."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: frozenset[CallerScopeName] = frozenset(
        {"permissions:read", "access:evaluate", "access:search", "policy:read"}
    )
    districts: frozenset[str] | None = None


def _told_apart(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
    """Refuse duplicates; a caller may have several keys, so that one can replace another, but with the same rights."""
    if len({key.sha256 for key in keys}) < len(keys):
        raise ValueError("the same key stands here twice")
    if len({(key.name, key.scopes, key.districts) for key in keys}) > len({key.name for key in keys}):
        raise ValueError("two keys of one name differ in scopes or districts: they are of one caller")
    return keys


ApiKeys = Annotated[tuple[ApiKey, ...], AfterValidator(_told_apart)]
"""API keys, each once; those of one name belong to one caller."""

_LIST = TypeAdapter[tuple[ApiKey, ...]](ApiKeys)


class KeyListMistakes(Exception):
    """A list of keys that cannot be used: a line for each mistake, without anything that is in the list."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


def parsed(given: object) -> object:
    """Parse a list from a JSON text, and return any other value as it is; raises ``ValueError``."""
    if not isinstance(given, str | bytes):
        return given
    try:
        read = json.loads(given)
        json.dumps(read, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a text here holds half of a surrogate pair, which is no character") from None
    except (ValueError, RecursionError):
        raise ValueError("this is not JSON") from None
    if isinstance(read, list):
        return read
    raise ValueError("this is not a list: put [ ] around the entries")


def read_keys(content: bytes) -> tuple[ApiKey, ...]:
    """Read a list of keys from JSON; raises ``KeyListMistakes``."""
    try:
        return _LIST.validate_python(parsed(content))
    except ValidationError as error:
        raise KeyListMistakes([mistake_line(found["loc"], found["msg"]) for found in error.errors()]) from None
    except ValueError as error:
        raise KeyListMistakes([f": {error}"]) from None


def mistakes_in(keys: Sequence[ApiKey], *, several_districts: bool, fits: Callable[[str], bool]) -> Iterator[str]:
    """Return a line for each mistake that keys have in this deployment.

    Args:
        keys: the keys.
        several_districts: whether several districts may be connected, so that each key has to name its own.
        fits: tells whether a text has the shape of an id.
    """
    for place, key in enumerate(keys):
        if key.districts is None and several_districts:
            yield f"[{place}].districts: several districts may be connected: name those that this caller may ask about"
        elif not all(map(fits, key.districts or ())):
            yield f"[{place}].districts: what stands here is no id by ROSTERGUARD_ID_PATTERN"


def mistake_line(path: tuple[int | str, ...], message: str) -> str:
    """Return a line for a mistake; of its path it shows positions and known field names only."""
    known = (step if isinstance(step, int) or step in ApiKey.model_fields else "…" for step in path)
    inside = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in known)
    return f"{inside}: {message.removeprefix('Value error, ')}"
