"""Log output without secrets."""

import copy
import logging
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TypeAlias

from typecase.blocks.redaction.mask import MASK, Mask

_ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class RedactingFormatter(logging.Formatter):
    """Masks everything that another formatter writes: message, arguments, extra fields, tracebacks, stacks.

    It formats a copy of the record. So the record's `msg` and `args` stay as they are, no clear traceback is left
    in its `exc_text` for the next handler, and one that an earlier handler left there is masked in this output.
    A record that cannot be formatted is written masked, instead of handed to `Handler.handleError`, which would
    print its arguments in clear. What a handler renders by itself, past its formatter, is not masked.
    """

    def __init__(self, inner: logging.Formatter | None = None, *, mask: Mask | None = None) -> None:
        """Wrap `inner`, by default a plain `logging.Formatter`; `mask` is by default that of the process."""
        super().__init__()
        self.inner = inner if inner is not None else logging.Formatter()
        self.covering = mask if mask is not None else MASK
        self.datefmt = getattr(self.inner, "datefmt", None)

    def format(self, record: logging.LogRecord) -> str:
        """Return the whole formatted record, masked."""
        return self._told(self.inner.format, record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the message line, masked."""
        return self._told(self.inner.formatMessage, record)

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802 - logging's name
        """Return the traceback, masked."""
        return self.covering.mask(self.inner.formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - logging's name
        """Return the stack, masked."""
        return self.covering.mask(self.inner.formatStack(stack_info))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        """Return the time as the wrapped formatter writes it."""
        return self.inner.formatTime(record, datefmt)

    def usesTime(self) -> bool:  # noqa: N802 - logging's name
        """Tell whether the wrapped formatter writes the time."""
        return self.inner.usesTime()

    def _told(self, write: Callable[[logging.LogRecord], str], record: logging.LogRecord) -> str:
        try:
            text = str(write(copy.copy(record)))
        except Exception as error:  # noqa: BLE001 - handleError would print msg and args in clear
            text = (
                f"{record.levelname} {record.name}: cannot format the log message {record.msg!r}"
                f" with the arguments {record.args!r}: {type(error).__name__}: {error}"
            )
        return self.covering.mask(text)


def install(logger: logging.Logger | None = None, *, mask: Mask | None = None) -> None:
    """Wrap the formatter of every handler that `logger` (by default the root logger) has now.

    Calling it again wraps only handlers that were added since. With the root logger comes `logging.lastResort`.
    """
    covering = mask if mask is not None else MASK
    for handler in _handlers(logger):
        if all(layer.covering is not covering for layer in _layers(handler)):
            handler.setFormatter(RedactingFormatter(handler.formatter, mask=covering))


def uninstall(logger: logging.Logger | None = None) -> None:
    """Give every handler of `logger` the formatter back that `install` wrapped."""
    for handler in _handlers(logger):
        for layer in _layers(handler):
            handler.setFormatter(layer.inner)


def _handlers(logger: logging.Logger | None) -> list[logging.Handler]:
    target = logger if logger is not None else logging.getLogger()
    handlers = list(target.handlers)
    if target is logging.getLogger() and logging.lastResort is not None:
        handlers.append(logging.lastResort)
    return handlers


def _layers(handler: logging.Handler) -> Iterator[RedactingFormatter]:
    layer = handler.formatter
    while isinstance(layer, RedactingFormatter):
        yield layer
        layer = layer.inner
