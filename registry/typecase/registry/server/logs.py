"""The server's log: one JSON object a line, or lines for people. Nothing of what was sent is in it."""

import json
import logging
import re
import sys
import traceback
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO

from typecase.blocks.redaction import RedactingFormatter
from typecase.registry.access.codes import Prefix
from typecase.registry.server.observing import Seen

#: Others write SQL rows and HTTP headers at their finer levels.
_OURS: Final = ("typecase", "uvicorn")
_CODE: Final = re.compile(rf"(?:{'|'.join(Prefix)})[0-9A-Za-z]{{43,}}")

#: Written out: whatever is logged is one line, and does not drive a terminal.
_CONTROL: Final = {number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160))}

_access = logging.getLogger("typecase.access")


class Lines(logging.Formatter):
    """Writes a record. Of an exception it tells the class and the frames: its own words may quote what was sent."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        facts: Mapping[str, Any] = getattr(record, "facts", {})
        given = record.exc_info[1] if record.exc_info else None
        errors = list(map(_told, _chain(given)))
        return _CODE.sub("**********", self.line(record, facts, errors))

    @abstractmethod
    def line(self, record: logging.LogRecord, facts: Mapping[str, Any], errors: list[dict[str, Any]]) -> str:
        """Return what is written."""


class JsonLines(Lines):
    """For programs."""

    def line(self, record: logging.LogRecord, facts: Mapping[str, Any], errors: list[dict[str, Any]]) -> str:
        """Return one JSON object in one line."""
        told = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **facts,
        }
        return json.dumps({**told, "errors": errors} if errors else told, default=str)


class PlainLines(Lines):
    """For people."""

    def line(self, record: logging.LogRecord, facts: Mapping[str, Any], errors: list[dict[str, Any]]) -> str:
        """Return a line, and one for each frame of an exception."""
        words = " ".join(f"{name}={value}" for name, value in facts.items() if value not in {"", None})
        first = f"{_time(record)} {record.levelname:<7} {record.name}: {record.getMessage()} {words}".rstrip()
        frames = [line for error in errors for line in (error["type"], *(f"  {frame}" for frame in error["frames"]))]
        return "\n".join(line.translate(_CONTROL) for line in (first, *frames))


def configure(level: str, form: Literal["auto", "json", "plain"], stream: TextIO | None = None) -> None:
    """Write the log of this process to `stream`, by default standard error, and to nothing else."""
    target = stream or sys.stderr
    plain = form == "plain" or (form == "auto" and target.isatty())
    handler = logging.StreamHandler(target)
    handler.setFormatter(RedactingFormatter(PlainLines() if plain else JsonLines()))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in _OURS:
        logging.getLogger(name).setLevel(level.upper())
    logging.captureWarnings(capture=True)
    # A line that cannot be written must not end up on standard error in clear.
    logging.raiseExceptions = False


@contextmanager
def access_line(seen: Seen) -> Iterator[None]:
    """Write a line at the end of a request."""
    try:
        yield
    finally:
        facts = {
            "method": seen.method,
            "route": seen.route,
            "status": seen.status or None,
            "ms": round(seen.seconds * 1000, 1),
            "bytes": seen.size,
            "request_id": seen.request_id,
            "principal": seen.principal,
        }
        _access.info("request", extra={"facts": facts})


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _told(error: BaseException) -> dict[str, Any]:
    frames = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    return {"type": type(error).__qualname__, "frames": frames}
