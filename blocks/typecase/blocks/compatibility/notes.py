"""What differs between two schemas field by field: secrecy, fields added and removed, defaults."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from typecase.blocks.compatibility.budget import Budget
from typecase.blocks.compatibility.dialects import Schema
from typecase.blocks.compatibility.nodes import Root
from typecase.blocks.compatibility.rules import NOTES, Difference, Rule, property_step
from typecase.blocks.compatibility.values import TYPES, identity, show

_APPLIED: Final = ("allOf", "anyOf", "oneOf")
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """A schema that a value may meet, with all that it refers to; `secret` where an outer one says so."""

    schema: Mapping[str, Any]
    secret: bool

    @property
    def types(self) -> frozenset[str]:
        """The JSON types that this schema speaks of."""
        names = self.schema.get("type", TYPES)
        found = {names} if isinstance(names, str) else set(names)
        return frozenset("number" if name == "integer" else name for name in found)


class Notes:
    """Walks two schemas side by side, each pair of places once."""

    def __init__(self, old: Root, new: Root, budget: Budget) -> None:
        self._old = old
        self._new = new
        self._budget = budget
        self._seen: set[object] = set()
        self.found: dict[tuple[str, Rule], Difference] = {}
        self._walk((old.schema,), (new.schema,), "$")

    def _walk(self, olds: Iterable[Schema], news: Iterable[Schema], path: str) -> None:
        with self._budget:
            before, after = list(self._places(self._old, olds)), list(self._places(self._new, news))
            key = (_key(before), _key(after))
            if key in self._seen:
                return
            self._seen.add(key)
            was, now = _types(before, secret=True), _types(after, secret=True)
            if was & _types(after, secret=False):
                self._note(path, Rule.STOPS_BEING_SECRET, "is a secret so far and would be kept and shown in clear")
            if now & _types(before, secret=False):
                self._note(path, Rule.BECOMES_SECRET, "becomes a secret: encrypt what is stored, remove clear copies")
            before = [place for place in before if not place.secret]
            after = [place for place in after if not place.secret]
            if before and after:
                self._descend(before, after, path)

    def _descend(self, before: list[_Place], after: list[_Place], path: str) -> None:
        olds, news = _declared(before), _declared(after)
        models = any("properties" in place.schema for place in before) and any(
            "properties" in place.schema for place in after
        )
        for name in sorted(olds.keys() | news.keys()):
            at = path + property_step(name)
            if models and name not in olds:
                self._note(at, Rule.FIELD_ADDED, "is new")
            elif models and name not in news:
                self._note(at, Rule.FIELD_REMOVED, "is gone; what is stored there is no longer read")
            elif models:
                self._compare_defaults(olds[name], news[name], at)
            self._walk(_values(before, name), _values(after, name), at)
        self._walk(_values(before, None), _values(after, None), f"{path}.*")
        width = max((len(place.schema.get("prefixItems", ())) for place in (*before, *after)), default=0)
        for index in range(width + 1):
            step = f"[{index}]" if index < width else "[*]"
            self._walk(_items(before, index), _items(after, index), path + step)

    def _compare_defaults(self, olds: list[Schema], news: list[Schema], path: str) -> None:
        if any(
            place.secret
            for root, schemas in ((self._old, olds), (self._new, news))
            for place in self._places(root, schemas)
        ):
            return  # defaults of secrets are in no schema
        was, now = _default(olds), _default(news)
        if was is now or (_ABSENT not in (was, now) and identity(was) == identity(now)):
            return
        texts = ["no default" if value is _ABSENT else show(value) for value in (was, now)]
        self._note(path, Rule.DEFAULT_CHANGED, f"has another default: {texts[0]} before, {texts[1]} now")

    def _note(self, path: str, rule: Rule, what: str) -> None:
        name = "The value" if path == "$" else path.removeprefix("$.")
        found = Difference(path=path, rule=rule, direction=None, sentence=f"{name} {what}.", breaking=rule not in NOTES)
        self.found.setdefault((path, rule), found)

    def _places(self, root: Root, schemas: Iterable[Schema]) -> Iterator[_Place]:
        pending = [(schema, False) for schema in schemas]
        seen: set[tuple[int, bool]] = set()
        while pending:
            self._budget.step()
            schema, secret = pending.pop()
            if schema is True:
                schema = {}
            if isinstance(schema, bool) or (id(schema), secret) in seen:
                continue
            seen.add((id(schema), secret))
            secret = secret or bool(schema.get("writeOnly"))
            target = root.resolve(schema["$ref"]) if "$ref" in schema else None
            parts = [part for keyword in _APPLIED for part in schema.get(keyword, ())]
            parts.extend([] if target is None else [target])
            pending.extend((part, secret) for part in parts)
            if not parts or "properties" in schema:
                yield _Place(schema, secret)


def _key(places: list[_Place]) -> object:
    return frozenset((id(place.schema) if place.schema else 0, place.secret) for place in places)


def _types(places: list[_Place], *, secret: bool) -> frozenset[str]:
    return frozenset().union(*(place.types for place in places if place.secret is secret))


def _declared(places: list[_Place]) -> dict[str, list[Schema]]:
    found: dict[str, list[Schema]] = {}
    for place in places:
        for name, schema in place.schema.get("properties", {}).items():
            found.setdefault(name, []).append(schema)
    return found


def _values(places: list[_Place], name: str | None) -> list[Schema]:
    """Return the schemas of the property `name`; with None, of properties that nothing names."""
    found: list[Schema] = []
    for place in places:
        declared = place.schema.get("properties", {})
        if name is not None and name in declared:
            found.append(declared[name])
            continue
        found.extend(place.schema.get("patternProperties", {}).values())
        extra = place.schema.get("additionalProperties", False)
        if not isinstance(extra, bool):
            found.append(extra)
        elif extra or _is_anything(place.schema):
            found.append(True)
    return found


def _items(places: list[_Place], index: int) -> list[Schema]:
    found: list[Schema] = []
    for place in places:
        prefix = place.schema.get("prefixItems", ())
        if index < len(prefix):
            found.append(prefix[index])
        elif "items" in place.schema:
            found.append(place.schema["items"])
        elif _is_anything(place.schema) or (place.schema.get("type") == "array" and not prefix):
            found.append(True)
    return found


def _is_anything(schema: Mapping[str, Any]) -> bool:
    """Whether objects and lists below `schema` may hold whatever they like."""
    return not any(keyword in schema for keyword in ("type", "properties", "enum", "const", "prefixItems"))


def _default(schemas: list[Schema]) -> Any:
    for schema in schemas:
        if not isinstance(schema, bool) and "default" in schema:
            return schema["default"]
    return _ABSENT
