"""Cursors of paged lists: opaque to callers, never an offset."""

import base64
import binascii
import json
from typing import Final

from typecase.blocks.errors import InvalidCursor

LONGEST: Final = 1000


def write_cursor(after: str) -> str:
    """Return the cursor that continues a list after the key `after`."""
    return base64.urlsafe_b64encode(json.dumps(["1", after]).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> str | None:
    """Return the key that `cursor` continues after. Raises `InvalidCursor`."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        version, after = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError):
        version = after = None
    if version != "1" or not isinstance(after, str):
        raise _foreign()
    return after


def read_number_cursor(cursor: str | None) -> int | None:
    """As `read_cursor`, for lists whose keys are numbers."""
    after = read_cursor(cursor)
    if after is not None and not (after.isascii() and after.isdecimal()):
        raise _foreign()
    return None if after is None else int(after)


def limited(limit: int) -> int:
    """Return `limit` within 1 to 1000."""
    return min(max(limit, 1), LONGEST)


def _foreign() -> InvalidCursor:
    return InvalidCursor("This cursor is not one of this list.", hint="Begin again without a cursor.")
