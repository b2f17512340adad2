"""The district tokens that Clever lists for a client id and secret, read so that a bad one leaves the others in use."""

import logging
from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import BeforeValidator, SecretStr, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from app.clever.records import Slim
from app.domain.errors import CleverMalformed
from app.domain.ids import DistrictId, IdShape

_log = logging.getLogger("rosterguard")


def checked(token: str) -> str:
    """Return a token that can stand in a header, or raise ``ValueError``: httpx would repeat a bad one in its error."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError("a token has visible ASCII characters only")
    return token


def _usable(token: object) -> object:
    try:
        return checked(token) if isinstance(token, str) else None
    except ValueError:
        return None


def _text(value: object) -> object:
    return value if isinstance(value, str) else None


def _or_none(record: object, read: ValidatorFunctionWrapHandler) -> object:
    try:
        return read(record)
    except ValidationError:
        return None


class Owner(Slim):
    """Whose token an entry of the list is."""

    type: str | None = None
    id: str | None = None


class TokenRecord(Slim):
    """An entry of the list; a token that cannot be used is read as none."""

    created: Annotated[str | None, BeforeValidator(_text)] = None
    owner: Owner | None = None
    access_token: Annotated[SecretStr | None, BeforeValidator(_usable)] = None

    def is_of_another_kind(self) -> bool:
        """Tell whether the token is not that of a district; one without an owner may be."""
        return self.owner is not None and self.owner.type not in {None, "district"}

    def district(self, shape: IdShape) -> DistrictId | None:
        """Return whose token it is, if it can be used."""
        owner = self.owner
        if owner is None or owner.type != "district" or not owner.id or self.access_token is None:
            return None
        return DistrictId(owner.id) if shape.fits(owner.id) else None


Listed = Annotated[TokenRecord | None, WrapValidator(_or_none)]
"""An entry of the list, or None where it has another shape than documented."""


def by_district(records: Iterable[TokenRecord | None], shape: IdShape) -> Mapping[DistrictId, str]:
    """Return the newest token of each district.

    Raises:
        CleverMalformed: Clever lists tokens, and none of them can be used.
    """
    tokens: dict[DistrictId, str] = {}
    unusable = 0
    for record in sorted(records, key=lambda record: (record and record.created) or ""):
        if record is not None and record.is_of_another_kind():
            continue
        district = record.district(shape) if record is not None else None
        if record is None or record.access_token is None or district is None:
            unusable += 1
        else:
            tokens[district] = record.access_token.get_secret_value()
    _tell(len(tokens), unusable)
    return tokens


def _tell(usable: int, unusable: int) -> None:
    if unusable and not usable:
        raise CleverMalformed("Clever lists tokens of districts, and none of them can be used")
    if unusable:
        _log.warning("district tokens that Clever lists and that cannot be used are left out: %d", unusable)
    if not usable:
        _log.warning("no district is connected: Clever lists no district token for the client id and secret")
