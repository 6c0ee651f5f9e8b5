"""Where resolved values came from: so that saving a loaded block writes its references again, never their values."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from typecase.blocks.secrets.annotations import field_named
from typecase.blocks.secrets.placeholders import Referenced, Source, Unresolved
from typecase.blocks.secrets.reference import SecretReference

Steps = tuple[str | int, ...]

MISSING: Final = object()

_LISTS: Final = (list, tuple, deque)


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

    def standing(self, block: BaseModel) -> dict[Steps, SecretReference]:
        """Return the references whose values `block` still holds, by where they stand now."""
        found: dict[Steps, SecretReference] = {}
        moved = []
        for place in self.places:
            value = value_at(block, place.steps)
            children = place.children or {}
            if value == place.value if place.steps else _is_whole(block, children):
                found[place.steps] = place.reference
                continue
            kept = [key for key, item in children.items() if value_at(value, (key,)) == item]
            found.update({(*place.steps, key): place.reference.inside(key) for key in kept})
            if not kept:
                moved.append(place)
        for place in moved:
            steps = next((steps for steps in _elsewhere(block, place) if steps not in found), None)
            if steps is not None:
                found[steps] = place.reference
        return found

    def put_back(self, block: BaseModel, document: dict[str, Any]) -> dict[str, Any]:
        """Return `document`, dumped from `block`, with the reference wherever the value is what the store gave."""
        for steps, reference in self.standing(block).items():
            if not steps:
                return reference.to_json()
            _put(document, steps, reference)
        return document


def _elsewhere(block: BaseModel, place: Place) -> Iterator[Steps]:
    """Yield where the value of `place` stands by now in a list that other items were taken out of or put into."""
    for at, step in enumerate(place.steps):
        items = value_at(block, place.steps[:at]) if isinstance(step, int) else None
        if isinstance(items, _LISTS):
            ways = ((*place.steps[:at], index, *place.steps[at + 1 :]) for index in range(len(items)))
            yield from (steps for steps in ways if value_at(block, steps) == place.value)


def _is_whole(block: BaseModel, children: Mapping[str, Any]) -> bool:
    """Tell whether `block` still is what one reference gave, and otherwise its defaults."""
    names = {field_named(type(block), key): value for key, value in children.items()}
    return all(
        value
        == (names[name] if name in names else info.get_default(call_default_factory=True, validated_data=vars(block)))
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
        elif isinstance(value, _LISTS) and isinstance(step, int) and step < len(value):
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


def _put(document: Any, steps: Steps, reference: SecretReference) -> None:
    inside = document
    for step in steps[:-1]:
        inside = _enter(inside, step)
    last: Any = _key(steps[-1])
    if _holds(inside, last):
        inside[last] = reference.to_json()


def _enter(inside: Any, step: str | int) -> Any:
    key: Any = _key(step)
    return inside[key] if _holds(inside, key) else None


def _holds(inside: Any, key: Any) -> bool:
    if isinstance(inside, dict):
        return key in inside
    return isinstance(inside, list) and isinstance(key, int) and key < len(inside)


def _key(step: str | int) -> str | int:
    return f"${step}" if isinstance(step, str) and step.startswith("$") else step
