"""Documents to blocks: one decrypted tree becomes one typed, validated block."""

import json
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from typecase.blocks.block_type import asked_for
from typecase.blocks.catalog import CATALOG
from typecase.blocks.dumping import BLOCK, TYPE, VERSION, unescape
from typecase.blocks.errors import InvalidBlock, KindMismatch, ReferenceCycle, ReferenceNotFound
from typecase.blocks.redaction import watch
from typecase.blocks.sanitizing import invalid_block
from typecase.blocks.stored import Origin, StoredBlock, Tree

if TYPE_CHECKING:
    from typecase.blocks.block import Block


class Loading:
    """The building of one tree. Passed to validators as their context; a document met twice is built once."""

    __slots__ = ("_built", "_registry", "_tree", "_under_way")

    def __init__(self, tree: Tree, registry: str) -> None:
        """Prepare to build the blocks of `tree`, which came from the registry at the URL `registry`."""
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
        try:
            block: Block = cls.__pydantic_validator__.validate_json(text, extra="ignore", by_name=True, context=self)
        except ValidationError as error:
            problem = _unreadable(cls, stored, error)
        else:
            origin = Origin(stored.document_id, stored.workspace, stored.name, stored.revision, self._registry)
            object.__setattr__(block, "_origin", origin)
            watch((stored.document_id, stored.revision), block)
            return block
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
    if isinstance(context, Loading):
        block = validator.validate_json(json.dumps(fields), extra="ignore", by_name=True, context=context)
    else:
        block = validator.validate_python(fields, context=context)
    return block


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


def _unreadable(cls: "type[Block]", stored: StoredBlock, error: ValidationError) -> InvalidBlock:
    hint = (
        f"It was saved with schema version {stored.schema_version} of {stored.package}: "
        f"run `typecase blocks edit {stored.name}`, or install a version of {stored.package} that reads it."
    )
    title = f"{stored.workspace}/{stored.name} ({stored.type_slug})"
    return invalid_block(cls, title, error, json.loads(stored.data), hint=hint)
