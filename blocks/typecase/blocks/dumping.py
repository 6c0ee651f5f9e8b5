"""Blocks to documents: JSON with secrets in clear, for the registry's cipher and nobody else."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_jsonable_python

from typecase.blocks.block_type import type_of
from typecase.blocks.errors import InvalidBlock
from typecase.blocks.markers import BLOCK, TYPE, VERSION
from typecase.blocks.secrets.placeholders import Referenced, Unresolved, raw_of
from typecase.blocks.secrets.reference import SecretReference, is_reference
from typecase.blocks.stored import Origin

if TYPE_CHECKING:
    from typecase.blocks.block import Block

_PLAIN: Final = (str, bool, int, float)
_LISTS: Final = (list, tuple, set, frozenset, deque)


class Nested:
    """A block met inside another while dumping; keeps pydantic from flattening it."""

    __slots__ = ("block",)

    def __init__(self, block: "Block") -> None:
        """Hold `block`."""
        self.block = block


class Dump:
    """One pass over a block. `version_of` numbers the schema of each unsaved block met inside."""

    def __init__(self, root: "Block", version_of: "Callable[[type[Block]], int]") -> None:
        """Prepare to dump `root`."""
        self.root = root
        self.version_of = version_of

    def document(self) -> dict[str, Any]:
        """Return `root` as a JSON object.

        A saved block in a field becomes `{"$block": {"id": ...}}`, an unsaved one `{"$type": slug, ...}`.
        """
        return self._fields(self.root)

    def value(self, value: Any, path: str) -> Any:
        """Return one value, which stands at `path`, as JSON."""
        return self._json(value, path)

    def serialize(self, block: "Block | Unresolved", handler: Any) -> Any:
        """Answer pydantic's serializer: fields for the root, a placeholder for every other block."""
        if isinstance(block, Unresolved):
            return block
        return handler(block) if block is self.root else Nested(block)

    def _fields(self, block: "Block") -> dict[str, Any]:
        outer, self.root = self.root, block
        try:
            raw = block.__pydantic_serializer__.to_python(
                block,
                mode="python",
                by_alias=False,
                context=self,
                exclude_computed_fields=True,
                warnings=not any(isinstance(value, Unresolved) for value in vars(block).values()),
            )
            document = {name: self._json(value, name) for name, value in raw.items()}
            resolved = getattr(block, "_resolved", None)
            return document if resolved is None else resolved.put_back(block, document)
        finally:
            self.root = outer

    def _json(self, value: Any, path: str) -> Any:
        result: Any
        if value is None or type(value) in _PLAIN:
            result = value
        elif isinstance(value, SecretReference):
            result = value.to_json()
        elif isinstance(value, Referenced):
            result = value.reference.to_json()
        elif isinstance(value, Unresolved):
            result = self._json(raw_of(value), path)
        elif isinstance(value, Mapping):
            result = {_key(key): self._json(item, f"{path}.{key}") for key, item in value.items()}
        elif isinstance(value, _LISTS):
            result = [self._json(item, f"{path}.{index}") for index, item in enumerate(value)]
        elif isinstance(value, Nested):
            result = self._nested(value.block, path)
        elif is_secret(value):
            result = self._json(value.get_secret_value(), path)
        elif (serializer := getattr(type(value), "__pydantic_serializer__", None)) is not None:
            result = self._json(serializer.to_python(value, mode="python", context=self), path)
        else:
            result = _leaf(value, path)
        return result

    def _nested(self, block: "Block", path: str) -> dict[str, Any]:
        origin = origin_of(block)
        if origin is not None:
            return {BLOCK: {"id": origin.document_id}}
        cls, fields = type(block), self._fields(block)
        if is_reference(fields):
            problem = (path, "secret", f"this {cls.__name__} is one reference to a secret, which has no type")
            hint = "Save it first, or write `secret(store, key)` in its place."
            raise InvalidBlock.build("This block", [problem], hint=hint)
        return {TYPE: type_of(cls).slug, VERSION: self.version_of(cls), **fields}


def origin_of(block: "Block") -> Origin | None:
    """Return where `block` was loaded from or saved to, None for a block that is in no registry."""
    return getattr(block, "_origin", None)


def holds_literal_secret(value: Any) -> bool:
    """Tell whether `value` holds a secret at any depth, other than inside saved blocks. A reference is none."""
    if isinstance(value, Referenced | SecretReference):
        return False
    if isinstance(value, Unresolved):
        return not isinstance(raw_of(value), SecretReference)
    if is_secret(value) or (isinstance(value, BaseModel) and _is_fetched(value)):
        return True
    inner: Iterable[Any] = ()
    if isinstance(value, BaseModel):
        if getattr(value, "_origin", None) is None:
            private = getattr(value, "__pydantic_private__", None) or {}
            inner = (*(item for _, item in value), *private.values())
    elif isinstance(value, Mapping):
        inner = (*value.keys(), *value.values())
    elif isinstance(value, _LISTS):
        inner = value
    elif is_dataclass(value) and not isinstance(value, type):
        inner = vars(value).values() if hasattr(value, "__dict__") else _slots(value)
    return any(holds_literal_secret(item) for item in inner)


def _is_fetched(value: BaseModel) -> bool:
    """Tell whether the fields of an unsaved block hold values that came from a store."""
    resolved = getattr(value, "_resolved", None)
    return resolved is not None and resolved.source is not None and getattr(value, "_origin", None) is None


def is_secret(value: Any) -> bool:
    """Tell whether `value` is a pydantic secret of any type."""
    return hasattr(value, "get_secret_value")


def unescape(value: Any) -> Any:
    """Undo the doubling of `$` with which plain dict keys are kept apart from references."""
    if isinstance(value, dict):
        return {key[1:] if key.startswith("$$") else key: unescape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unescape(item) for item in value]
    return value


def _slots(value: Any) -> Iterator[Any]:
    return (getattr(value, item.name, None) for item in fields(value))


def _key(key: Any) -> str:
    text = key if type(key) is str else next(_keys(key))
    return "$" + text if text.startswith("$") else text


def _keys(key: Any) -> Iterator[str]:
    yield from to_jsonable_python({key: None}, bytes_mode="base64", inf_nan_mode="constants")


def _leaf(value: Any, path: str) -> Any:
    if isinstance(value, PurePath):
        return str(value)
    try:
        return to_jsonable_python(value, bytes_mode="base64", inf_nan_mode="constants")
    except PydanticSerializationError:
        text = f"a value of type {type(value).__name__} has no JSON form"
        raise InvalidBlock.build("This block", [(path, "not_serializable", text)]) from None
