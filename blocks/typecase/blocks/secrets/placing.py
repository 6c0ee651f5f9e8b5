"""References in the data of a block: secrets become placeholders, other values are fetched or left for the load."""

import os
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from typecase.blocks.errors import InvalidBlock, SecretMalformed
from typecase.blocks.markers import BLOCK, TYPE
from typecase.blocks.secrets.annotations import (
    alternatives,
    below,
    field_named,
    held_by,
    held_inside,
    is_free,
    is_set,
    placeholder_of,
)
from typecase.blocks.secrets.placeholders import Referenced, ReferencedValue, Source, Unresolved, raw_of
from typecase.blocks.secrets.provenance import Place, Resolved, Steps, children_of, same_kind, value_at
from typecase.blocks.secrets.reference import SecretReference, is_reference
from typecase.blocks.secrets.validators import field_check, inner_check

if TYPE_CHECKING:
    from typecase.blocks.block import Block
    from typecase.blocks.secrets.sources import StoreSource

_LISTS: Final = (list, tuple, deque)
_CONTAINERS: Final = (*_LISTS, set, frozenset)


class _Whole(Exception):
    """A reference stands where no secret stands: its whole field has to wait."""


class _Wanted(NamedTuple):
    steps: Steps
    reference: SecretReference
    held: type


class _Hole:
    """Stands in data for a value that is being fetched."""

    def __init__(self, wanted: _Wanted) -> None:
        self.wanted = wanted
        self.value: Any = None


