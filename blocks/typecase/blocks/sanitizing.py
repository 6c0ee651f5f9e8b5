"""Errors without the values that they are about: pydantic's own, and tracebacks with local variables, show secrets."""

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, wraps
from types import FrameType
from typing import Any, ParamSpec, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.types import Secret, SecretBytes, SecretStr

from typecase.blocks.errors import InvalidBlock
from typecase.blocks.redaction import MASK, Mask
from typecase.blocks.secrets.placeholders import Referenced, Unresolved

P = ParamSpec("P")
R = TypeVar("R")

_SHORT = 4
_TYPE = "$type"  # the slug of an inline block, which an error must be able to name
_HIDDEN = "the value is not valid (the reason repeats a secret, so it is not shown)"


def invalid_block(
    cls: type[BaseModel], title: str, error: ValidationError, given: Any, *, hint: str = ""
) -> InvalidBlock:
    """Turn `error` into an `InvalidBlock` that shows no secret of `given`, not even through a validator's own text."""
    secrets = {text for text in _secrets(cls, given) if text}
    mask = Mask()
    for secret in secrets:
        mask.add(secret)
    short = [secret for secret in secrets if len(secret) < _SHORT]
    problems = []
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        path = ".".join(map(str, item["loc"]))
        problems.append((path, item["type"], _without(item["msg"], mask, short)))
    return InvalidBlock.build(title, problems, hint=hint)


def forgetful(body: Callable[P, R]) -> Callable[P, R]:
    """Let errors of `body` pass without its arguments and the local variables of the frames below it."""

    @wraps(body)
    def run(*args: P.args, **options: P.kwargs) -> R:
        __tracebackhide__ = True
        try:
            return body(*args, **options)
        except BaseException as error:
            del args, options
            forget_locals(error)
            raise

    return run


def forget_locals(error: BaseException) -> None:
    """Clear the local variables of the finished frames that `error` and its causes passed through.

    The frames stay, so a traceback still says where. What a caller was handling before is left alone.
    """
    callers = set(_frames_from(sys._getframe(1).f_back))  # noqa: SLF001 - the documented way to the caller's frame
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        link = pending.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        step = link.__traceback__
        if step is not None and step.tb_frame in callers:
            continue
        while step is not None:
            if step.tb_frame not in callers:
                _clear(step.tb_frame)
            step = step.tb_next
        pending += [link.__cause__, link.__context__]
        if isinstance(link, BaseExceptionGroup):
            pending += link.exceptions


@lru_cache(maxsize=512)
def plain_fields(cls: type[BaseModel]) -> frozenset[str]:
    """Return the fields of `cls` (and their aliases) that hold no secret at any depth."""
    found = {
        key
        for name, info in cls.__pydantic_fields__.items()
        if not _holds_secret(info.annotation, frozenset({cls}))
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
        # A key that is no field may be a misspelt or an aliased secret.
        names = plain_fields(cls)
        for key, value in given.items():
            if key not in names:
                yield from _leaves(value)
    else:
        yield from _leaves(given)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Unresolved):
        return
    if isinstance(value, Referenced):
        # What it gave out last, if anything: nothing is fetched here.
        value = getattr(value, "_secret_value", None)
    elif hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    if isinstance(value, str):
        yield value
        yield value.strip()
    elif isinstance(value, bytes | bytearray):
        yield value.decode("utf-8", "replace")
        yield repr(bytes(value))[2:-1]
    elif isinstance(value, Mapping | list | tuple | set | frozenset | BaseModel):
        for item in _members(value):
            yield from _leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _members(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from (item for key, item in value.items() if key != _TYPE)
    elif isinstance(value, BaseModel):
        yield from (item for _, item in value)
    else:
        yield from value


def _without(text: str, mask: Mask, short: list[str]) -> str:
    # The mask of the process knows what a validator fetched from a store.
    text = MASK.mask(mask.mask(text))
    return _HIDDEN if any(secret in text for secret in short) else text


def _frames_from(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _clear(frame: FrameType) -> None:
    try:
        frame.clear()
    except RuntimeError:
        return  # it runs still: whoever asked is responsible for its own variables
