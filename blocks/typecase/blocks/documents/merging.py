"""What a form sends, put into the document that it was made from: omitted = kept, null = cleared, value = replaced."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from typecase.blocks.documents.editing import ITEM, SECRET_ITEM
from typecase.blocks.documents.masking import Node, Schema, SchemaOf
from typecase.blocks.documents.shapes import allows_null, alternative, chosen, default_tag, fixed_items
from typecase.blocks.errors import InvalidDocument, TypecaseError
from typecase.blocks.markers import BLOCK, SECRET, TYPE, VERSION
from typecase.blocks.secrets.reference import is_reference

_NEWEST_NUMBER: Final = 2**31 - 1


def merge_document(
    stored: Mapping[str, Any],
    change: Mapping[str, Any],
    *schemas: Schema,
    schema_of: SchemaOf,
    former: Schema | None = None,
) -> dict[str, Any]:
    """Return `stored`, which has its secrets in clear, with `change`, which may send masks back.

    A key that `change` omits is kept, null clears it, a value replaces it, at every depth of objects and maps. A list
    is what `change` says, in its order: an item with a place (see `editable_document`) is merged with the stored item
    of that place, any other is new. A mask keeps what stands in its place, and what is kept stays in its place: where
    the type of an inline block or the alternative of a union changes, everything below is new.

    The result is written with the first of `schemas`; what any of them calls a secret is one. `former` is the schema
    that `stored` was written with, where it is another one.

    Raises `InvalidDocument`; its problems name paths, never values.
    """
    every = [*schemas, former] if former is not None else [*schemas]
    known, shown, shape = (Node([(item, item) for item in part], schema_of) for part in (every, schemas, schemas[:1]))
    merging = _Merging(schema_of)
    merged = merging.document(stored, change, _Place("", known, shown, shape))
    if merging.problems:
        lines = "".join(f"\n  {path or '(document)'}: {text}" for path, _, text in merging.problems)
        raise InvalidDocument(
            f"What was sent does not go with the document:{lines}",
            hint="\nGet the form again, and send back what it shows.",
            problems=tuple(merging.problems),
        )
    return merged


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in the stored document and in the result.

    `known`: what is a secret in the stored one. `shown`: what is a secret to those who read the result. `shape`: the
    schema that the result is written with.
    """

    path: str
    known: Node
    shown: Node
    shape: Node

    def below(self, step: str, *, stored: str | None = None) -> "_Place":
        """Return the place under `step`, which was `stored` before."""
        path = f"{self.path}.{step}" if self.path else step
        return _Place(path, self.known.below(stored or step), self.shown.below(step), self.shape.below(step))


