"""The command as `python -m app.cli`."""

from app.cli import app

app()
