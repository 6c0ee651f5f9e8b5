"""The block type behind a form: from the installed class, or as the registry remembers it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretBytes, ValidationError

from typecase.blocks.catalog import CATALOG
from typecase.blocks.errors import BlockTypeNotFound, InvalidBlock, TypeNotRegistered
from typecase.blocks.loading import Loading
from typecase.blocks.markers import BLOCK, TYPE, VERSION
from typecase.blocks.sanitizing import invalid_block
from typecase.blocks.secrets.building import tokenized
from typecase.blocks.secrets.reference import SecretReference, is_reference
from typecase.blocks.secrets.referring import loaded
from typecase.blocks.stored import StoredBlock, Tree
from typecase.registry.cli.places import Place

if TYPE_CHECKING:
    from typecase.blocks.block import Block
    from typecase.blocks.registry import Registry


@dataclass(frozen=True)
class BlockForm:
    """A block type with its form. `cls` is None where its package is not installed, `version` where it is."""

    slug: str
    schema: Mapping[str, Any]
    cls: "type[Block] | None"
    version: int | None

    @cached_property
    def place(self) -> Place:
        """The form as a place."""
        return Place(self.schema, self.schema)

    def is_bytes(self, path: str) -> bool:
        """Tell whether the value at a dotted `path` is bytes, which JSON carries in base64."""
        cls: Any = self.cls
        annotation: Any = None
        for step in path.split("."):
            found = getattr(cls, "__pydantic_fields__", {}).get(step)
            if found is None:
                return False
            annotation = found.annotation
            cls = next(
                (item for item in _parts(annotation) if isinstance(item, type) and issubclass(item, BaseModel)), None
            )
        return any(isinstance(item, type) and issubclass(item, bytes | SecretBytes) for item in _parts(annotation))


def find_form(slug: str, registry: "Registry") -> BlockForm:
    """Return the form of the block type `slug`. Raises `BlockTypeNotFound`, `BrokenPlugin`."""
    from typecase.blocks.schema import definition_of

    missing: BlockTypeNotFound | None = None
    try:
        cls = CATALOG.get(slug)
    except BlockTypeNotFound as error:
        missing = error
    else:
        return BlockForm(slug, definition_of(cls).form, cls, None)
    try:
        record = registry.types.get(slug)
    except TypeNotRegistered:
        raise missing from None
    return BlockForm(slug, record.form, None, record.version)


class Builder:
    """Makes a validated block of a class from JSON in which references stand as names or ids."""

    def __init__(self, registry: "Registry", workspace: str, *, known: Mapping[str, Any] | None = None) -> None:
        """Look names up in `workspace`; `known` maps the JSON of a reference to the id that it had before."""
        self._registry = registry
        self._workspace = workspace
        self._known = known or {}
        self._referenced: dict[str, StoredBlock] = {}

    def build(self, form: BlockForm, data: Mapping[str, Any]) -> "Block":
        """Return the block. Raises `InvalidBlock`, `DocumentNotFound` for a reference, `KindMismatch`."""
        assert form.cls is not None  # noqa: S101 - for the type checker; callers ask first
        resolved = self.resolve(form.place, data)
        root = StoredBlock("", self._workspace, form.slug, form.slug, 0, 0, "", b"")
        context = Loading(Tree(root, self._referenced), self._registry, fetches=False)
        placed = tokenized(resolved, context.tokens, str)
        problem: InvalidBlock
        try:
            if context.tokens:
                return loaded(form.cls, placed, context)
            block: Block = form.cls.__pydantic_validator__.validate_json(_dump(resolved), by_name=True, context=context)
        except ValidationError as error:
            problem = invalid_block(form.cls, form.slug, error, resolved)
        else:
            return block
        raise problem

    def resolve(self, place: Place | None, value: Any, *, escape: bool = False) -> Any:
        """Return `value` with references by id; `escape` doubles the `$` of other keys, as registries store them."""
        if is_reference(value):
            return SecretReference.from_json(value).to_json()
        if isinstance(value, Mapping):
            if place is not None and place.block and BLOCK in value:
                return {BLOCK: {"id": self._id(value[BLOCK])}}
            inline = place is not None and place.block and TYPE in value
            return {
                _key(key, escape=escape and not (inline and key in (TYPE, VERSION))): self.resolve(
                    _below(place, key), item, escape=escape
                )
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self.resolve(_below(place, str(index)), item, escape=escape) for index, item in enumerate(value)]
        return value

    def _id(self, target: Any) -> str:
        target = self._known.get(_text(target), target)
        if isinstance(target, Mapping) and "id" in target:
            tree = self._registry.load_id(str(target["id"]))
        elif isinstance(target, Mapping):
            workspace = str(target.get("workspace", self._workspace))
            tree = self._registry.load(str(target.get("name", "")), workspace=workspace)
        else:
            slug, _, name = str(target).rpartition("/")
            tree = self._registry.load(name, workspace=self._workspace)
            if slug and slug != tree.root.type_slug:
                raise InvalidBlock.build(str(target), [("", "type", f"is a {tree.root.type_slug} block")])
        self._referenced.update(tree.referenced)
        self._referenced[tree.root.document_id] = tree.root
        return tree.root.document_id


def known_references(shown: Any, stored: Any) -> dict[str, Any]:
    """Map each reference as it is `shown` to how it is `stored`: two views of one document, walked side by side."""
    if isinstance(shown, Mapping) and isinstance(stored, Mapping):
        if BLOCK in shown and BLOCK in stored:
            return {_text(shown[BLOCK]): stored[BLOCK]}
        pairs = [(shown[key], stored[key]) for key in shown if key in stored]
    elif isinstance(shown, list) and isinstance(stored, list):
        pairs = list(zip(shown, stored, strict=False))
    else:
        return {}
    return {text: target for before, after in pairs for text, target in known_references(before, after).items()}


def _below(place: Place | None, step: str) -> Place | None:
    return place.below(step) if place is not None else None


def _key(key: str, *, escape: bool) -> str:
    return f"${key}" if escape and key.startswith("$") else key


def _text(target: Any) -> str:
    import json

    return json.dumps(target, sort_keys=True)


def _dump(value: Any) -> str:
    import json

    return json.dumps(value)


def _parts(annotation: Any) -> list[Any]:
    from typing import get_args

    return [annotation, *(part for argument in get_args(annotation) for part in _parts(argument))]
