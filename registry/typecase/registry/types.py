"""Block types and their schema versions."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from typecase.blocks import refusals
from typecase.blocks.compatibility import Mode, Policy
from typecase.blocks.names import validate_name
from typecase.blocks.records import Page, SchemaVersion, TypeDefinition, TypeRecord
from typecase.blocks.registry import Types
from typecase.blocks.stored import UNSET, Unset
from typecase.blocks.verdicts import CompatibilityRule, Verdict
from typecase.registry.edge import guarded
from typecase.registry.rules import find_rule, judge_definition, set_rule
from typecase.registry.schemas import (
    find_current,
    find_newest,
    find_owner,
    find_type,
    find_types,
    find_version,
    find_versions,
    insert_version,
    write_facts,
)
from typecase.registry.stored_keys import require_open

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
    def register(self, definition: TypeDefinition, *, force: bool = False) -> SchemaVersion:
        """Store a block type if it is new and its schema if it is new and compatible."""
        key = (definition.slug, definition.digest, definition.package, definition.package_version)
        version = None if force else self._registered.get(key)
        if version is None:
            validate_name(definition.slug, "slug")
            version = self._store.read(lambda connection: find_current(connection, definition))
            if version is None:
                # Judged before the transaction that writes: others do not wait while schemas are compared.
                verdict = self._store.read(lambda connection: judge_definition(connection, definition))
                version = self._store.write(
                    lambda connection: self._register(connection, definition, verdict, force=force)
                )
            # A type that was handed over is no longer the other package's.
            for other in [item for item in self._registered if item[0] == definition.slug and item[2] != key[2]]:
                self._registered.pop(other, None)
            self._registered[key] = version
        return version

    @guarded
    def check(self, definition: TypeDefinition) -> Verdict:
        """Say what `register` would do, and write nothing."""
        validate_name(definition.slug, "slug")
        return self._store.read(lambda connection: judge_definition(connection, definition))

    @guarded
    def list(self, *, search: str = "", cursor: str | None = None, limit: int = 100) -> Page[TypeRecord]:
        """Return registered block types by slug."""
        return self._store.read(lambda connection: find_types(connection, search=search, cursor=cursor, limit=limit))

    @guarded
    def get(self, slug: str) -> TypeRecord:
        """Return one block type."""
        return self._store.read(lambda connection: find_type(connection, slug))

    @guarded
    def version(self, slug: str, number: int) -> SchemaVersion:
        """Return one schema version."""
        return self._store.read(lambda connection: self.schema(connection, slug, number))

    @guarded
    def versions(self, slug: str) -> tuple[SchemaVersion, ...]:
        """Return all schema versions of a type, oldest first."""

        def work(connection: Connection) -> tuple[SchemaVersion, ...]:
            find_type(connection, slug)
            return find_versions(connection, slug)

        return self._store.read(work)

    @guarded
    def compatibility(self, slug: str | None = None) -> CompatibilityRule:
        """Return the rule that holds for a type; None = for types without one of their own."""

        def work(connection: Connection) -> CompatibilityRule:
            if slug is not None:
                find_type(connection, slug)
            return find_rule(connection, slug)

        return self._store.read(work)

    @guarded
    def set_compatibility(
        self,
        mode: Mode | str | Unset | None = UNSET,
        policy: Policy | str | Unset | None = UNSET,
        *,
        slug: str | None = None,
    ) -> CompatibilityRule:
        """Change the rule of a type, or that of all types without one of their own; return what holds now."""

        def work(connection: Connection) -> CompatibilityRule:
            require_open(connection, self._keys)
            if slug is not None:
                find_type(connection, slug)
            return set_rule(connection, slug, mode, policy)

        return self._store.write(work)

    def schema(self, connection: Connection, slug: str, number: int | None) -> SchemaVersion:
        """Return a schema version inside a transaction, None = the newest. Raises `TypeNotRegistered`."""
        refusals.require_version(slug, number)
        if number is None:
            number = find_type(connection, slug).version
        version = self._versions.get((slug, number))
        if version is None:
            version = self._versions[slug, number] = find_version(connection, slug, number)
        return version

    def _register(
        self, connection: Connection, definition: TypeDefinition, verdict: Verdict, *, force: bool
    ) -> SchemaVersion:
        require_open(connection, self._keys)
        slug = definition.slug
        if (find_newest(connection, slug), find_owner(connection, slug)) != (verdict.newest, verdict.owner):
            verdict = judge_definition(connection, definition)
        if verdict.refused and not force:
            raise refusals.refused(verdict)
        now = datetime.now(UTC)
        write_facts(connection, definition, now, is_newest=verdict.number >= verdict.newest)
        if verdict.number <= verdict.newest:
            return self.schema(connection, definition.slug, verdict.number)
        version = SchemaVersion(
            type_slug=definition.slug,
            number=verdict.number,
            digest=definition.digest,
            schema=definition.schema,
            secret_paths=definition.secret_paths,
            kinds=definition.kinds,
            package=definition.package,
            package_version=definition.package_version,
            created_at=now,
            forced=verdict.breaks,
        )
        insert_version(connection, version)
        return version
