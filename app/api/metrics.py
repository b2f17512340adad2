"""Metrics for Prometheus."""

import asyncio
from collections.abc import Callable

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.errors import described
from app.telemetry import metrics

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Metrics",
    response_class=Response,
    responses=described(401, 403, 413)
    | {200: {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_metrics(request: Request) -> Response:
    """Tell the metrics of the service, of all its workers, in the text format of Prometheus."""
    measure: Callable[[], None] = request.state.measure
    measure()
    told = await asyncio.to_thread(metrics.exposition)
    return Response(told, headers={"Cache-Control": "no-store", "Content-Type": metrics.MEDIA_TYPE})
