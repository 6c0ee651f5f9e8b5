"""Saved blocks behind a server."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from typecase.blocks import refusals
from typecase.blocks.names import validate_name
from typecase.blocks.records import Change, Dependent, Document, DocumentFilter, Draft, Page, Revision
from typecase.blocks.registry import Documents
from typecase.blocks.remote.requests import DocumentChange, DocumentCopy, NewName, Restoring
from typecase.blocks.remote.wire import encode
from typecase.blocks.stored import UNSET, Unset

if TYPE_CHECKING:
    from typecase.blocks.remote.client import Client


class RemoteDocuments(Documents):
    """The documents of a registry behind a server; who asks is who the token belongs to."""

    def __init__(self, client: "Client") -> None:
        """Speak to the server through `client`."""
        self._client = client

    def save(self, draft: Draft) -> Revision:
        """See `Documents.save`. The server writes its own author down."""
        validate_name(draft.name, "document")
        given = {
            name: value
            for name in ("description", "tags", "owner", "expires_at")
            if (value := getattr(draft, name)) is not UNSET
        }
        copy = DocumentCopy(
            type_slug=draft.type_slug,
            schema_version=draft.schema_version,
            former_slugs=draft.former_slugs,
            overwrite=draft.overwrite,
            data=draft.data,
            **given,
        )
        content = encode(copy)
        headers = _expecting(draft.expected_revision)
        return self._client.get(Revision, "PUT", path_of(draft.workspace, draft.name), content=content, headers=headers)

    def get(self, name: str, *, workspace: str, revision: int | None = None) -> Document:
        """See `Documents.get`."""
        return self._client.get(Document, "GET", path_of(workspace, name), query={"revision": revision})

    def list(
        self, *, workspace: str, where: DocumentFilter | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page[Document]:
        """See `Documents.list`."""
        where = where or DocumentFilter()
        query = {
            "type": where.type_slug,
            "kind": where.kind,
            "tag": where.tag,
            "owner": where.owner,
            "search": where.search,
            "expired_at": where.expired_at.isoformat() if where.expired_at else None,
            "cursor": cursor,
            "limit": limit,
        }
        return self._client.get(Page[Document], "GET", path_of(workspace), query=query)

    def describe(
        self,
        name: str,
        *,
        workspace: str,
        description: str | Unset = UNSET,
        tags: tuple[str, ...] | Unset = UNSET,
        owner: str | Unset = UNSET,
        expires_at: datetime | Unset | None = UNSET,
    ) -> Document:
        """See `Documents.describe`."""
        facts = {"description": description, "tags": tags, "owner": owner, "expires_at": expires_at}
        change = DocumentChange(**{key: value for key, value in facts.items() if value is not UNSET})
        return self._client.get(Document, "PATCH", path_of(workspace, name), content=encode(change))

    def rename(self, name: str, new_name: str, *, workspace: str) -> Document:
        """See `Documents.rename`."""
        content = encode(NewName(name=new_name))
        return self._client.get(Document, "POST", path_of(workspace, name, "rename"), content=content)

    def delete(
        self, name: str, *, workspace: str, force: bool = False, expected_revision: int | None = None
    ) -> tuple[Dependent, ...]:
        """See `Documents.delete`."""
        return self._client.get(
            tuple[Dependent, ...],
            "DELETE",
            path_of(workspace, name),
            query={"force": "true" if force else None},
            headers=_expecting(expected_revision),
        )

    def dependents(self, name: str, *, workspace: str) -> tuple[Dependent, ...]:
        """See `Documents.dependents`."""
        return self._client.get(tuple[Dependent, ...], "GET", path_of(workspace, name, "dependents"))

    def history(self, name: str, *, workspace: str, cursor: str | None = None, limit: int = 100) -> Page[Revision]:
        """See `Documents.history`."""
        query = {"cursor": cursor, "limit": limit}
        return self._client.get(Page[Revision], "GET", path_of(workspace, name, "revisions"), query=query)

    def diff(self, name: str, *, workspace: str, before: int, after: int) -> tuple[Change, ...]:
        """See `Documents.diff`."""
        query = {"before": before, "after": after}
        return self._client.get(tuple[Change, ...], "GET", path_of(workspace, name, "diff"), query=query)

    def restore(
        self,
        name: str,
        *,
        workspace: str,
        revision: int,
        expected_revision: int | None = None,
        author: str = "",  # noqa: ARG002 - the server knows who asks
    ) -> Revision:
        """See `Documents.restore`. The server writes its own author down."""
        return self._client.get(
            Revision,
            "POST",
            path_of(workspace, name, "restore"),
            content=encode(Restoring(revision=revision)),
            headers=_expecting(expected_revision),
        )


def path_of(workspace: str, *steps: str) -> str:
    """Return the path of a workspace's documents, or of one of them, or of something about it.

    Raises `DocumentNotFound`, `WorkspaceNotFound` for what cannot be a name and would make another path.
    """
    if not workspace or "/" in workspace:
        raise refusals.workspace_not_found(workspace, ())
    if steps and (not steps[0] or "/" in steps[0]):
        raise refusals.document_not_found(steps[0], [workspace], ())
    return "/".join(("/workspaces", quote(workspace, safe=""), "documents", *(quote(step, safe="") for step in steps)))


def _expecting(revision: int | None) -> Mapping[str, str]:
    if revision is None:
        return {}
    return {"If-Match": f'"{revision}"'} if revision else {"If-None-Match": "*"}
