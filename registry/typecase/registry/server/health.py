"""Whether the server lives, and whether it can work."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from typecase.blocks.errors import RegistryUnreachable, TypecaseError
from typecase.registry.server.problems import answer

router = APIRouter(tags=["health"])


@router.get("/healthz", status_code=200, response_model=dict[str, str])
async def live() -> Response:
    """Say that the process lives. Asks nobody else."""
    return JSONResponse({"status": "alive"})


@router.get(
    "/readyz",
    response_model=dict[str, str],
    responses={503: {"description": "Sealed, without database, or about to end."}},
)
def ready(request: Request) -> Response:
    """Say whether requests can be answered: the database answers, its tables fit, the root key opens them."""
    request_id = request.scope["typecase_request_id"]
    if getattr(request.app.state, "ending", False):
        return answer(
            RegistryUnreachable("This server is about to end.", hint="Ask another one."), request_id, whole=True
        )
    try:
        request.app.state.server.registry.require_ready()
    except TypecaseError as error:
        return answer(error, request_id)
    return JSONResponse({"status": "ready"})
