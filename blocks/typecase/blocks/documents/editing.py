"""Documents as forms show them: masked, with the places of what stands in lists."""

from collections.abc import Mapping
from typing import Any, Final

from typecase.blocks.documents.masking import Schema, SchemaOf, mask_document
from typecase.blocks.markers import SECRET

#: Where an object in a list stood in the document that a form was made from.
ITEM: Final = "$item"
#: The same of a masked secret, beside `set` and `source`.
SECRET_ITEM: Final = "item"  # noqa: S105 - the name of a JSON key


def editable_document(data: Mapping[str, Any], *schemas: Schema, schema_of: SchemaOf) -> dict[str, Any]:
    """Return `data` as `mask_document` does, with the place of each list item that is or holds a secret.

    A masked secret has it as `{"$secret": {..., "item": 0}}`, an object as `"$item": 0`. In a list inside a list it is
    the way through both: `[1, 0]`.
    """
    document: dict[str, Any] = _placed(mask_document(data, *schemas, schema_of=schema_of), ())
    return document


def _placed(masked: Any, place: tuple[int, ...]) -> Any:
    if isinstance(masked, list):
        return [
            _placed(item, (*place, index)) if isinstance(item, Mapping | list) else item
            for index, item in enumerate(masked)
        ]
    if not isinstance(masked, Mapping):
        return masked
    shown = place[0] if len(place) == 1 else list(place)
    if SECRET in masked:
        return {SECRET: {**masked[SECRET], SECRET_ITEM: shown}} if place else masked
    placed = {key: _placed(item, ()) for key, item in masked.items()}
    return {ITEM: shown, **placed} if place and _holds_mask(placed) else placed


def _holds_mask(value: Any) -> bool:
    if isinstance(value, Mapping):
        return SECRET in value or any(_holds_mask(item) for item in value.values())
    return isinstance(value, list) and any(_holds_mask(item) for item in value)
