"""What a file's name says about its content: YAML and dotenv are given as JSON, so that a field can be picked."""

import json
from collections.abc import Callable
from typing import Any, Final

from typecase.integrations.files.dotenv import MalformedLine, parse

LARGEST: Final = 1024 * 1024
_QUOTE: Final = "put quotes around names, dates and whatever YAML reads as something else than text"


class Unreadable(ValueError):
    """The content is not what the file's name says. The message says why and repeats nothing of it."""


def shaped(name: str, content: bytes, *, strip_newline: bool) -> bytes:
    """Return the secret that a file `name` with `content` holds. Raises `Unreadable`."""
    shape = _shape(name.lower()) if content else None
    if shape is None:
        return _stripped(content) if strip_newline else content
    try:
        values, problem = shape(content.decode()), ""
    except UnicodeDecodeError:
        values, problem = None, "it is not UTF-8 text"
    except MalformedLine as error:
        values, problem = None, f"line {error.line} is no KEY=value"
    except Unreadable as error:
        values, problem = None, str(error)
    # Raised outside: what the parsers raise holds the content.
    if problem:
        raise Unreadable(problem)
    return _as_json(values)


def _shape(name: str) -> Callable[[str], Any] | None:
    if name.endswith((".yaml", ".yml")):
        return _yaml
    return parse if name.endswith(".env") else None


def _yaml(text: str) -> Any:
    import yaml

    values, problem = None, ""
    try:
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f", see line {error.problem_mark.line + 1}"
        problem = f"it is not YAML{line}"
    except Exception:  # noqa: BLE001 - for what a tag does not fit, PyYAML raises KeyError, AttributeError and others
        problem = "it is not YAML"
    if not problem and not isinstance(values, dict):
        problem = "it is YAML without names at the top"
    if problem:
        raise Unreadable(problem)
    return values


def _as_json(values: Any) -> bytes:
    parts: list[str] = []
    size = 0
    problem = ""
    try:
        _require_names(values)
        # Piece by piece, because aliases let a small YAML file stand for a huge value.
        for part in json.JSONEncoder(ensure_ascii=False, allow_nan=False).iterencode(values):
            parts.append(part)
            size += len(part)
            if size > LARGEST:
                problem = f"its values take more than {LARGEST} bytes"
                break
        content = "".join(parts).encode()
    except (TypeError, ValueError, RecursionError):
        content, problem = b"", f"it holds what JSON cannot: {_QUOTE}"
    if problem:
        raise Unreadable(problem)
    return content


def _require_names(values: Any) -> None:
    """Raise `TypeError` for a key that is no text: YAML reads `on:` as true, and JSON would make "true" of it."""
    pending, seen = [values], set[int]()
    while pending:
        item = pending.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            if not all(isinstance(name, str) for name in item):
                raise TypeError
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


def _stripped(content: bytes) -> bytes:
    """Drop the line end that editors and `echo` put after a text; bytes that are no text stay as they are."""
    for end in (b"\r\n", b"\n"):
        if content.endswith(end):
            try:
                content.decode()
            except UnicodeDecodeError:
                return content
            return content[: -len(end)]
    return content
