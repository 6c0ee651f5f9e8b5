"""CRC32C (Castagnoli), with which Google's services protect what travels."""

from functools import lru_cache
from typing import Final

_POLYNOMIAL: Final = 0x82F63B78
_ALL: Final = 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """Return the CRC32C of `data`.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    table = _table()
    remainder = _ALL
    for byte in data:
        remainder = table[(remainder ^ byte) & 0xFF] ^ (remainder >> 8)
    return remainder ^ _ALL


@lru_cache(maxsize=1)
def _table() -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        entry = byte
        for _ in range(8):
            entry = (entry >> 1) ^ (_POLYNOMIAL if entry & 1 else 0)
        entries.append(entry)
    return tuple(entries)
