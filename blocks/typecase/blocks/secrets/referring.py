"""Blocks whose fields refer to secrets: built without fetching, loaded, refreshed, shown without values."""

import copy
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, SecretBytes, SecretStr

from typecase.blocks.markers import SECRET
from typecase.blocks.secrets.placeholders import Referenced, ReferencedBytes, Unresolved
from typecase.blocks.secrets.reference import SecretReference, is_reference

if TYPE_CHECKING:
    from pydantic import SerializationInfo

    from typecase.blocks.block import Block
    from typecase.blocks.loading import Loading

B = TypeVar("B", bound="Block")

#: Bytes that a stored document with a reference holds; plain keys have their `$` doubled.
MARK: Final = f'"{SECRET}"'.encode()

_CONTAINERS: Final = (list, tuple, set, frozenset, deque)
_HIDDEN: Final = "**********"


def holds_references(data: Any) -> bool:
    """Tell whether Python `data` for a block holds a reference, or a placeholder for one."""
    if isinstance(data, Referenced | Unresolved | SecretReference):
        return True
    if isinstance(data, Mapping):
        return is_reference(data) or any(map(holds_references, data.values()))
    return isinstance(data, _CONTAINERS) and any(map(holds_references, data))


def may_refer(text: str | bytes | bytearray) -> bool:
    """Tell whether the JSON `text` may hold a reference."""
    return (MARK.decode() if isinstance(text, str) else MARK) in text  # type: ignore[operator] # alike on both sides


def initialize(block: "Block", data: Mapping[str, Any]) -> None:
    """Do what `Block.__init__` does with `data` that holds references, and fetch nothing."""
    from typecase.blocks.secrets.building import build

    build(
        type(block),
        data,
        lambda validator, placed, context: validator.validate_python(placed, self_instance=block, context=context),
    )


def validated(cls: type[B], data: Any, *, is_json: bool = False) -> B:
    """Return the block that `data` with references describes, and fetch nothing."""
    from typecase.blocks.secrets.building import build

    def validate(validator: Any, placed: Any, context: Any) -> Any:
        if is_json:
            return validator.validate_json(json.dumps(placed), context=context)
        return validator.validate_python(placed, context=context)

    return build(cls, data, validate)


def loaded(cls: type[B], data: Any, loading: "Loading") -> B:
    """Return the block that the JSON `data`, whose references `loading` knows, describes. Raises `SecretError`."""
    from typecase.blocks.secrets.building import place

    return place(cls, data, loading)


def refreshed(block: B) -> B:
    """Return `block` with what it refers to as it is now; see `Block.refreshed`."""
    if not _may_change(block):
        return block
    from typecase.blocks.secrets.building import replaced

    return replaced(block)


def copy_resolved(source: "Block", copied: "Block") -> None:
    """Let `copied` remember what `source` had resolved."""
    resolved = getattr(source, "_resolved", None)
    if resolved is not None:
        object.__setattr__(copied, "_resolved", resolved)


def without_references(value: Any) -> Any:
    """Return `value` with a constant in place of each secret that would have to be fetched, itself if there is none."""
    found: Any = value
    if isinstance(value, Referenced):
        found = SecretBytes(_HIDDEN.encode()) if isinstance(value, ReferencedBytes) else SecretStr(_HIDDEN)
    elif isinstance(value, BaseModel):
        fields = {name: without_references(item) for name, item in vars(value).items()}
        if any(fields[name] is not item for name, item in vars(value).items()):
            found = value.__copy__()
            vars(found).update(fields)
    elif isinstance(value, Mapping):
        items = {key: without_references(item) for key, item in value.items()}
        found = items if any(items[key] is not item for key, item in value.items()) else value
    elif is_dataclass(value) and not isinstance(value, type):
        parts = {part.name: getattr(value, part.name, None) for part in dataclass_fields(value)}
        changed = {name: new for name, item in parts.items() if (new := without_references(item)) is not item}
        found = copy.copy(value) if changed else value
        for name, new in changed.items():
            object.__setattr__(found, name, new)
    elif isinstance(value, _CONTAINERS):
        members = [without_references(item) for item in value]
        is_same = all(new is old for new, old in zip(members, value, strict=True))
        kind: Any = type(value)
        found = value if is_same else getattr(kind, "_make", kind)(members)
    return found


def serialized(block: "Block", handler: Callable[[Any], Any], info: "SerializationInfo") -> Any:
    """Answer pydantic's serializer for `block`, whose references it must neither follow nor complain about."""
    is_json = info.mode == "json"
    shown = without_references(block) if is_json else block
    waiting = {name: value for name, value in vars(block).items() if isinstance(value, Unresolved)}
    if not waiting:
        return handler(shown)
    if shown is block:
        shown = block.__copy__()
    for name in waiting:
        del vars(shown)[name]
    found = handler(shown)
    fields = type(block).__pydantic_fields__
    for name, value in waiting.items():
        is_wanted = info.include is None or name in info.include
        if is_wanted and not (info.exclude is not None and name in info.exclude):
            found[(fields[name].serialization_alias if info.by_alias else None) or name] = _HIDDEN if is_json else value
    return found


def _may_change(value: Any) -> bool:
    if isinstance(value, Unresolved):
        return True
    if isinstance(value, BaseModel):
        return getattr(value, "_resolved", None) is not None or any(map(_may_change, vars(value).values()))
    if isinstance(value, Mapping):
        return any(map(_may_change, value.values()))
    return isinstance(value, _CONTAINERS) and any(map(_may_change, value))
