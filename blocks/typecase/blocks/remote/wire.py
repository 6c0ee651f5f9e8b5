"""How records travel between a client and a server: as the JSON that pydantic makes of them and reads back."""

from functools import cache
from typing import Any, TypeVar, cast

from pydantic import BaseModel, TypeAdapter

T = TypeVar("T")


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """Return what turns values of `kind` into JSON and back."""
    return TypeAdapter(kind)


def encode(value: Any, kind: Any = None) -> bytes:
    """Return `value`, which is of `kind` or a request, as JSON. What was left out of a request stays out."""
    if isinstance(value, BaseModel):
        return value.model_dump_json(exclude_unset=True).encode()
    return adapter(kind).dump_json(value)


def decode(kind: type[T], content: bytes | str) -> T:
    """Return the value of `kind` that `content` is. Fields that only a newer server knows are passed over.

    Raises `pydantic.ValidationError`.
    """
    found: T = adapter(cast("Any", kind)).validate_json(content)
    return found


def plain(kind: Any, value: Any) -> Any:
    """Return `value`, which is of `kind`, as JSON holds it: mappings, lists, texts, numbers."""
    return adapter(kind).dump_python(value, mode="json")


def restored(kind: type[T], value: Any) -> T:
    """Return the value of `kind` that `plain` made `value` of. Raises `pydantic.ValidationError`."""
    found: T = adapter(cast("Any", kind)).validate_python(value)
    return found
