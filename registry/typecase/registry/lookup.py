"""Finding workspaces and documents by name, and saying where the search went when there are none."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, literal, select

from typecase.blocks import refusals
from typecase.blocks.errors import DocumentNotFound
from typecase.registry.reading import DEPTH
from typecase.registry.tables import AnyRow, AnySelect, block_types, documents, revisions, workspaces

_SAMPLE: Final = 2000


class Place(NamedTuple):
    """A workspace on the way from a name to its parents."""

    id: str
    name: str


def find_workspace(connection: Connection, name: str) -> Place:
    """Return a workspace. Raises `WorkspaceNotFound`."""
    row = connection.execute(select(workspaces.c.id, workspaces.c.name).where(workspaces.c.name == name)).first()
    if row is None:
        raise refusals.workspace_not_found(name, connection.scalars(select(workspaces.c.name)))
    return Place(*row)


def find_chain(connection: Connection, name: str) -> list[Place]:
    """Return a workspace and its parents, nearest first. Raises `WorkspaceNotFound`."""
    base = select(workspaces.c.id, workspaces.c.name, workspaces.c.parent_id, literal(0).label("depth"))
    chain = base.where(workspaces.c.name == name).cte("chain", recursive=True)
    chain = chain.union_all(
        select(workspaces.c.id, workspaces.c.name, workspaces.c.parent_id, chain.c.depth + 1)
        .join(chain, workspaces.c.id == chain.c.parent_id)
        .where(chain.c.depth < DEPTH)
    )
    rows = connection.execute(select(chain.c.id, chain.c.name).order_by(chain.c.depth)).all()
    return [Place(*row) for row in rows] if rows else [find_workspace(connection, name)]


def select_documents() -> AnySelect:
    """Return the query for documents with their workspace's name and their type's kinds."""
    return (
        select(documents, workspaces.c.name.label("workspace"), block_types.c.kinds)
        .join(workspaces, workspaces.c.id == documents.c.workspace_id)
        .join(block_types, block_types.c.slug == documents.c.type_slug)
    )


def find_document(connection: Connection, name: str, chain: Sequence[Place], *, lock: bool = False) -> AnyRow:
    """Return the document of this name in the first workspace of `chain` that has it. Raises `DocumentNotFound`."""
    row = seek_document(connection, name, chain, lock=lock)
    if row is None:
        raise document_not_found(connection, name, chain)
    return row


def seek_document(
    connection: Connection, name: str, chain: Sequence[Place], *, slug: str = "", lock: bool = False
) -> AnyRow | None:
    """As `find_document`, None when there is none. `slug` passes over other types, `lock` keeps other writers away."""
    query = select_documents().where(documents.c.workspace_id.in_([place.id for place in chain]))
    query = query.where(documents.c.name == name)
    if slug:
        query = query.where(documents.c.type_slug == slug)
    if lock:
        query = query.with_for_update(of=documents)
    found = {row.workspace_id: row for row in connection.execute(query)}
    return next((found[place.id] for place in chain if place.id in found), None)


def document_not_found(connection: Connection, name: str, chain: Sequence[Place]) -> DocumentNotFound:
    """Describe the search for a document: every workspace tried, and similar names."""
    return refusals.document_not_found(name, [place.name for place in chain], sample_names(connection, name, chain))


def sample_names(connection: Connection, name: str, chain: Sequence[Place]) -> set[str]:
    """Return names of documents in `chain`: all of them, or a sample likely to hold the meant one if very many."""
    inside = select(documents.c.name).where(documents.c.workspace_id.in_([place.id for place in chain]))
    begins = documents.c.name.startswith(name[:2], autoescape=True)
    queries = (inside.where(begins).limit(_SAMPLE), inside.order_by(documents.c.name).limit(_SAMPLE))
    return {found for query in queries for found in connection.scalars(query)}


def find_revision(connection: Connection, document: AnyRow, number: int | None) -> AnyRow:
    """Return a revision of `document`, None = current. Raises `RevisionNotFound`."""
    wanted: int = document.revision if number is None else number
    row = connection.execute(
        select(revisions).where(revisions.c.document_id == document.id, revisions.c.number == wanted)
    ).first()
    if row is None:
        raise refusals.revision_not_found(document.name, wanted, document.revision)
    return row
