"""Errors as a message, on the paths of the OpenID standard: it knows no other form (AuthZEN 1.0 section 10.1.2)."""

from collections.abc import Mapping

from starlette.responses import Response

CONFIGURATION_PATH = "/.well-known/authzen-configuration"
MEDIA_TYPE = "text/plain"


class Refused(Exception):
    """A request of the standard's that is refused, or an item of one: a status of HTTP and a message for the caller."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def are_wanted_at(path: str) -> bool:
    """Tell whether ``path`` is one of the standard's."""
    return path.startswith(("/access/", CONFIGURATION_PATH))


def message_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Send a message that nobody is to keep."""
    return Response(message, status, {"Cache-Control": "no-store", **(headers or {})}, MEDIA_TYPE)
