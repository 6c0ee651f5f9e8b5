"""The root of all errors."""

from collections.abc import Iterable
from typing import Any


class TypecaseError(Exception):
    """The root of all Typecase errors.

    `message` says what happened, `hint` what to do next; both are part of `str(error)`.
    Further facts are attributes. No error carries a secret value.
    """

    def __init__(self, message: str, *, hint: str = "", **facts: Any) -> None:
        """Keep `message`, `hint` and each fact as an attribute."""
        super().__init__(f"{message} {hint}".rstrip())
        self.message = message
        self.hint = hint
        for name, value in facts.items():
            setattr(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by state, so that errors cross process borders whole."""
        return _rebuild, (type(self), self.args), dict(vars(self))


def _rebuild(cls: type[TypecaseError], args: tuple[Any, ...]) -> TypecaseError:
    error = cls.__new__(cls)
    error.args = args
    return error


def describe_near(near: Iterable[str]) -> str:
    """Turn similar names into the sentence that ends a not-found error."""
    names = sorted(near)
    return f"Did you mean {' or '.join(map(repr, names))}?" if names else ""
