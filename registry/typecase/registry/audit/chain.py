"""The chain: each event's hash covers every part of it and the hash before it.

A hash is SHA-256 over parts, each with its length in eight bytes before it: a label, the hash before, number, time in
UTC to the microsecond, principal, action, outcome, workspace, document id, document, facts as canonical JSON. The first
event's hash before is that of a label and the registry's id: no other registry's chain fits.
"""

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Final

_EVENT: Final = b"typecase-audit-event-1"
_BEGINNING: Final = b"typecase-audit-beginning-1"


def beginning(registry_id: str) -> bytes:
    """Return what the first event's hash follows."""
    return _hash((_BEGINNING, registry_id.encode()))


def link(before: bytes, number: int, at: datetime, texts: Iterable[str]) -> bytes:
    """Return the hash of an event; `at` is in UTC, `texts` are its parts from `principal` to `facts`, as stored."""
    stamp = at.replace(tzinfo=None).isoformat(timespec="microseconds")
    return _hash((_EVENT, before, b"%d" % number, stamp.encode(), *[text.encode() for text in texts]))


def _hash(parts: Iterable[bytes]) -> bytes:
    return sha256(b"".join([len(part).to_bytes(8) + part for part in parts])).digest()
