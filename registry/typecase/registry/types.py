"""Block types and their schema versions."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, insert, select, update

from typecase.blocks import refusals
from typecase.blocks.catalog import LOCAL
from typecase.blocks.names import validate_name
from typecase.blocks.records import SchemaVersion, TypeDefinition, TypeRecord
from typecase.blocks.registry import Types
from typecase.registry.edge import guarded
from typecase.registry.stored_keys import require_open
from typecase.registry.tables import AnyRow, AnySelect, block_types, schema_versions

if TYPE_CHECKING:
    from typecase.registry.data_keys import DataKeys
    from typecase.registry.store import Store


class SqlTypes(Types):
    """The block types of a SQL registry. Remembers schema versions, for they never change."""

    def __init__(self, store: "Store", keys: "DataKeys") -> None:
        self._store = store
        self._keys = keys
        self._registered: dict[tuple[str, str, str, str], SchemaVersion] = {}
        self._versions: dict[tuple[str, int], SchemaVersion] = {}

    @property
    def url(self) -> str:
        """The registry's URL, without a password."""
        return self._store.url

    @guarded
    def register(self, definition: TypeDefinition) -> SchemaVersion:
        """Store a block type if it is new and its schema if it is new."""
        key = (definition.slug, definition.digest, definition.package, definition.package_version)
        version = self._registered.get(key)
        if version is None:
            validate_name(definition.slug, "slug")
            version = self._store.read(lambda connection: _find_current(connection, definition))
            if version is None:
                version = self._store.write(lambda connection: self._register(connection, definition))
            self._registered[key] = version
        return version

    @guarded
    def list(self) -> tuple[TypeRecord, ...]:
        """Return all registered block types by slug."""
        query = _select_types().order_by(block_types.c.slug)
        return self._store.read(lambda connection: tuple(map(_type_record, connection.execute(query))))

    @guarded
    def get(self, slug: str) -> TypeRecord:
        """Return one block type."""
        return self._store.read(lambda connection: find_type(connection, slug))

    @guarded
    def version(self, slug: str, number: int) -> SchemaVersion:
        """Return one schema version."""
        return self._store.read(lambda connection: self.schema(connection, slug, number))

    def schema(self, connection: Connection, slug: str, number: int | None) -> SchemaVersion:
        """Return a schema version inside a transaction, None = the newest. Raises `TypeNotRegistered`."""
        if number is None:
            number = find_type(connection, slug).version
        version = self._versions.get((slug, number))
        if version is None:
            query = select(schema_versions).where(
                schema_versions.c.type_slug == slug, schema_versions.c.number == number
            )
            row = connection.execute(query).first()
            if row is None:
                find_type(connection, slug)
                raise refusals.type_not_registered(slug, number, (slug,))
            version = self._versions[slug, number] = _schema_version(row)
        return version

    def _register(self, connection: Connection, definition: TypeDefinition) -> SchemaVersion:
        require_open(connection, self._keys)
        now = datetime.now(UTC)
        facts = _facts(definition)
        known = _find_facts(connection, definition)
        if known is None:
            connection.execute(
                insert(block_types).values(
                    slug=definition.slug, package=definition.package, created_at=now, updated_at=now, **facts
                )
            )
        elif known != {**facts, "package": definition.package}:
            connection.execute(
                update(block_types)
                .where(block_types.c.slug == definition.slug)
                .values(package=definition.package, updated_at=now, **facts)
            )
        version = _find_version(connection, definition)
        if version is None:
            newest = connection.scalar(
                select(func.max(schema_versions.c.number)).where(schema_versions.c.type_slug == definition.slug)
            )
            version = SchemaVersion(
                type_slug=definition.slug,
                number=(newest or 0) + 1,
                digest=definition.digest,
                schema=definition.schema,
                secret_paths=definition.secret_paths,
                kinds=definition.kinds,
                package=definition.package,
                package_version=definition.package_version,
                created_at=now,
            )
            connection.execute(insert(schema_versions).values(_version_row(version)))
        return version


def find_type(connection: Connection, slug: str) -> TypeRecord:
    """Return one block type. Raises `TypeNotRegistered`."""
    row = connection.execute(_select_types().where(block_types.c.slug == slug)).first()
    if row is None:
        raise refusals.type_not_registered(slug, None, connection.scalars(select(block_types.c.slug)))
    return _type_record(row)


def _select_types() -> AnySelect:
    newest = (
        select(func.max(schema_versions.c.number))
        .where(schema_versions.c.type_slug == block_types.c.slug)
        .scalar_subquery()
    )
    return select(block_types, newest.label("version"))


def _find_current(connection: Connection, definition: TypeDefinition) -> SchemaVersion | None:
    """Return the version that `definition` is, if nothing at all would be written for it."""
    known = _find_facts(connection, definition)
    return (
        _find_version(connection, definition)
        if known == {**_facts(definition), "package": definition.package}
        else None
    )


def _find_facts(connection: Connection, definition: TypeDefinition) -> dict[str, Any] | None:
    """Return what is stored about the type. Raises `DuplicateBlockType` when it is another package's."""
    row = connection.execute(select(block_types).where(block_types.c.slug == definition.slug)).first()
    if row is None:
        return None
    if row.package not in {definition.package, LOCAL}:
        raise refusals.duplicate_type(definition.slug, row.package, definition.package)
    return {name: getattr(row, name) for name in (*_facts(definition), "package")}


def _find_version(connection: Connection, definition: TypeDefinition) -> SchemaVersion | None:
    row = connection.execute(
        select(schema_versions).where(
            schema_versions.c.type_slug == definition.slug, schema_versions.c.digest == definition.digest
        )
    ).first()
    return None if row is None else _schema_version(row)


def _facts(definition: TypeDefinition) -> dict[str, Any]:
    return {
        "title": definition.title,
        "description": definition.description,
        "icon": definition.icon,
        "docs": definition.docs,
        "kinds": list(definition.kinds),
        "form": dict(definition.form),
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


def _version_row(version: SchemaVersion) -> dict[str, Any]:
    return {
        "type_slug": version.type_slug,
        "number": version.number,
        "digest": version.digest,
        "schema": dict(version.schema),
        "secret_paths": list(version.secret_paths),
        "kinds": list(version.kinds),
        "package": version.package,
        "package_version": version.package_version,
        "created_at": version.created_at,
    }


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
    )
