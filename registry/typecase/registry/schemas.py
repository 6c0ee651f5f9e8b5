"""The rows of block types and schema versions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from typecase.blocks import refusals
from typecase.blocks.catalog import is_same_package
from typecase.blocks.paging import limited, read_cursor, write_cursor
from typecase.blocks.records import Page, SchemaVersion, TypeDefinition, TypeRecord
from typecase.registry.tables import AnyRow, AnySelect, block_types, schema_versions


def find_types(connection: Connection, *, search: str, cursor: str | None, limit: int) -> Page[TypeRecord]:
    """Return block types by slug."""
    limit, after = limited(limit), read_cursor(cursor)
    query = _select_types().order_by(block_types.c.slug).limit(limit + 1)
    if after is not None:
        query = query.where(block_types.c.slug > after)
    if search:
        columns = (block_types.c.slug, block_types.c.title)
        query = query.where(or_(*(column.icontains(search, autoescape=True) for column in columns)))
    rows = connection.execute(query).all()
    items = tuple(map(_type_record, rows[:limit]))
    return Page(items=items, cursor=write_cursor(items[-1].slug) if len(rows) > limit else None)


def find_type(connection: Connection, slug: str) -> TypeRecord:
    """Return one block type. Raises `TypeNotRegistered`."""
    row = connection.execute(_select_types().where(block_types.c.slug == slug)).first()
    if row is None:
        raise refusals.type_not_registered(slug, None, connection.scalars(select(block_types.c.slug)))
    return _type_record(row)


def find_kinds(connection: Connection) -> Mapping[str, tuple[str, ...]]:
    """Return the kinds of every block type, by slug."""
    return {row.slug: tuple(row.kinds) for row in connection.execute(select(block_types.c.slug, block_types.c.kinds))}


def find_facts(connection: Connection, definition: TypeDefinition) -> dict[str, Any] | None:
    """Return what is stored about the type."""
    row = connection.execute(select(block_types).where(block_types.c.slug == definition.slug)).first()
    if row is None:
        return None
    return {name: getattr(row, name) for name in _facts(definition)}


def find_owner(connection: Connection, slug: str) -> str:
    """Return the package that a type belongs to, empty where it is not registered."""
    return connection.scalar(select(block_types.c.package).where(block_types.c.slug == slug)) or ""


def write_facts(connection: Connection, definition: TypeDefinition, now: datetime, *, is_newest: bool) -> None:
    """Store what travels with the type. An older version of a class does not take back what a newer one says."""
    known, facts = find_facts(connection, definition), _facts(definition)
    if known is None:
        connection.execute(insert(block_types).values(slug=definition.slug, created_at=now, updated_at=now, **facts))
    elif known != facts and (is_newest or not is_same_package(known["package"], definition.package)):
        connection.execute(
            update(block_types).where(block_types.c.slug == definition.slug).values(updated_at=now, **facts)
        )


def find_current(connection: Connection, definition: TypeDefinition) -> SchemaVersion | None:
    """Return the version that `definition` is, if nothing at all would be written for it."""
    known = find_facts(connection, definition)
    if known is None:
        return None
    query = select(schema_versions).where(
        schema_versions.c.type_slug == definition.slug, schema_versions.c.digest == definition.digest
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    superseded = is_same_package(known["package"], definition.package) and row.number < find_newest(
        connection, definition.slug
    )
    return _schema_version(row) if superseded or known == _facts(definition) else None


def find_newest(connection: Connection, slug: str) -> int:
    """Return the newest schema version of a type, 0 where there is none."""
    query = select(func.max(schema_versions.c.number)).where(schema_versions.c.type_slug == slug)
    return connection.scalar(query) or 0


def find_version(connection: Connection, slug: str, number: int) -> SchemaVersion:
    """Return one schema version. Raises `TypeNotRegistered`."""
    query = select(schema_versions).where(schema_versions.c.type_slug == slug, schema_versions.c.number == number)
    row = connection.execute(query).first()
    if row is None:
        find_type(connection, slug)
        raise refusals.type_not_registered(slug, number, (slug,))
    return _schema_version(row)


def find_versions(connection: Connection, slug: str) -> tuple[SchemaVersion, ...]:
    """Return all schema versions of a type, oldest first; none where it is not registered."""
    query = select(schema_versions).where(schema_versions.c.type_slug == slug).order_by(schema_versions.c.number)
    return tuple(map(_schema_version, connection.execute(query)))


def insert_version(connection: Connection, version: SchemaVersion) -> None:
    """Store a new schema version."""
    connection.execute(
        insert(schema_versions).values(
            type_slug=version.type_slug,
            number=version.number,
            digest=version.digest,
            schema=dict(version.schema),
            secret_paths=list(version.secret_paths),
            kinds=list(version.kinds),
            package=version.package,
            package_version=version.package_version,
            created_at=version.created_at,
            forced=version.forced,
        )
    )


def _select_types() -> AnySelect:
    newest = (
        select(func.max(schema_versions.c.number))
        .where(schema_versions.c.type_slug == block_types.c.slug)
        .scalar_subquery()
    )
    return select(block_types, newest.label("version"))


def _facts(definition: TypeDefinition) -> dict[str, Any]:
    return {
        "title": definition.title,
        "description": definition.description,
        "icon": definition.icon,
        "docs": definition.docs,
        "kinds": list(definition.kinds),
        "form": dict(definition.form),
        "package": definition.package,
    }


def _type_record(row: AnyRow) -> TypeRecord:
    return TypeRecord(
        slug=row.slug,
        title=row.title,
        description=row.description,
        icon=row.icon,
        docs=row.docs,
        kinds=tuple(row.kinds),
        package=row.package,
        version=row.version,
        form=row.form,
    )


def _schema_version(row: AnyRow) -> SchemaVersion:
    return SchemaVersion(
        type_slug=row.type_slug,
        number=row.number,
        digest=row.digest,
        schema=row._mapping["schema"],  # noqa: SLF001 - SQLAlchemy's public name for a row's mapping
        secret_paths=tuple(row.secret_paths),
        kinds=tuple(row.kinds),
        package=row.package,
        package_version=row.package_version,
        created_at=row.created_at,
        forced=row.forced,
    )
