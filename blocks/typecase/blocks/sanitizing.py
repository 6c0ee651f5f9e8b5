"""Validation errors without their input: pydantic's own would show secrets."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.types import Secret, SecretBytes, SecretStr

from typecase.blocks.errors import InvalidBlock

_SHORT = 4
_HIDDEN = "the value is not valid (the reason repeats a secret, so it is not shown)"


def invalid_block(
    cls: type[BaseModel], title: str, error: ValidationError, given: Any, *, hint: str = ""
) -> InvalidBlock:
    """Turn `error` into an `InvalidBlock` that shows no secret of `given`, not even through a validator's own text."""
    secrets = sorted({text for text in _secrets(cls, given) if text}, key=len, reverse=True)
    problems = []
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        path = ".".join(map(str, item["loc"]))
        problems.append((path, item["type"], _without(item["msg"], secrets)))
    return InvalidBlock.build(title, problems, hint=hint)


@lru_cache(maxsize=512)
def secret_fields(cls: type[BaseModel]) -> frozenset[str]:
    """Return the fields of `cls` (and their aliases) that hold a secret at some depth."""
    found = {
        key
        for name, info in cls.__pydantic_fields__.items()
        if _holds_secret(info.annotation, frozenset({cls}))
        for key in (name, info.alias, info.validation_alias)
        if isinstance(key, str)
    }
    return frozenset(found)


def _holds_secret(annotation: Any, seen: frozenset[type]) -> bool:
    if isinstance(annotation, type):
        if issubclass(annotation, SecretStr | SecretBytes | Secret):
            return True
        if issubclass(annotation, BaseModel) and annotation not in seen:
            inner = seen | {annotation}
            # A kind has no fields of its own: any block may stand there.
            return hasattr(annotation, "__kind__") or any(
                _holds_secret(info.annotation, inner) for info in annotation.__pydantic_fields__.values()
            )
    return any(_holds_secret(argument, seen) for argument in get_args(annotation))


def _secrets(cls: type[BaseModel], given: Any) -> Iterator[str]:
    if isinstance(given, Mapping):
        names = secret_fields(cls)
        for key, value in given.items():
            if key in names:
                yield from _leaves(value)
    else:
        yield from _leaves(given)


def _leaves(value: Any) -> Iterator[str]:
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    if isinstance(value, str):
        yield value
        yield repr(value)[1:-1]
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
        yield repr(value)[2:-1]
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, BaseModel):
        yield from _leaves(dict(value))
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _without(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        if secret in text:
            if len(secret) < _SHORT:
                return _HIDDEN
            text = text.replace(secret, "**********")
    return text
