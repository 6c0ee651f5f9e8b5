"""Random codes with a prefix and a checksum: tokens, links, cookies.

A code is `prefix + 43 characters + 6 characters`: 32 random bytes and the CRC-32 of all before it, both in base 62.
A token is `tcs_[0-9A-Za-z]{49}`: a scanner that finds one can tell from the checksum that it is no other text.
"""

import re
from enum import StrEnum
from secrets import token_bytes
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Final
from zlib import crc32

_DIGITS: Final = digits + ascii_uppercase + ascii_lowercase
_BODY: Final = 43
_CHECKSUM: Final = 6
_REST: Final = re.compile(rf"[0-9A-Za-z]{{{_BODY + _CHECKSUM}}}")


class Prefix(StrEnum):
    """What a code is for."""

    TOKEN = "tcs_"  # noqa: S105 - how tokens begin, not one
    SESSION = "tcb_"
    LINK = "tcl_"


def new_code(prefix: Prefix) -> str:
    """Return a new random code."""
    body = prefix + _encode(int.from_bytes(token_bytes(32)), _BODY)
    return body + _checksum(body)


def is_code(prefix: Prefix, text: str) -> bool:
    """Tell whether `text` has the form of a code and the right checksum. Needs no database."""
    if not text.startswith(prefix) or not _REST.fullmatch(text, len(prefix)):
        return False
    return _checksum(text[:-_CHECKSUM]) == text[-_CHECKSUM:]


def _checksum(text: str) -> str:
    return _encode(crc32(text.encode()), _CHECKSUM)


def _encode(number: int, length: int) -> str:
    found: list[str] = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        found.append(_DIGITS[digit])
    return "".join(reversed(found))
