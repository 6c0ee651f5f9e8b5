"""Documents as forms read and write them: a secret that a form leaves alone is kept, and none is shown."""

from urllib.parse import quote

from fastapi import APIRouter, Response

from typecase.blocks.records import Document, Revision
from typecase.blocks.remote.requests import DocumentEdit, NewDocument
from typecase.registry.forms import Edit
from typecase.registry.server.asks import AsksFor
from typecase.registry.server.problems import described
from typecase.registry.server.routes.conditions import (
    DocumentName,
    IfMatch,
    Once,
    WorkspaceName,
    expected_revision,
)

router = APIRouter(tags=["documents"], prefix="/workspaces/{workspace}/documents")


@router.post("", status_code=201, response_model=Revision, responses=described(404, 409, 413))
def create_document(asks: AsksFor, workspace: WorkspaceName, body: NewDocument, _: Once = None) -> Response:
    """Make a document of what a form sends. Where null does not fit, it leaves the field to its default."""
    edit = Edit(
        name=body.name,
        workspace=workspace,
        data=body.data,
        expected_revision=0,
        type_slug=body.type_slug,
        schema_version=body.schema_version,
        **body.given("description", "tags", "owner", "expires_at"),
    )
    response = asks.answer(Revision, lambda: asks.registry.editable.edit(edit), status=201, etag=True)
    place, name = quote(workspace, safe=""), quote(body.name, safe="")
    response.headers["Location"] = f"/api/v1/workspaces/{place}/documents/{name}"
    return response


@router.get("/{name}/form", response_model=Document, responses=described(404))
def get_form(asks: AsksFor, workspace: WorkspaceName, name: DocumentName) -> Response:
    """Return a document for editing: as reading it does, and each secret in a list says where it stands.

    A masked secret in a list has `"item": 0` beside `set`, an object that holds one has `"$item": 0`.
    """
    return asks.answer(Document, lambda: asks.registry.editable.form(name, workspace=workspace), etag=True)


@router.patch("/{name}/data", response_model=Revision, responses=described(404, 409, 412, 413, 428))
def edit_document(
    asks: AsksFor,
    workspace: WorkspaceName,
    name: DocumentName,
    body: DocumentEdit,
    if_match: IfMatch = None,
    _: Once = None,
) -> Response:
    """Write what a form sends as a new revision: omitted = kept, null = cleared, value = replaced, at every depth.

    A list is replaced as a whole; items with their places keep their secrets. A masked secret is kept.
    """
    edit = Edit(
        name=name,
        workspace=workspace,
        data=body.data,
        expected_revision=expected_revision(if_match),
        schema_version=body.schema_version,
        **body.given("description", "tags", "owner", "expires_at"),
    )
    return asks.answer(Revision, lambda: asks.registry.editable.edit(edit), etag=True)
