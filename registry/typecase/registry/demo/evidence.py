"""The search for secrets in bytes, in the forms in which they leak."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Search:
    """What was searched and what was found: the name of the secret, its form and the place, never its value."""

    scanned: int
    places: int
    found: tuple[str, ...]


def search(secrets: Mapping[str, str], places: Iterable[tuple[str, bytes]]) -> Search:
    """Look for each of `secrets`, by name, in the bytes of `places`."""
    forms = {f"{name} as {form}": data for name, secret in secrets.items() for form, data in forms_of(secret).items()}
    scanned, count, found = 0, 0, []
    for place, content in places:
        scanned += len(content)
        count += 1
        found += [f"{what} in {place}" for what, data in forms.items() if data in content]
    return Search(scanned, count, tuple(found))


def control(secrets: Mapping[str, str]) -> tuple[int, int]:
    """Leak each of `secrets` on purpose in every way; return how many leaks were made and how many `search` finds."""
    leaks = [leak for secret in secrets.values() for leak in _leaks(secret)]
    return len(leaks), sum(bool(search(secrets, [("a leak", leak)]).found) for leak in leaks)


def _leaks(secret: str) -> list[bytes]:
    raw = secret.encode()
    whole = [
        b'{"token": "%b"}' % raw,
        f"token={secret}".encode("utf-16"),
        raw.hex().encode(),
        raw.hex().upper().encode(),
    ]
    inside = [b"x" * shift + raw + b"after" for shift in range(3)]
    return [*whole, *map(base64.b64encode, inside), *map(base64.urlsafe_b64encode, inside)]


def forms_of(secret: str) -> dict[str, bytes]:
    """Return the bytes that `secret` leaves behind in clear, UTF-16, hex and base64, by the form's name."""
    raw = secret.encode()
    forms = {
        "text": raw,
        "UTF-16": secret.encode("utf-16-le"),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
    }
    for shift in range(3):
        # Inside a longer text base64 depends on what precedes: three alignments, without the shared edges.
        padded = b"\0" * shift + raw + b"\0" * (-(shift + len(raw)) % 3)
        start, stop = -(-shift * 8 // 6), (shift + len(raw)) * 8 // 6
        forms[f"base64/{shift}"] = base64.b64encode(padded)[start:stop]
        forms[f"base64url/{shift}"] = base64.urlsafe_b64encode(padded)[start:stop]
    return forms
