"""Fields from files, standard input and `FIELD=VALUE` texts; no error quotes from them."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from typecase.registry.cli.errors import UsageFault


def split_pairs(option: str, pairs: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Split each `FIELD=VALUE`. Raises `UsageFault`, which does not repeat it."""
    for number, pair in enumerate(pairs, start=1):
        path, equals, text = pair.partition("=")
        if not equals or not path:
            ordinal = f" (number {number})" if len(pairs) > 1 else ""
            raise UsageFault(f"{option}{ordinal} is not of the form FIELD=VALUE.", hint="Put a = after the field.")
        yield path, text


def read_fields(source: str) -> dict[str, Any]:
    """Read an object of fields from a YAML or JSON file, or from standard input for `-`. Raises `UsageFault`."""
    if source == "-":
        return parse_fields(sys.stdin.read(), "standard input")
    try:
        text = Path(source).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
    else:
        return parse_fields(text, source)
    raise UsageFault(f"{source} cannot be read: {reason}.", hint="Name a readable YAML or JSON file.")


def parse_fields(text: str, source: str, *, loader: Any = None) -> dict[str, Any]:
    """Read an object of fields from YAML or JSON text. Raises `UsageFault`, which does not quote from it."""
    import yaml

    place = ""
    try:
        if loader is None and text.lstrip().startswith("{"):
            try:
                value = json.loads(text)
            except ValueError:
                value = yaml.safe_load(text)
        else:
            value = yaml.load(text, Loader=loader or yaml.SafeLoader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark is not None else ""
    else:
        if isinstance(value, dict):
            fields: dict[str, Any] = as_json(value)
            return fields
        raise UsageFault(f"{source} holds no object of fields.", hint="Write FIELD: VALUE lines, or a JSON object.")
    raise UsageFault(f"{source} is neither YAML nor JSON{place}.", hint="Correct it; the text is not repeated here.")


def as_json(value: Any) -> Any:
    """Return YAML's times and keys as JSON has them."""
    if isinstance(value, dict):
        return {
            key if isinstance(key, str) else json.dumps(key, default=str): as_json(item) for key, item in value.items()
        }
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value