class _Merging:
    """One pass over a document and its change. Collects all problems."""

    def __init__(self, schema_of: SchemaOf) -> None:
        self.problems: list[tuple[str, str, str]] = []
        self._schema_of = schema_of

    def document(self, stored: Mapping[str, Any], change: Mapping[str, Any], place: _Place) -> dict[str, Any]:
        """Return the whole document afterwards."""
        if change.keys() & {BLOCK, TYPE, VERSION}:
            self._refuse("", "type", "a document is neither another one nor an inline block")
            return {}
        return dict(self.value(stored, change, place) or {})

    def value(self, stored: Any, change: Any, place: _Place, *, depth: int = 0) -> Any:
        """Return what stands at `place` afterwards. `stored` None = nothing. `depth` counts the lists around a list."""
        if isinstance(change, Mapping) and ITEM in change:
            self._refuse(place.path, "item", f"{ITEM!r} stands in objects of lists only")
            return None
        if _is_mask(change):
            return self._unmasked(stored, change, place)
        # What cannot be looked into is replaced as a whole: a secret with structure, a reference.
        opaque = place.known.secret or is_reference(stored)
        if isinstance(change, Mapping) and not is_reference(change) and BLOCK not in change:
            if not change and isinstance(stored, Mapping) and not place.known.secret:
                return self._kept(stored, place)
            open_object = isinstance(stored, Mapping) and not opaque and BLOCK not in stored
            return self._object(stored if open_object else {}, change, place)
        if isinstance(change, list | tuple):
            return self._list(stored if isinstance(stored, list) and not opaque else [], change, place, depth)
        return change

    def _object(self, stored: Mapping[str, Any], change: Mapping[str, Any], place: _Place) -> dict[str, Any]:
        stored, merged = self._typed(stored, change, place.path)
        place = self._entered(stored, merged, place)
        sent = _sent(stored, change)
        number = alternative(place.shape, sent)
        if stored and number != alternative(place.shape, stored):
            stored = {}
        found, union = chosen(place.shape, number), place.shape
        if found is not None:
            place = replace(place, shape=Node([found], self._schema_of))
        schema = {} if found is None else found[0]
        for key in (key for key in {**stored, **change} if key not in {TYPE, VERSION}):
            below = place.below(key)
            before = stored.get(key)
            if key not in change:
                merged[key] = self._kept(before, below)
            elif change[key] is not None:
                merged[key] = self.value(before, change[key], below)
            elif (key in stored and before is None) or _may_be_null(schema, key, before, below.shape):
                merged[key] = None
            elif key in schema.get("required", ()):
                self._refuse(below.path, "required", "is required and cannot be cleared")
            elif (tag := default_tag(union, number, key)) is not None:
                merged[key] = tag
        return merged

    def _typed(
        self, stored: Mapping[str, Any], change: Mapping[str, Any], path: str
    ) -> tuple[Mapping[str, Any], dict[str, Any]]:
        """Return what of `stored` stays, and the result's own type where it is an inline block."""
        slug, version = change.get(TYPE, stored.get(TYPE)), change.get(VERSION)
        if slug != stored.get(TYPE):
            stored = {}
        elif VERSION not in change:
            version = stored.get(VERSION)
        if TYPE in change and not isinstance(slug, str):
            self._refuse(path, "type", f"{TYPE!r} is the slug of a block type")
            return stored, {}
        if version is not None and (slug is None or type(version) is not int or not 1 <= version <= _NEWEST_NUMBER):
            self._refuse(path, "type", f"{VERSION!r} is the number of a schema version, beside {TYPE!r}")
            return stored, {}
        return stored, {key: part for key, part in ((TYPE, slug), (VERSION, version)) if part is not None}

    def _entered(self, stored: Mapping[str, Any], merged: Mapping[str, Any], place: _Place) -> _Place:
        if TYPE not in merged:
            return place
        try:
            known = place.known.entered(stored if TYPE in stored else merged)
            shown = place.shown.entered(merged)
            schema = self._schema_of(merged[TYPE], merged.get(VERSION)).schema
        except TypecaseError:
            self._refuse(place.path, "type", "the registry does not know this block type in this version")
            return place
        return _Place(place.path, known, shown, Node([(schema, schema)], self._schema_of))

    def _list(self, stored: list[Any], change: Any, place: _Place, depth: int) -> list[Any]:
        fixed = fixed_items(place.known, place.shown, place.shape)
        taken: set[int] = set()
        merged = []
        for position, item in enumerate(change):
            if not isinstance(item, Mapping | list | tuple):
                merged.append(item)
                continue
            path = f"{place.path}.{position}" if place.path else str(position)
            numbers = {_number(way, depth, leaf=not isinstance(item, list | tuple)) for way in _ways(item)}
            number = next(iter(numbers), None)
            if number is None:
                if _is_mask(item):
                    self._refuse(path, "item", "a masked secret in a list says which item it is")
                else:
                    merged.append(self.value(None, item, place.below(str(position)), depth=depth + 1))
            elif len(numbers) > 1:
                self._refuse(path, "item", "items of several stored lists are mixed in it")
            elif not 0 <= number < len(stored):
                self._refuse(path, "item", "there is no such item in the stored list")
            elif number in taken:
                self._refuse(path, "item", "this item was sent twice")
            elif number != position and min(number, position) < fixed:
                self._refuse(path, "item", "an item of a tuple cannot move")
            else:
                taken.add(number)
                below = place.below(str(position), stored=str(number))
                merged.append(self.value(stored[number], _bare(item), below, depth=depth + 1))
        return merged

    def _unmasked(self, stored: Any, change: Mapping[str, Any], place: _Place) -> Any:
        target = change[SECRET]
        if len(change) > 1 or not isinstance(target, Mapping) or target.get("set") is not True:
            self._refuse(place.path, "secret", "this is no masked secret as a form shows it")
        elif SECRET_ITEM in target:
            self._refuse(place.path, "item", "the place of an item stands in lists only")
        elif stored is None or not (place.known.secret or is_reference(stored)):
            self._refuse(place.path, "secret", "no secret is stored here that a mask could keep")
        else:
            return self._kept(stored, place)
        return None

    def _kept(self, stored: Any, place: _Place) -> Any:
        """Return `stored`. A secret in it must not stand where the result would show it."""
        for path in _uncovered(stored, place.known, place.shown, place.path):
            self._refuse(path, "secret", "it was stored as a secret, and is none in this schema: clear it")
        return stored

    def _refuse(self, path: str, rule: str, sentence: str) -> None:
        self.problems.append((path, rule, sentence))


