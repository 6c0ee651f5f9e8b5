"""Documents to blocks: one decrypted tree becomes one typed, validated block."""

import json
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from typecase.blocks.block_type import asked_for
from typecase.blocks.catalog import CATALOG
from typecase.blocks.dumping import BLOCK, TYPE, VERSION, unescape
from typecase.blocks.errors import KindMismatch, MigrationFailed, ReferenceCycle, ReferenceNotFound
from typecase.blocks.redaction import watch
from typecase.blocks.stored import Origin, StoredBlock, Tree

if TYPE_CHECKING:
    from typecase.blocks.block import Block
    from typecase.blocks.registry import Registry


class Loading:
    """The building of one tree. Passed to validators as their context; a document met twice is built once."""

    __slots__ = ("_built", "_registry", "_tree", "_under_way")

    def __init__(self, tree: Tree, registry: "Registry") -> None:
        """Prepare to build the blocks of `tree`, which came from `registry`."""
        self._tree = tree
        self._registry = registry
        self._built: dict[str, Block] = {}
        self._under_way: set[str] = set()

    def root(self, wanted: "type[Block]") -> "Block":
        """Build the root as an instance of `wanted`. Raises `KindMismatch`, `InvalidBlock`, `BlockTypeNotFound`."""
        return self._build(self._tree.root, wanted)

    def reference(self, value: dict[str, Any], wanted: "type[Block]") -> "Block":
        """Answer a `{"$block": {"id": ...}}` met in a field of type `wanted`."""
        target = value[BLOCK]
        document_id = target.get("id") if isinstance(target, dict) else None
        stored = self._tree.referenced.get(document_id or "")
        if stored is None:
            message = f"{self._tree.root.name!r} refers to a document that no longer exists."
            raise ReferenceNotFound(message, hint="Save it again with another block in that field.")
        built = self._built.get(stored.document_id)
        if built is None:
            if stored.document_id in self._under_way:
                raise ReferenceCycle(f"{stored.name!r} refers to itself through others.")
            self._under_way.add(stored.document_id)
            try:
                built = self._built[stored.document_id] = self._build(stored, wanted)
            finally:
                self._under_way.discard(stored.document_id)
        check_type(built, stored, wanted)
        return built

    def _build(self, stored: StoredBlock, wanted: "type[Block]") -> "Block":
        cls = CATALOG.get(stored.type_slug, package=stored.package)
        if not issubclass(cls, wanted):
            raise _mismatch(stored, wanted)
        text = stored.data
        if b'"$$' in text:
            text = json.dumps(unescape(json.loads(text))).encode()
        block: Block | None
        try:
            block = cls.__pydantic_validator__.validate_json(text, extra="ignore", by_name=True, context=self)
        except ValidationError:
            block = None  # what follows must not carry this error, which shows values
        if block is None:
            block = self.rebuild(cls, stored)
        origin = Origin(stored.document_id, stored.workspace, stored.name, stored.revision, self._registry.url)
        object.__setattr__(block, "_origin", origin)
        watch((stored.document_id, stored.revision), block)
        return block

    def migrated(self, cls: "type[Block]", data: dict[str, Any], *, slug: str, version: int, place: str) -> Any:
        """Return `data`, saved as `slug` at schema `version`, as the migrations of `cls` leave it; None without any.

        Raises `MigrationFailed`.
        """
        from typecase.blocks.evolution import migrate
        from typecase.blocks.migrations import migrations_of

        if not migrations_of(cls, slug, version):
            return None
        return migrate(cls, data, slug=slug, version=version, place=place)

    def inline(self, cls: "type[Block]", value: dict[str, Any], fields: dict[str, Any]) -> "Block":
        """Build an inline block that `cls` did not accept as it is. Raises `ValidationError`."""
        try:
            return self._validated(cls, fields)
        except ValidationError as error:
            failed = error
        slug, version = value[TYPE], value.get(VERSION)
        reason, migrated = "", None
        try:
            if isinstance(version, int):
                migrated = self.migrated(cls, fields, slug=slug, version=version, place=f"A {slug!r} block inside")
        except MigrationFailed as error:
            reason = error.message
        if reason:
            raise PydanticCustomError("migration", "{reason}", {"reason": reason})
        if migrated is None:
            raise failed
        return self._validated(cls, migrated)

    def _validated(self, cls: "type[Block]", data: dict[str, Any]) -> "Block":
        from typecase.blocks.evolution import with_defaults

        text = json.dumps(with_defaults(cls, data))
        block: Block = cls.__pydantic_validator__.validate_json(text, extra="ignore", by_name=True, context=self)
        return block

    def rebuild(self, cls: "type[Block]", stored: StoredBlock) -> "Block":
        """Build a document that `cls` did not accept as it is. Raises `InvalidBlock`, `MigrationFailed`."""
        from typecase.blocks.evolution import unreadable
        from typecase.blocks.migrations import migrations_of

        slug, version = stored.type_slug, stored.schema_version
        data: Any = unescape(json.loads(stored.data))
        place = f"{stored.workspace}/{stored.name} ({slug})"
        ran: tuple[str, ...] = ()
        try:
            return self._validated(cls, data)
        except ValidationError as again:
            error = again
        migrated = self.migrated(cls, data, slug=slug, version=version, place=place)
        if migrated is not None:
            data, ran = migrated, tuple(step.name for step in migrations_of(cls, slug, version))
            try:
                return self._validated(cls, data)
            except ValidationError as again:
                error = again
        problem = unreadable(cls, stored, error, self._registry.types, data=data, ran=ran)
        # The chain of errors before would show values.
        raise problem


def inline(value: dict[str, Any], wanted: "type[Block]", context: Any) -> "Block":
    """Build the block that a `{"$type": slug, ...}` describes in a field of type `wanted`."""
    slug = value[TYPE]
    cls = CATALOG.get(slug) if isinstance(slug, str) else None
    if cls is None or not issubclass(cls, wanted):
        message = f"A {slug!r} block stands where {asked_for(wanted)} is needed."
        raise KindMismatch(message, hint="Put a block of the right kind there.")
    fields = {key: item for key, item in value.items() if key not in (TYPE, VERSION)}
    validator = cls.__pydantic_validator__
    block: Block
    if not isinstance(context, Loading):
        block = validator.validate_python(fields, context=context)
        return block
    try:
        block = validator.validate_json(json.dumps(fields), extra="ignore", by_name=True, context=context)
    except ValidationError:
        pass
    else:
        return block
    return context.inline(cls, value, fields)


def check_type(block: "Block", stored: StoredBlock, wanted: "type[Block]") -> None:
    """Raise `KindMismatch` unless `block` is a `wanted`."""
    if not isinstance(block, wanted):
        raise _mismatch(stored, wanted)


def _mismatch(stored: StoredBlock, wanted: "type[Block]") -> KindMismatch:
    return KindMismatch(
        f"{stored.workspace}/{stored.name} is a {stored.type_slug} block, not {asked_for(wanted)}.",
        hint="Load it as `Block`, or give the name of another document.",
        name=stored.name,
        type_slug=stored.type_slug,
    )
