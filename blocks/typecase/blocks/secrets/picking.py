"""From what a store holds to what a field wants: the whole secret, or one field of its JSON."""

import json
from typing import Any

from typecase.blocks.errors import SecretMalformed
from typecase.blocks.kinds.secret_store import SecretValue
from typecase.blocks.secrets.reference import SecretReference

_ABSENT: Any = object()


def pick(value: SecretValue, reference: SecretReference, held: type) -> Any:
    """Return what `reference` means in `value`, as `held` holds it: `bytes`, `str`, or `object` for JSON.

    Raises `SecretMalformed`; its message names fields, never values.
    """
    if reference.field is None:
        if held is bytes:
            return value.get_secret_value()
        text = value.text().get_secret_value()
        return text if held is str else _parsed(text)
    found = _field(_parsed(value.text().get_secret_value()), reference.field)
    if found is None:
        raise _malformed(f"Its field {reference.field!r} is null.", "Give it a value in the store.", "null")
    if held is object:
        return _parsed(found) if isinstance(found, str) else found
    text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
    return text.encode() if held is bytes else text


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    # Out here: the parser's error holds the text.
    raise _malformed("It is not JSON.", "Refer to it without a field, or store JSON there.", "not JSON")


def _field(data: Any, field: str) -> Any:
    found = data.get(field, _ABSENT) if isinstance(data, dict) else _ABSENT
    if found is _ABSENT and field.startswith("/"):
        found = data
        for step in field[1:].split("/"):
            found = _step(found, step.replace("~1", "/").replace("~0", "~"))
    if found is not _ABSENT:
        return found
    known = ", ".join(map(repr, list(data)[:20])) if isinstance(data, dict) and data else "none"
    what = "It is no JSON object" if not isinstance(data, dict) else f"It has no field {field!r}"
    raise _malformed(f"{what}.", f"Its fields: {known}.", "no such field")


def _step(data: Any, step: str) -> Any:
    if isinstance(data, dict):
        return data.get(step, _ABSENT)
    if isinstance(data, list) and step.isdecimal() and int(step) < len(data):
        return data[int(step)]
    return _ABSENT


def _malformed(message: str, hint: str, reason: str) -> SecretMalformed:
    return SecretMalformed(f"The secret is there and is not what was asked for. {message}", hint=hint, reason=reason)
