"""What a class says of the value at a place inside it: whether it is a secret, whether text can stand there."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, Secret, SecretBytes, SecretStr
from typing_extensions import TypeAliasType, is_typeddict

from typecase.blocks.secrets.placeholders import Referenced, ReferencedBytes, ReferencedStr, ReferencedValue

_SEQUENCES: Final = (list, tuple)
_SETS: Final = (set, frozenset)
_NUMBERS: Final = (int, float, bool)


def field_named(cls: type[BaseModel], key: str) -> str | None:
    """Return the name of the field that `key`, a name or an alias, stands for."""
    fields = cls.__pydantic_fields__
    if key in fields:
        return key
    return next((name for name, info in fields.items() if key in (info.alias, info.validation_alias)), None)


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """Return the types that `annotation` allows, without the union around them."""
    origin = get_origin(annotation)
    if isinstance(annotation, TypeAliasType):
        return alternatives(annotation.__value__)
    if origin is Annotated:
        return alternatives(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return tuple(item for argument in get_args(annotation) for item in alternatives(argument))
    return () if annotation is type(None) else (annotation,)


def below(annotations: Iterable[Any], step: str | int) -> tuple[Any, ...]:
    """Return what may stand under `step` of values that `annotations` allow."""
    return tuple(item for annotation in annotations for found in _below(annotation, step) for item in found)


def placeholder_of(annotations: Iterable[Any]) -> type[Referenced] | None:
    """Return the placeholder that fits a secret among `annotations`, None where none of them is one."""
    for annotation in annotations:
        origin = get_origin(annotation) or annotation
        if isinstance(origin, type):
            if issubclass(origin, SecretStr):
                return ReferencedStr
            if issubclass(origin, SecretBytes):
                return ReferencedBytes
            if issubclass(origin, Secret):
                return ReferencedValue
    return None


def held_by(annotations: tuple[Any, ...]) -> type:
    """Return what `annotations` want of a store: `str` for its text, `bytes`, `object` for what its JSON says."""
    kinds = [get_origin(annotation) or annotation for annotation in annotations]
    if kinds and all(isinstance(kind, type) and issubclass(kind, bytes) for kind in kinds):
        return bytes
    if not kinds or any(not (isinstance(kind, type) and _is_structured(kind)) for kind in kinds):
        return str
    return object


def held_inside(annotations: Iterable[Any]) -> type:
    """Return what the `Secret[T]` among `annotations` wants of a store: what a field of type T would."""
    for annotation in annotations:
        origin = get_origin(annotation) or annotation
        if isinstance(origin, type) and issubclass(origin, Secret):
            return held_by(tuple(item for argument in get_args(annotation) for item in alternatives(argument)))
    return str


def _is_structured(kind: type) -> bool:
    return issubclass(kind, (BaseModel, Mapping, *_SEQUENCES, *_SETS, *_NUMBERS)) or is_dataclass(kind)


def is_free(annotations: Iterable[Any]) -> bool:
    """Tell whether any mapping may stand here, so that one that looks like a reference is data."""
    for annotation in annotations:
        origin = get_origin(annotation) or annotation
        if origin is Any or not isinstance(origin, type) or issubclass(origin, Mapping) or origin is object:
            return True
    return False


def is_set(annotations: Iterable[Any]) -> bool:
    """Tell whether a set may stand here: its members have no place to remember."""
    kinds = [get_origin(annotation) or annotation for annotation in annotations]
    return any(isinstance(kind, type) and issubclass(kind, _SETS) for kind in kinds)


def _below(annotation: Any, step: str | int) -> Iterator[tuple[Any, ...]]:
    origin, arguments = get_origin(annotation) or annotation, get_args(annotation)
    if not isinstance(origin, type):
        return
    named = _named(origin)
    if named is not None:
        key = list(named)[step] if isinstance(step, int) and step < len(named) else step
        yield from (alternatives(named[name]) for name in named if name == key)
    elif issubclass(origin, BaseModel):
        name = field_named(origin, str(step))
        if name is not None:
            yield alternatives(origin.__pydantic_fields__[name].annotation)
    elif issubclass(origin, Secret):
        yield from (item for argument in arguments for item in _below(argument, step))
    elif issubclass(origin, Mapping):
        yield from (alternatives(argument) for argument in arguments[1:])
    elif issubclass(origin, tuple) and arguments and arguments[-1] is not ... and isinstance(step, int):
        yield from (alternatives(argument) for argument in arguments[step : step + 1])
    elif arguments:
        yield alternatives(arguments[0])


@lru_cache(maxsize=512)
def _named(kind: type) -> dict[str, Any] | None:
    """Return the annotations of a dataclass, a named tuple or a typed dict, None for any other type."""
    if not (is_dataclass(kind) or is_typeddict(kind) or (issubclass(kind, tuple) and hasattr(kind, "_fields"))):
        return None
    try:
        return get_type_hints(kind)
    except (NameError, TypeError):  # names that cannot be looked up from here: its values wait for the load
        return {}
