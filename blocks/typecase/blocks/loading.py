"""Documents to blocks: one decrypted tree becomes one typed, validated block."""

import json
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from typecase.blocks.block_type import asked_for
from typecase.blocks.catalog import CATALOG
from typecase.blocks.dumping import unescape
from typecase.blocks.errors import KindMismatch, MigrationFailed, ReferenceCycle, ReferenceNotFound, TypecaseError
from typecase.blocks.markers import BLOCK, TYPE, VERSION
from typecase.blocks.redaction import watch
from typecase.blocks.secrets.referring import MARK, holds_references, loaded, validated
from typecase.blocks.stored import Origin, StoredBlock, Tree

if TYPE_CHECKING:
    from typecase.blocks.block import Block
    from typecase.blocks.registry import Registry
    from typecase.blocks.secrets.reference import SecretReference
    from typecase.blocks.secrets.sources import StoreSource

_FETCHED: Final = "\0fetched"


class Loading:
    """The building of one tree. Passed to validators as their context; a document met twice is built once."""

    __slots__ = (
        "_built",
        "_registry",
        "_tree",
        "_under_way",
        "failure",
        "fetched",
        "fetches",
        "slots",
        "source",
        "tokens",
        "unfit",
    )

    def __init__(self, tree: Tree, registry: "Registry", *, fetches: bool = True) -> None:
        """Prepare to build the blocks of `tree`, which came from `registry`.

        Without `fetches` no secret store is asked: fields that refer to one are left unresolved.
        """
        self._tree = tree
        self._registry = registry
        self.fetches = fetches
        #: References by the texts that stand for them in JSON, and what stands for them in blocks.
        self.tokens: dict[str, SecretReference] = {}
        self.slots: dict[str, Any] = {}
        self.source: StoreSource | None = None
        self.failure: TypecaseError | None = None
        #: What was fetched and then refused, and the error about it where nothing else was.
        self.fetched: list[Any] = []
        self.unfit: TypecaseError | None = None
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
        block: Block | None
        if MARK in text:
            block = self._build_referring(cls, stored)
        else:
            if b'"$$' in text:
                text = json.dumps(unescape(json.loads(text))).encode()
            try:
                block = cls.__pydantic_validator__.validate_json(text, extra="ignore", by_name=True, context=self)
            except ValidationError:
                block = None  # what follows must not carry this error, which shows values
            if block is None:
                block = self.rebuild(cls, stored, unescape(json.loads(stored.data)))
        origin = Origin(stored.document_id, stored.workspace, stored.name, stored.revision, self._registry.url)
        object.__setattr__(block, "_origin", origin)
        watch((stored.document_id, stored.revision), block)
        return block

    def _build_referring(self, cls: "type[Block]", stored: StoredBlock) -> "Block":
        """Build a document that refers to secrets. Raises `SecretError`."""
        from typecase.blocks.secrets.building import tokenized
        from typecase.blocks.secrets.moments import one_moment
        from typecase.blocks.secrets.sources import StoreSource

        data: Any = unescape(tokenized(json.loads(stored.data), self.tokens, self._store_name))
        outer, path = self.source, frozenset({*self._under_way, stored.document_id})
        self.source = StoreSource(
            self._registry,
            stored.workspace,
            asker=f"{stored.workspace}/{stored.name}",
            store_of=lambda document_id, kind: self._store(document_id, kind, path),
        )
        try:
            # However often the document is tried, each secret is asked for once.
            with one_moment():
                return self._attempt(cls, data) or self.rebuild(cls, stored, data)
        finally:
            self.source = outer

    def _store(self, document_id: str, kind: "type[Block]", path: frozenset[str]) -> "Block":
        """Build the store that a document at the end of `path` refers to, by itself: any thread may ask at any time."""
        apart = Loading(self._tree, self._registry)
        apart._under_way = set(path)
        return apart.reference({BLOCK: {"id": document_id}}, kind)

    def _attempt(self, cls: "type[Block]", data: Any) -> "Block | None":
        try:
            return loaded(cls, data, self)
        except ValidationError:
            return None

    def _store_name(self, document_id: str) -> str:
        stored = self._tree.referenced.get(document_id)
        return stored.name if stored is not None else document_id

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

    def _validated(self, cls: "type[Block]", data: Any) -> "Block":
        from typecase.blocks.evolution import with_defaults

        if self.tokens:
            return loaded(cls, data if isinstance(data, str) else with_defaults(cls, data), self)
        text = json.dumps(with_defaults(cls, data))
        block: Block = cls.__pydantic_validator__.validate_json(text, extra="ignore", by_name=True, context=self)
        return block

    def rebuild(self, cls: "type[Block]", stored: StoredBlock, data: Any) -> "Block":
        """Build a document that `cls` did not accept as it is. Raises `InvalidBlock`, `MigrationFailed`."""
        from typecase.blocks.evolution import unreadable
        from typecase.blocks.migrations import migrations_of

        if self.failure is not None:
            raise self.failure
        slug, version = stored.type_slug, stored.schema_version
        place = f"{stored.workspace}/{stored.name} ({slug})"
        ran: tuple[str, ...] = ()
        try:
            return self._validated(cls, data)
        except ValidationError as again:
            error = again
        migrated = None
        if isinstance(data, dict):
            migrated = self.migrated(cls, data, slug=slug, version=version, place=place)
        if migrated is not None:
            data, ran = migrated, tuple(step.name for step in migrations_of(cls, slug, version))
            try:
                return self._validated(cls, data)
            except ValidationError as again:
                error = again
        problem = self.unfit
        if problem is None:
            given = {**data, _FETCHED: self.fetched} if self.fetched and isinstance(data, dict) else data
            problem = unreadable(cls, stored, error, self._registry.types, data=given, ran=ran)
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
        block = (
            validated(cls, fields) if holds_references(fields) else validator.validate_python(fields, context=context)
        )
        return block
    try:
        if context.tokens:
            return loaded(cls, fields, context)
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
