"""JSON values: equality that tells 1 from true and not from 1.0, and the type names of JSON Schema."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

TYPES: Final = ("null", "boolean", "number", "string", "array", "object")
_SHOWN: Final = 60


def type_of(value: Any) -> str:
    """Return which of the six JSON types `value` has."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, Mapping) else "array"


def is_integral(value: Any) -> bool:
    """Whether `value` is a number without a fraction: JSON Schema takes 1.0 for an integer."""
    return type_of(value) == "number" and (isinstance(value, int) or value.is_integer())


def identity(value: Any) -> str:
    """Return a text that two JSON values share exactly when JSON Schema holds them equal."""
    return json.dumps(_plain(value), sort_keys=True)


def show(value: Any) -> str:
    """Return `value` as short JSON for a sentence."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def matches(pattern: str, text: str) -> bool | None:
    """Whether `pattern` is found in `text`; None where regular expression engines could disagree."""
    compiled = _compiled(pattern)
    if compiled is None or "\n" in text or (not text.isascii() and "\\" in pattern):
        return None
    return compiled.search(text) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return int(value) if is_integral(value) else value