def _is_mask(value: Any) -> bool:
    return isinstance(value, Mapping) and SECRET in value and not is_reference(value)


def _sent(stored: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result as far as it tells alternatives apart: what is cleared is gone, what is masked stands."""
    kept = {key: stored.get(key) if _is_mask(item) else item for key, item in change.items() if item is not None}
    return {**{key: item for key, item in stored.items() if key not in change}, **kept}


def _may_be_null(schema: Schema, key: str, before: Any, shape: Node) -> bool:
    """Tell whether null is the value of a field that is cleared. A key of a map goes: it is no field."""
    if key in schema.get("properties", {}):
        return allows_null(shape)
    if before is not None:
        return False
    return allows_null(shape) if any(shape.candidates) else schema.get("additionalProperties") is not False


def _ways(item: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the places that `item` of a list says it had, or that the items of the lists in it say."""
    if isinstance(item, list | tuple):
        for inner in item:
            yield from _ways(inner)
    elif isinstance(item, Mapping):
        target = item.get(SECRET)
        holder, name = (target, SECRET_ITEM) if _is_mask(item) and isinstance(target, Mapping) else (item, ITEM)
        if name in holder:
            way = holder[name]
            yield tuple(way) if isinstance(way, list) else (way,)


def _number(way: tuple[Any, ...], depth: int, *, leaf: bool) -> int:
    """Return the step of `way` through the list at `depth`; -1 where it has none."""
    if len(way) <= depth or (leaf and len(way) != depth + 1) or type(way[depth]) is not int:
        return -1
    return int(way[depth])


def _bare(item: Any) -> Any:
    """Return an item without its place."""
    if _is_mask(item):
        target = item[SECRET]
        return {**item, SECRET: {key: part for key, part in target.items() if key != SECRET_ITEM}}
    return {key: part for key, part in item.items() if key != ITEM} if isinstance(item, Mapping) else item


def _uncovered(value: Any, known: Node, shown: Node, path: str) -> Iterator[str]:
    """Yield where secrets of `value` would not be masked any more."""
    if value is None or is_reference(value) or shown.secret:
        return
    if known.secret:
        yield path
        return
    known, shown = known.entered(value), shown.entered(value)
    items: Any = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if key not in {TYPE, VERSION, BLOCK}:
            step = str(key)
            yield from _uncovered(item, known.below(step), shown.below(step), f"{path}.{step}" if path else step)
