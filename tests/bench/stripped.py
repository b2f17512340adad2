"""Ours without what lets callers in and tells of them: no credentials, no ids, no lines, no decision log, no metrics.

What these cost is what the service itself answers, beside this. It reads the same settings; keys among them are left
aside.
"""

from fastapi import FastAPI

from app.api.express import Express
from app.main import create_app
from app.settings import read_settings
from tests.bench.listening import serve


def stripped() -> FastAPI:
    """Put the application together without those layers."""
    settings = read_settings().model_copy(update={"api_keys": (), "decision_log": "off"})
    app = create_app(settings, no_auth=True)
    # The layers around the framework's own stack are the ones that go: this is all that `create_app` puts inside them.
    app.middleware_stack = app.build_middleware_stack()
    return app


if __name__ == "__main__":
    serve(stripped, http=Express)
