"""The edge of a registry: what leaves it is one of Typecase's errors, and carries no inner frame."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from typecase.blocks.errors import TypecaseError

P = ParamSpec("P")
R = TypeVar("R")


class Located(Protocol):
    """Whatever knows the URL of its registry."""

    @property
    def url(self) -> str:
        """The URL to show, without a password."""
        ...


Place = TypeVar("Place", bound=Located)


def guarded(method: Callable[Concatenate[Place, P], R]) -> Callable[Concatenate[Place, P], R]:
    """Let only Typecase's errors out of a registry's method, without the inner frames: these hold clear values."""

    @wraps(method)
    def call(self: Place, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except TypecaseError as error:
            failure = error
        except Exception as error:
            # What is imported here is imported already where a driver failed; a load must not wait for it.
            from typecase.registry.faults import translate

            translated = translate(error, self.url)
            if translated is None:
                raise
            failure = translated
        failure.__cause__ = failure.__context__ = None
        try:
            raise failure.with_traceback(None)
        finally:
            del failure

    return call