class Placing:
    """One pass over the data of one block. `tokens` are references that stand in JSON as texts.

    With `source` None nothing is fetched: fields that are no secrets get `Unresolved`. With `as_given` too, a field
    that holds references somewhere inside is taken as it is: its validators would ask for values.
    """

    def __init__(
        self,
        cls: "type[Block]",
        slots: dict[str, Any],
        *,
        source: "StoreSource | None" = None,
        bound: Source | None = None,
        tokens: Mapping[str, SecretReference] | None = None,
        as_given: bool = False,
    ) -> None:
        self.cls = cls
        self.as_given = as_given
        self.slots = slots
        self.source = source
        self.bound = bound or source
        self.tokens = tokens or {}
        self.holes: list[_Hole] = []
        self.root: SecretReference | None = None

    def place(self, given: Any) -> dict[str, Any]:
        """Return `given`, the fields of the block or one reference to all of them, ready for validation."""
        self.root = self._reference(given, (self.cls,))
        return self._whole(self.root) if self.root is not None else self._data(given)

    def _data(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return `given` ready for validation: fetched values in place, tokens for placeholders."""
        placed = {key: self._field(key, value) for key, value in given.items()}
        self._fetch()
        return {key: _filled(value) for key, value in placed.items()} if self.holes else placed

    def _whole(self, reference: SecretReference) -> dict[str, Any]:
        """Return the data of a block that is one reference to a JSON object. Raises `SecretMalformed`."""
        if self.source is None:
            return {name: self._token(Unresolved(reference.inside(name))) for name in self.cls.__pydantic_fields__}
        hole = _Hole(_Wanted((), reference, object))
        self.holes.append(hole)
        self._fetch()
        if not isinstance(hole.value, dict):
            message = f"The secret is no JSON object, so it is no {self.cls.__name__}."
            raise SecretMalformed(message, hint="Refer to it from one field, or store an object.", reason="no object")
        known: dict[str, Any] = {key: item for key, item in hole.value.items() if field_named(self.cls, key)}
        hole.value = known
        return known

    def resolved(self, block: "Block") -> Resolved | None:
        """Return what `block`, built from the data, must remember."""
        if self.root is not None and self.source is None:
            values = {name: value for name, value in vars(block).items() if isinstance(value, Referenced | Unresolved)}
            return Resolved(self.bound, (Place((), self.root, block, values),))
        if not self.holes:
            return None
        places = []
        for hole in self.holes:
            found = value_at(block, hole.wanted.steps)
            children = children_of(hole.value, found) if hole.wanted.held is object or not hole.wanted.steps else None
            places.append(Place(hole.wanted.steps, hole.wanted.reference, found, children))
        return Resolved(self.bound, tuple(places))

    def _field(self, key: str, value: Any) -> Any:
        name = field_named(self.cls, key)
        if name is None or not self._holds_reference(value):
            return value
        annotations = alternatives(self.cls.__pydantic_fields__[name].annotation)
        try:
            placed = self._place(value, annotations, (name,))
            return self._token(placed) if self.as_given and type(placed) is not str else placed
        except _Whole:
            return self._token(Unresolved(self._raw(value, annotations)))

    def _place(self, value: Any, annotations: tuple[Any, ...], steps: Steps) -> Any:
        reference = self._reference(value, annotations)
        if reference is not None:
            return self._put(reference, annotations, steps, value)
        if isinstance(value, Unresolved):
            return self._place(raw_of(value), annotations, steps)
        if isinstance(value, Mapping):
            if BLOCK in value or TYPE in value:
                return value
            return {key: self._place(item, below(annotations, key), (*steps, key)) for key, item in value.items()}
        if isinstance(value, _CONTAINERS) and self._holds_reference(value):
            if isinstance(value, set | frozenset) or is_set(annotations):
                problem = (".".join(map(str, steps)), "secret_in_set", "a set holds no references: use a list")
                raise InvalidBlock.build(self.cls.__name__, [problem])
            items = enumerate(value)
            return same_kind(value, [self._place(item, below(annotations, at), (*steps, at)) for at, item in items])
        return value

    def _put(self, reference: SecretReference, annotations: tuple[Any, ...], steps: Steps, value: Any) -> Any:
        kind = placeholder_of(annotations)
        if kind is not None:
            check = field_check(self.cls, str(steps[0])) if len(steps) == 1 else inner_check(annotations)
            bound = value.source if isinstance(value, Referenced) and value.source is not None else self.bound
            placeholder = kind(reference, bound, check, ".".join(map(str, steps)))
            if kind is ReferencedValue:
                placeholder.held = held_inside(annotations)
            return placeholder if self.as_given else self._token(placeholder)
        if self.source is None:
            raise _Whole
        hole = _Hole(_Wanted(steps, reference, held_by(annotations)))
        self.holes.append(hole)
        return hole

    def _reference(self, value: Any, annotations: tuple[Any, ...]) -> SecretReference | None:
        if isinstance(value, Referenced):
            return value.reference
        if isinstance(value, SecretReference):
            return value
        if type(value) is str:
            return self.tokens.get(value)
        if is_reference(value) and not is_free(annotations):
            return SecretReference.from_json(value)
        return None

    def _holds_reference(self, value: Any) -> bool:
        if isinstance(value, Referenced | Unresolved | SecretReference):
            return True
        if isinstance(value, str):
            return value in self.tokens
        if isinstance(value, Mapping):
            return is_reference(value) or any(map(self._holds_reference, value.values()))
        return isinstance(value, _CONTAINERS) and any(map(self._holds_reference, value))

    def _raw(self, value: Any, annotations: tuple[Any, ...]) -> Any:
        reference = self._reference(value, annotations)
        if reference is not None:
            return reference
        if isinstance(value, Unresolved):
            return raw_of(value)
        if isinstance(value, Mapping) and not (BLOCK in value or TYPE in value):
            return {key: self._raw(item, below(annotations, key)) for key, item in value.items()}
        if isinstance(value, _LISTS):
            return same_kind(value, [self._raw(item, below(annotations, at)) for at, item in enumerate(value)])
        return value

    def _token(self, placeholder: Any) -> str:
        token = new_token()
        self.slots[token] = placeholder
        return token

    def _fetch(self) -> None:
        if self.source is None or not self.holes:
            return
        wanted = [
            (hole.wanted.reference, hole.wanted.held, ".".join(map(str, hole.wanted.steps))) for hole in self.holes
        ]
        for hole, value in zip(self.holes, self.source.values(wanted), strict=True):
            hole.value = value


def new_token() -> str:
    """Return a text that no value is."""
    return f"\0secret:{os.urandom(12).hex()}"


def _filled(value: Any) -> Any:
    if isinstance(value, _Hole):
        return value.value
    if isinstance(value, dict):
        return {key: _filled(item) for key, item in value.items()}
    return same_kind(value, map(_filled, value)) if isinstance(value, _LISTS) else value
