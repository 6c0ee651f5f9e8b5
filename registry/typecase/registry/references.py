"""References between documents: resolved to ids on writing, shown as names on reading, never in a circle."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from typecase.blocks import refusals
from typecase.blocks.documents import find_references, replace_references
from typecase.blocks.records import Dependent
from typecase.registry.lookup import Place, find_chain, sample_names, seek_document
from typecase.registry.tables import documents, revision_references, workspaces

_edges = (
    select(revision_references)
    .join(documents, documents.c.id == revision_references.c.document_id)
    .where(documents.c.revision == revision_references.c.number)
)


def resolve_references(connection: Connection, data: Mapping[str, Any], chain: Sequence[Place]) -> dict[str, str]:
    """Return the document id of each reference in `data` by JSON pointer. Raises `ReferenceNotFound`."""
    return {path: _resolve(connection, target, path, chain) for path, target in find_references(data)}


def refuse_cycle(connection: Connection, document_id: str, name: str, targets: Iterable[str]) -> None:
    """Raise `ReferenceCycle` if `document_id`, referring to `targets`, would come to refer to itself."""
    came_from = dict.fromkeys(targets, document_id)
    frontier = set(came_from)
    while frontier and document_id not in frontier:
        rows = connection.execute(_edges.where(revision_references.c.document_id.in_(frontier))).all()
        fresh = {row.target_id: row.document_id for row in rows if row.target_id not in came_from}
        came_from |= fresh
        frontier = set(fresh)
    if not frontier:
        return
    path = [document_id]
    while (step := came_from[path[-1]]) != document_id:
        path.append(step)
    names = _names(connection, path)
    raise refusals.reference_cycle([name, *[names[step] for step in reversed(path[1:])], name])


def write_references(connection: Connection, document_id: str, number: int, targets: Mapping[str, str]) -> None:
    """Store the edges of one revision."""
    if targets:
        connection.execute(
            insert(revision_references),
            [
                {"document_id": document_id, "number": number, "path": path, "target_id": target}
                for path, target in targets.items()
            ],
        )


def delete_references(connection: Connection, document_id: str) -> None:
    """Remove the edges that leave a document, not those that lead to it."""
    connection.execute(delete(revision_references).where(revision_references.c.document_id == document_id))


def find_dependents(connection: Connection, document_id: str) -> tuple[Dependent, ...]:
    """Return the documents whose current revision refers to this one."""
    query = (
        select(documents, workspaces.c.name.label("workspace"), revision_references.c.path)
        .join(workspaces, workspaces.c.id == documents.c.workspace_id)
        .join(
            revision_references,
            (revision_references.c.document_id == documents.c.id)
            & (revision_references.c.number == documents.c.revision),
        )
        .where(revision_references.c.target_id == document_id)
        .order_by(workspaces.c.name, documents.c.name, revision_references.c.path)
    )
    return tuple(
        Dependent(document_id=row.id, workspace=row.workspace, name=row.name, type_slug=row.type_slug, path=row.path)
        for row in connection.execute(query)
    )


def name_references(connection: Connection, data: Any, chain: Sequence[Place]) -> Any:
    """Return `data` with ids replaced by the names that lead to them from the workspace that begins `chain`."""
    ids = {target["id"] for _, target in find_references(data)}
    if not ids:
        return data
    query = select(documents.c.id, documents.c.name, workspaces.c.name.label("workspace")).join(
        workspaces, workspaces.c.id == documents.c.workspace_id
    )
    found = {row.id: row for row in connection.execute(query.where(documents.c.id.in_(ids)))}
    visible = _visible(connection, {row.name for row in found.values()}, chain)

    def show(_: str, target: Any) -> Any:
        row = found.get(target["id"])
        if row is None:
            return target
        return row.name if visible.get(row.name) == row.id else {"name": row.name, "workspace": row.workspace}

    return replace_references(data, show)


def _visible(connection: Connection, names: Iterable[str], chain: Sequence[Place]) -> dict[str, str]:
    rank = {place.id: position for position, place in enumerate(chain)}
    query = select(documents.c.name, documents.c.id, documents.c.workspace_id).where(
        documents.c.name.in_(list(names)), documents.c.workspace_id.in_(rank)
    )
    rows = sorted(connection.execute(query), key=lambda row: rank[row.workspace_id], reverse=True)
    return {row.name: row.id for row in rows}


def _resolve(connection: Connection, target: Any, path: str, chain: Sequence[Place]) -> str:
    if isinstance(target, Mapping) and "id" in target:
        if connection.scalar(select(documents.c.id).where(documents.c.id == str(target["id"]))) is None:
            raise refusals.reference_not_found(path, str(target["id"]))
        return str(target["id"])
    wanted = target if isinstance(target, Mapping) else {"name": target}
    if "workspace" in wanted:
        chain = find_chain(connection, str(wanted["workspace"]))
    slug, _, name = str(wanted.get("name", "")).rpartition("/")
    row = seek_document(connection, name, chain, slug=slug)
    if row is None:
        names = sample_names(connection, name, chain)
        raise refusals.reference_not_found(path, str(wanted.get("name", "")), names)
    document_id: str = row.id
    return document_id


def _names(connection: Connection, ids: Iterable[str]) -> dict[str, str]:
    rows = connection.execute(select(documents.c.id, documents.c.name).where(documents.c.id.in_(list(ids))))
    return {row.id: row.name for row in rows}
