"""What happened, and who uses what."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from typecase.blocks.records import Page
from typecase.registry.audit.events import AuditEvent, AuditFilter, ExportFormat
from typecase.registry.audit.usage import DocumentUse, Use
from typecase.registry.audit.verification import Anchor, Verification
from typecase.registry.server.asks import AsksFor
from typecase.registry.server.problems import described
from typecase.registry.server.routes.conditions import Cursor, DocumentName, Limit, WorkspaceName

router = APIRouter(tags=["audit"])

Text = Annotated[str | None, Query(max_length=200)]
Time = Annotated[datetime | None, Query()]


@router.get("/audit", response_model=Page[AuditEvent], responses=described())
def list_events(
    asks: AsksFor,
    principal: Text = None,
    action: Text = None,
    outcome: Text = None,
    workspace: Text = None,
    document: Annotated[str | None, Query(max_length=200, description="Id or name of a document.")] = None,
    since: Time = None,
    until: Time = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """List what happened, newest first: everywhere for an admin of the server, else in one's own workspaces."""
    where = AuditFilter(
        principal=principal,
        action=action,
        outcome=outcome,
        workspaces=None if workspace is None else (workspace,),
        document=document,
        since=since,
        until=until,
    )
    return asks.answer(Page[AuditEvent], lambda: asks.journal.list(where, cursor=cursor, limit=limit))


@router.get("/audit/anchor", response_model=Anchor, responses=described())
def get_anchor(asks: AsksFor) -> Response:
    """Return where the chain ends now: to be kept elsewhere."""
    return asks.answer(Anchor, asks.journal.anchor)


@router.post("/audit/verify", response_model=Verification, responses=described())
def verify_chain(asks: AsksFor, body: Anchor | None = None) -> Response:
    """Compare every event with the chain, and the chain with an earlier anchor."""
    return asks.answer(Verification, lambda: asks.journal.verify(body))


@router.get("/audit/export", response_class=StreamingResponse, responses=described())
def export_events(
    asks: AsksFor, form: Annotated[ExportFormat, Query()] = ExportFormat.JSONL, since: Time = None, until: Time = None
) -> Response:
    """Return all events until now, oldest first, and an anchor at the end."""
    media_type = "text/csv" if form is ExportFormat.CSV else "application/x-ndjson"
    lines = asks.journal.export(form, AuditFilter(since=since, until=until))
    return StreamingResponse(lines, media_type=media_type)


@router.get("/workspaces/{workspace}/documents/{name}/usage", response_model=Page[Use], responses=described(404))
def list_uses(
    asks: AsksFor, workspace: WorkspaceName, name: DocumentName, cursor: Cursor = None, limit: Limit = 100
) -> Response:
    """List who loads a document, from which flow, the last one first."""
    return asks.answer(Page[Use], lambda: asks.journal.usage_of(name, workspace=workspace, cursor=cursor, limit=limit))


@router.get("/workspaces/{workspace}/unused", response_model=Page[DocumentUse], responses=described(404))
def list_unused(
    asks: AsksFor,
    workspace: WorkspaceName,
    since: Annotated[datetime, Query(description="Not loaded since this time.")],
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """List documents that nobody has loaded since a time."""
    return asks.answer(
        Page[DocumentUse], lambda: asks.journal.unused(workspace, since=since, cursor=cursor, limit=limit)
    )


@router.get("/workspaces/{workspace}/expiring", response_model=Page[DocumentUse], responses=described(404))
def list_expiring(
    asks: AsksFor,
    workspace: WorkspaceName,
    before: Annotated[datetime, Query(description="Expires before this time, or has expired.")],
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """List documents that expire before a time."""
    return asks.answer(
        Page[DocumentUse], lambda: asks.journal.expiring(workspace, before=before, cursor=cursor, limit=limit)
    )
