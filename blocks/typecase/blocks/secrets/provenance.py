"""Where resolved values came from: so that saving a loaded block writes its references again, never their values."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from typecase.blocks.secrets.annotations import field_named
from typecase.blocks.secrets.placeholders import Referenced, Source, Unresolved
from typecase.blocks.secrets.reference import SecretReference

Steps = tuple[str | int, ...]

MISSING: Final = object()


class Place(NamedTuple):
    """One value that came from a store: where it stands, and what it was.

    `children` are the values inside it by key, where the reference led to a whole object.
    """

    steps: Steps
    reference: SecretReference
    value: Any
    children: Mapping[str, Any] | None = None


class Resolved(NamedTuple):
    """What a block had resolved when it was loaded, and what resolves it again."""

    source: Source | None
    places: tuple[Place, ...]

    def put_back(self, block: BaseModel, document: dict[str, Any]) -> dict[str, Any]:
        """Return `document`, dumped from `block`, with the reference wherever the value is what the store gave."""
        for place in self.places:
            if place.steps:
                _put(document, place, value_at(block, place.steps))
            elif _is_whole(block, place.children or {}):
                return place.reference.to_json()
            else:
                _put_children(document, place, block)
        return document


def _is_whole(block: BaseModel, children: Mapping[str, Any]) -> bool:
    """Tell whether `block` still is what one reference gave, and otherwise its defaults."""
    names = {field_named(type(block), key): value for key, value in children.items()}
    return all(
        value == (names[name] if name in names else info.get_default(call_default_factory=True))
        for name, info in type(block).__pydantic_fields__.items()
        for value in (vars(block).get(name, MISSING),)
    )


def children_of(data: Any, found: Any) -> dict[str, Any] | None:
    """Return the values in `found` that the keys of the JSON object `data` became, None for anything else."""
    if not isinstance(data, Mapping):
        return None
    values = {str(key): value_at(found, (str(key),)) for key in data}
    return {key: value for key, value in values.items() if value is not MISSING}


def value_at(value: Any, steps: Steps) -> Any:
    """Return what stands at `steps` inside models, mappings and lists; `MISSING` where there is nothing."""
    for step in steps:
        if isinstance(value, Unresolved | Referenced):
            return MISSING
        if hasattr(value, "get_secret_value"):
            value = value.get_secret_value()
        if isinstance(value, BaseModel):
            name = field_named(type(value), str(step))
            value = vars(value).get(name, MISSING) if name is not None else MISSING
        elif isinstance(value, Mapping):
            value = value.get(step, MISSING)
        elif isinstance(value, list | tuple | deque) and isinstance(step, int) and step < len(value):
            value = value[step]
        elif is_dataclass(value):
            value = getattr(value, str(step), MISSING)
        else:
            return MISSING
    return value


def same_kind(value: Any, items: Iterable[Any]) -> Any:
    """Return a list, tuple or deque like `value` of other `items`."""
    kind: Any = type(value)
    return kind._make(items) if hasattr(kind, "_make") else kind(items)


def _put(document: Any, place: Place, found: Any) -> None:
    inside = document
    for step in place.steps[:-1]:
        inside = _enter(inside, step)
    last: Any = _key(place.steps[-1])
    if not _holds(inside, last):
        return
    if found == place.value:
        inside[last] = place.reference.to_json()
    elif place.children:
        _put_children(inside[last], place, found)


def _put_children(inside: Any, place: Place, found: Any) -> None:
    for key, value in (place.children or {}).items():
        if _holds(inside, _key(key)) and value_at(found, (key,)) == value:
            inside[_key(key)] = place.reference.inside(key).to_json()


def _enter(inside: Any, step: str | int) -> Any:
    key: Any = _key(step)
    return inside[key] if _holds(inside, key) else None


def _holds(inside: Any, key: Any) -> bool:
    if isinstance(inside, dict):
        return key in inside
    return isinstance(inside, list) and isinstance(key, int) and key < len(inside)


def _key(step: str | int) -> str | int:
    return f"${step}" if isinstance(step, str) and step.startswith("$") else step
