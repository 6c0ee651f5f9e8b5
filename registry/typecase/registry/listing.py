"""Pages of documents and revisions, by key and never by offset."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, or_, select

from typecase.blocks.errors import InvalidCursor
from typecase.blocks.paging import limited, read_cursor, write_cursor
from typecase.blocks.records import Document, DocumentFilter, Page, Revision
from typecase.registry.lookup import find_workspace, select_documents
from typecase.registry.tables import AnyRow, AnySelect, block_types, document_tags, documents, revisions


class Visible(NamedTuple):
    """The only documents that are seen: by id, or by tag."""

    ids: Collection[str]
    tags: Collection[str]


def list_documents(
    connection: Connection,
    workspace: str,
    *,
    where: DocumentFilter,
    visible: Visible | None = None,
    cursor: str | None,
    limit: int,
) -> Page[Document]:
    """Return documents of a workspace by name, `visible` None = all. Raises `WorkspaceNotFound`."""
    limit, after = limited(limit), read_cursor(cursor)
    place = find_workspace(connection, workspace)
    query = select_documents().add_columns(revisions.c.schema_version).where(documents.c.workspace_id == place.id)
    query = query.join(
        revisions, (revisions.c.document_id == documents.c.id) & (revisions.c.number == documents.c.revision)
    )
    query = _restrict(connection, query, where)
    if visible is not None:
        tagged = select(document_tags.c.document_id).where(document_tags.c.tag.in_(visible.tags))
        query = query.where(or_(documents.c.id.in_(visible.ids), documents.c.id.in_(tagged)))
    if after is not None:
        query = query.where(documents.c.name > after)
    rows = connection.execute(query.order_by(documents.c.name).limit(limit + 1)).all()
    tags = read_tags(connection, [row.id for row in rows])
    items = tuple(document_record(row, tags=tags.get(row.id, ()), revision=None) for row in rows[:limit])
    return Page(items=items, cursor=write_cursor(items[-1].name) if len(rows) > limit else None)


def list_revisions(connection: Connection, document: AnyRow, *, cursor: str | None, limit: int) -> Page[Revision]:
    """Return the revisions of a document, newest first."""
    limit, after = limited(limit), read_cursor(cursor)
    query = select(revisions).where(revisions.c.document_id == document.id)
    if after is not None:
        query = query.where(revisions.c.number < _number(after))
    rows = connection.execute(query.order_by(revisions.c.number.desc()).limit(limit + 1)).all()
    items = tuple(_revision_record(document, row) for row in rows[:limit])
    return Page(items=items, cursor=write_cursor(str(items[-1].number)) if len(rows) > limit else None)


def read_tags(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the tags of documents, sorted, by document id."""
    query = select(document_tags).where(document_tags.c.document_id.in_(ids)).order_by(document_tags.c.tag)
    found: dict[str, tuple[str, ...]] = {}
    for row in connection.execute(query):
        found[row.document_id] = (*found.get(row.document_id, ()), row.tag)
    return found


def document_record(
    row: AnyRow, *, tags: tuple[str, ...], revision: AnyRow | None, data: Mapping[str, Any] | None = None
) -> Document:
    """Return the record of a document at `revision`; None = `row` names the schema version itself."""
    return Document(
        id=row.id,
        workspace=row.workspace,
        name=row.name,
        type_slug=row.type_slug if revision is None else revision.type_slug,
        kinds=tuple(row.kinds),
        revision=row.revision if revision is None else revision.number,
        schema_version=row.schema_version if revision is None else revision.schema_version,
        description=row.description,
        tags=tags,
        owner=row.owner,
        expires_at=row.expires_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        data=data or {},
    )


def _revision_record(document: AnyRow, row: AnyRow) -> Revision:
    return Revision(
        document_id=document.id,
        workspace=document.workspace,
        name=document.name,
        number=row.number,
        type_slug=row.type_slug,
        schema_version=row.schema_version,
        author=row.author,
        restored_from=row.restored_from,
        created_at=row.created_at,
    )


def _select_used_types() -> AnySelect:
    """Select the types that have documents, from one entry of the index to the next: few of many registered ones."""
    used = select(func.min(documents.c.type_slug).label("slug")).cte("used", recursive=True)
    following = select(func.min(documents.c.type_slug)).where(documents.c.type_slug > used.c.slug)
    used = used.union_all(select(following.correlate(used).scalar_subquery()).where(used.c.slug.is_not(None)))
    return select(block_types.c.slug, block_types.c.kinds).join(used, used.c.slug == block_types.c.slug)


def _restrict(connection: Connection, query: AnySelect, where: DocumentFilter) -> AnySelect:
    if where.type_slug:
        query = query.where(documents.c.type_slug == where.type_slug)
    if where.kind:
        types = connection.execute(_select_used_types())
        query = query.where(documents.c.type_slug.in_([row.slug for row in types if where.kind in row.kinds]))
    if where.tag:
        tagged = select(document_tags.c.document_id).where(document_tags.c.tag == where.tag)
        query = query.where(documents.c.id.in_(tagged))
    if where.owner:
        query = query.where(documents.c.owner == where.owner)
    if where.search:
        columns = (documents.c.name, documents.c.description)
        query = query.where(or_(*(column.icontains(where.search, autoescape=True) for column in columns)))
    if where.expired_at is not None:
        query = query.where(documents.c.expires_at <= where.expired_at)
    return query


def _number(after: str) -> int:
    if not after.isdecimal():
        raise InvalidCursor("This cursor is not one of a history.", hint="Begin again without a cursor.")
    return int(after)
