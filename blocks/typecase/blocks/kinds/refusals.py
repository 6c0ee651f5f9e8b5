"""Refusals that say what to do instead."""

from collections.abc import Iterator
from contextlib import contextmanager

from typecase.blocks.errors import MissingPackage, NotSupported


def not_supported(block: object, what: str, instead: str) -> NotSupported:
    """Build the error for a method that a block's system cannot do; `instead` is a sentence."""
    return NotSupported(f"{type(block).__name__} does not support `{what}`.", hint=instead, operation=what)


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Turn a failed import inside the `with` block into `MissingPackage`, which names `extra`."""
    try:
        yield
    except ImportError as error:
        package = (error.name or "a package").partition(".")[0]
        missing = isinstance(error, ModuleNotFoundError)
        message = f"This needs {package}, which {'is not installed' if missing else 'cannot be imported'}."
        hint = f"Install it: pip install 'typecase[{extra}]'"
        raise MissingPackage(message, hint=hint, package=package, extra=extra) from error
