"""Keeping secret values out of logs, tracebacks and error texts."""

from typing import TYPE_CHECKING, Any

from typecase.blocks.redaction.causes import VendorError, clean_cause, redact_exception
from typecase.blocks.redaction.mask import MASK, Mask, watch
from typecase.blocks.redaction.values import secret_values

if TYPE_CHECKING:
    from typecase.blocks.redaction.logs import RedactingFormatter, install, uninstall

__all__ = [
    "MASK",
    "Mask",
    "RedactingFormatter",
    "VendorError",
    "clean_cause",
    "install",
    "redact_exception",
    "secret_values",
    "uninstall",
    "watch",
]


def __getattr__(name: str) -> Any:
    # A load needs `watch` but not `logging`, which pydantic does not import either.
    if name in {"RedactingFormatter", "install", "uninstall"}:
        from typecase.blocks.redaction import logs

        return getattr(logs, name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
