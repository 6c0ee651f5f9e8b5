"""Moments: while one lasts, every reference to one secret sees one value."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from typecase.blocks.kinds.secret_store import SecretValue
from typecase.blocks.secrets.cache import CACHE


class Moment(dict[Any, SecretValue]):
    """Values by their key in the cache, for as long as the moment lasts."""

    is_over = False


_moment: ContextVar[Moment | None] = ContextVar("typecase_secret_moment", default=None)


@contextmanager
def one_moment(*, anew: bool = False) -> Iterator[Moment]:
    """Let every reference to one secret see one value inside the `with` block, whatever the cache keeps.

    A moment inside another is that one, unless it begins `anew`. A task that was begun in one may outlive it.
    """
    outer = this_moment()
    if outer is not None and not anew:
        yield outer
        return
    values = Moment()
    token = _moment.set(values)
    try:
        yield values
    finally:
        values.is_over = True
        _moment.reset(token)


def this_moment() -> Moment | None:
    """Return the moment that lasts, None outside of any."""
    moment = _moment.get()
    return None if moment is None or moment.is_over else moment


def forget_used(used: dict[Any, SecretValue]) -> None:
    """Drop the values of a moment from memory, unless others have taken their place there."""
    for key, value in used.items():
        CACHE.drop(key, value)
