"""Workspaces."""

from fastapi import APIRouter, Response

from typecase.blocks.records import Workspace
from typecase.blocks.remote.requests import NewWorkspace, WorkspaceChange
from typecase.registry.server.asks import AsksFor
from typecase.registry.server.problems import described
from typecase.registry.server.routes.conditions import Once, WorkspaceName

router = APIRouter(tags=["workspaces"])


@router.get("/workspaces", response_model=tuple[Workspace, ...], responses=described())
def list_workspaces(asks: AsksFor) -> Response:
    """List the workspaces in which the caller has a role, by name."""
    return asks.answer(tuple[Workspace, ...], asks.registry.workspaces.list)


@router.post("/workspaces", response_model=Workspace, status_code=201, responses=described(404, 409))
def create_workspace(asks: AsksFor, body: NewWorkspace, _: Once = None) -> Response:
    """Make a workspace with a data key of its own."""
    return asks.answer(
        Workspace,
        lambda: asks.registry.workspaces.create(body.name, parent=body.parent, description=body.description),
        status=201,
    )


@router.get("/workspaces/{workspace}", response_model=Workspace, responses=described(404))
def get_workspace(asks: AsksFor, workspace: WorkspaceName) -> Response:
    """Return one workspace."""
    return asks.answer(Workspace, lambda: asks.registry.workspaces.get(workspace))


@router.patch("/workspaces/{workspace}", response_model=Workspace, responses=described(404, 409))
def update_workspace(asks: AsksFor, workspace: WorkspaceName, body: WorkspaceChange, _: Once = None) -> Response:
    """Change parent or description; what is left out stays."""
    given = body.given("parent", "description")
    return asks.answer(Workspace, lambda: asks.registry.workspaces.update(workspace, **given))


@router.delete("/workspaces/{workspace}", status_code=204, response_class=Response, responses=described(404, 409))
def delete_workspace(asks: AsksFor, workspace: WorkspaceName, _: Once = None) -> Response:
    """Remove an empty workspace and its data keys."""
    asks.registry.workspaces.delete(workspace)
    return Response(status_code=204)
