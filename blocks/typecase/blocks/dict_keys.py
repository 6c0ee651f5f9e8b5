"""Keys of dicts: which of them come back from the text that JSON makes of them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic_core import CoreSchema

_LOST: Final = {
    "nullable": "None",
    "none": "None",
    "list": "lists",
    "tuple": "tuples",
    "set": "sets",
    "frozenset": "sets",
    "dict": "dicts",
    "model": "models",
    "dataclass": "dataclasses",
    "named-tuple": "tuples",
    "typed-dict": "dicts",
}


class KeyLost(Exception):
    """A dict may have keys that would not be read back."""


def refuse_keys(keys: CoreSchema | None, shared: Mapping[str, CoreSchema]) -> None:
    """Raise `KeyLost` if a dict with these `keys` could be saved and not loaded; `shared` are schemas by ref."""
    for found in _lost(keys, shared):
        message = f"a dict has {found} as keys, which JSON turns into texts that are not read back"
        raise KeyLost(message)


def _lost(keys: CoreSchema | None, shared: Mapping[str, CoreSchema]) -> Iterator[str]:
    pending: list[Mapping[str, Any] | None] = [keys]
    while pending:
        schema = pending.pop()
        if schema is None:
            continue
        if flaw := _flaw(schema):
            yield flaw
        elif schema["type"] == "definition-ref":
            pending.append(shared.get(schema["schema_ref"]))
        elif schema["type"] == "union":
            pending += [option[0] if isinstance(option, tuple) else option for option in schema["choices"]]
        elif isinstance(schema.get("schema"), Mapping):
            pending.append(schema["schema"])


def _flaw(schema: Mapping[str, Any]) -> str:
    kind = schema["type"]
    # An enum with a sub type, as `IntEnum` has one, reads the text as that type first.
    if kind == "enum" and not schema.get("sub_type") and not _are_texts(item.value for item in schema["members"]):
        return f"the enum {schema['cls'].__name__}, whose values are not all texts,"
    if kind == "literal" and not _are_texts(schema["expected"]):
        return "literals that are not all texts"
    return _LOST.get(kind, "")


def _are_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)
