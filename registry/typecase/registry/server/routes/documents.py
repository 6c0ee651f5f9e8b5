"""Documents and their revisions. Nothing here shows a secret."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response

from typecase.blocks.records import Change, Dependent, Document, DocumentFilter, Draft, Page, Revision
from typecase.blocks.remote.requests import DocumentChange, DocumentCopy, NewName, Restoring
from typecase.registry.server.asks import AsksFor
from typecase.registry.server.problems import described
from typecase.registry.server.routes.conditions import (
    Cursor,
    DocumentName,
    IfMatch,
    IfNoneMatch,
    Limit,
    Number,
    Once,
    WorkspaceName,
    expected_revision,
)

router = APIRouter(tags=["documents"], prefix="/workspaces/{workspace}/documents")

Text = Annotated[str | None, Query(max_length=200)]
RevisionNumber = Annotated[int, Query(ge=1, le=2**31 - 1, description="Number of a revision.")]


@router.get("", response_model=Page[Document], responses=described(404))
def list_documents(
    asks: AsksFor,
    workspace: WorkspaceName,
    type_slug: Annotated[str | None, Query(alias="type", max_length=200, description="Slug of the block type.")] = None,
    kind: Text = None,
    tag: Text = None,
    owner: Text = None,
    search: Text = None,
    expired_at: Annotated[datetime | None, Query(description="Only those expired at this time.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """List documents of exactly this workspace by name, without their data."""
    where = DocumentFilter(type_slug=type_slug, kind=kind, tag=tag, owner=owner, search=search, expired_at=expired_at)
    return asks.answer(
        Page[Document],
        lambda: asks.registry.documents.list(workspace=workspace, where=where, cursor=cursor, limit=limit),
    )


@router.get("/{name}", response_model=Document, responses=described(404))
def get_document(asks: AsksFor, workspace: WorkspaceName, name: DocumentName, revision: Number = None) -> Response:
    """Return a document with each secret as `{"$secret": {"set": true, "source": ...}}`."""
    return asks.answer(
        Document, lambda: asks.registry.documents.get(name, workspace=workspace, revision=revision), etag=True
    )


@router.put("/{name}", response_model=Revision, responses=described(404, 409, 412, 413))
def put_document(
    asks: AsksFor,
    workspace: WorkspaceName,
    name: DocumentName,
    body: DocumentCopy,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
    _: Once = None,
) -> Response:
    """Write a whole document, as a new one or as a new revision, all or nothing."""
    draft = Draft(
        name=name,
        workspace=workspace,
        type_slug=body.type_slug,
        schema_version=body.schema_version,
        data=body.data,
        overwrite=body.overwrite,
        expected_revision=expected_revision(if_match, if_none_match),
        former_slugs=body.former_slugs,
        **body.given("description", "tags", "owner", "expires_at"),
    )
    return asks.answer(Revision, lambda: asks.registry.documents.save(draft), etag=True)


@router.patch("/{name}", response_model=Document, responses=described(404))
def describe_document(
    asks: AsksFor, workspace: WorkspaceName, name: DocumentName, body: DocumentChange, _: Once = None
) -> Response:
    """Change what is known about a document, not its revision; what is left out stays."""
    given = body.given("description", "tags", "owner", "expires_at")
    return asks.answer(
        Document, lambda: asks.registry.documents.describe(name, workspace=workspace, **given), etag=True
    )


@router.delete("/{name}", response_model=tuple[Dependent, ...], responses=described(404, 409, 412))
def delete_document(
    asks: AsksFor,
    workspace: WorkspaceName,
    name: DocumentName,
    *,
    force: Annotated[bool, Query(description="Delete it even if other documents refer to it.")] = False,
    if_match: IfMatch = None,
    _: Once = None,
) -> Response:
    """Destroy a document and all its revisions; return the dependents that `force` broke."""
    expected = expected_revision(if_match)
    return asks.answer(
        tuple[Dependent, ...],
        lambda: asks.registry.documents.delete(name, workspace=workspace, force=force, expected_revision=expected),
    )


@router.post("/{name}/rename", response_model=Document, responses=described(404, 409))
def rename_document(
    asks: AsksFor, workspace: WorkspaceName, name: DocumentName, body: NewName, _: Once = None
) -> Response:
    """Give a document another name; references to it keep working."""
    return asks.answer(
        Document, lambda: asks.registry.documents.rename(name, body.name, workspace=workspace), etag=True
    )


@router.get("/{name}/dependents", response_model=tuple[Dependent, ...], responses=described(404))
def list_dependents(asks: AsksFor, workspace: WorkspaceName, name: DocumentName) -> Response:
    """List the documents whose current revision refers to this one, as far as the caller may see them."""
    return asks.answer(tuple[Dependent, ...], lambda: asks.registry.documents.dependents(name, workspace=workspace))


@router.get("/{name}/revisions", response_model=Page[Revision], responses=described(404))
def list_revisions(
    asks: AsksFor, workspace: WorkspaceName, name: DocumentName, cursor: Cursor = None, limit: Limit = 100
) -> Response:
    """List the revisions of a document, newest first."""
    return asks.answer(
        Page[Revision],
        lambda: asks.registry.documents.history(name, workspace=workspace, cursor=cursor, limit=limit),
    )


@router.get("/{name}/diff", response_model=tuple[Change, ...], responses=described(404))
def compare_revisions(
    asks: AsksFor, workspace: WorkspaceName, name: DocumentName, before: RevisionNumber, after: RevisionNumber
) -> Response:
    """Compare two revisions by field; secrets only as changed or not."""
    return asks.answer(
        tuple[Change, ...],
        lambda: asks.registry.documents.diff(name, workspace=workspace, before=before, after=after),
    )


@router.post("/{name}/restore", response_model=Revision, responses=described(404, 409, 412))
def restore_revision(
    asks: AsksFor,
    workspace: WorkspaceName,
    name: DocumentName,
    body: Restoring,
    if_match: IfMatch = None,
    _: Once = None,
) -> Response:
    """Write an earlier revision again as the newest."""
    expected = expected_revision(if_match)
    return asks.answer(
        Revision,
        lambda: asks.registry.documents.restore(
            name, workspace=workspace, revision=body.revision, expected_revision=expected
        ),
        etag=True,
    )
