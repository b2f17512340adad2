"""What the sandbox refuses to answer, with the status and words that Clever would use."""


class Refusal(Exception):
    """A request that gets an error answer instead of data."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def not_found() -> Refusal:
    """Gone, not shared, of another district: Clever does not say which."""
    return Refusal(404, "Resource not found")


def bad_parameter(name: str) -> Refusal:
    """Tell which parameter is wrong."""
    return Refusal(400, f"Invalid value for parameter '{name}'")
