"""The literal secrets inside a value."""

import dataclasses
from collections import deque
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

_CONTAINERS = (list, tuple, set, frozenset, deque)


def secret_values(value: object) -> Iterator[str | bytes]:
    """Yield every literal secret inside `value`: models, dataclasses, lists, tuples, sets, mappings, at any depth.

    Inside a `Secret[T]` every string, bytes and number is secret, except the keys of mappings and the names of fields.
    Nothing is resolved: a secret whose class fetches it lazily is seen once it holds its value, not before.
    """
    # Kept alive, so that no id is used twice; apart by secrecy, as one list may stand in two fields.
    seen: dict[tuple[int, bool], object] = {}
    pending: list[tuple[object, bool]] = [(value, False)]
    while pending:
        item, secret = pending.pop()
        if isinstance(item, (str, bytes)):
            if secret:
                yield item.value if isinstance(item, Enum) else item
            continue
        if isinstance(item, (Secret, SecretStr, SecretBytes)):
            pending.append((_held(item), True))
            continue
        inner = _inside(item, secret=secret)
        if inner is None:
            if secret:
                yield from _spelled(item)
        elif (id(item), secret) not in seen:
            seen[id(item), secret] = item
            pending.extend(inner)


def _held(item: Secret[Any] | SecretStr | SecretBytes) -> object:
    """Return what the secret holds by now, without the I/O of a subclass that overrides `get_secret_value`."""
    try:
        if isinstance(item, SecretStr):
            return SecretStr.get_secret_value(item)
        if isinstance(item, SecretBytes):
            return SecretBytes.get_secret_value(item)
        return Secret.get_secret_value(item)
    except AttributeError:
        return None


def _inside(item: object, *, secret: bool) -> list[tuple[object, bool]] | None:
    """List what a container holds, each with whether it is secret; None for anything that is no container."""
    if isinstance(item, _CONTAINERS):
        return [(member, secret) for member in list(item)]
    if isinstance(item, Mapping):
        pairs = list(item.items())
        keys = [(key, False) for key, _ in pairs]
        return keys + [(member, secret) for _, member in pairs]
    if isinstance(item, type):
        return []
    if isinstance(item, BaseModel):
        extra = getattr(item, "__pydantic_extra__", None) or {}
        private = getattr(item, "__pydantic_private__", None) or {}
        fields = [(member, secret) for member in [*vars(item).values(), *extra.values()]]
        return fields + [(member, False) for member in private.values()]
    if dataclasses.is_dataclass(item):
        names = [field.name for field in dataclasses.fields(item)]
        return [(getattr(item, name, None), secret) for name in names]
    return None


def _spelled(item: object) -> Iterator[str | bytes]:
    if isinstance(item, Enum):
        yield str(item.value)
    elif isinstance(item, (bytearray, memoryview)):
        yield bytes(item)
    elif item is not None and not isinstance(item, bool):
        yield str(item)
