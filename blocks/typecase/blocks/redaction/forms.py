"""The spellings under which one secret may appear in a text."""

import base64
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import quote, quote_plus, unquote, urlsplit

MINIMUM_SECRET = 4
MINIMUM_ENCODED = 6
MINIMUM_LINE = 16

_SAFE_SETS = ("", "/", " +", "!$&'()*+,;=:", "!$&'()*+,;=:@/")
_ARMOUR = "-----"


class Form(NamedTuple):
    """A text to look for, and how many characters on each side hold further bits of the secret."""

    text: str
    before: int = 0
    after: int = 0


def forms_of(secret: str | bytes) -> Iterator[Form]:
    """Yield every form of `secret`, with repetitions; nothing for a secret that is too short to mask."""
    for value in _parts(secret):
        if len(value.strip()) < MINIMUM_SECRET:
            continue
        texts, octets = _views(value)
        for text in texts:
            yield from map(Form, _spellings(text))
            for line in _lines(text):
                yield from map(Form, _spellings(line))
        for chunk in octets:
            yield from map(Form, _reprs(repr(chunk)[2:-1]))
            yield from map(Form, _quoted(chunk))
            yield from _encoded(chunk)


def _parts(secret: str | bytes) -> Iterator[str | bytes]:
    """Yield the secret, the secret without surrounding white space, and the password of a URL."""
    yield secret
    stripped = secret.strip()
    if len(stripped) < len(secret):
        yield stripped
    if isinstance(secret, str) and "://" in secret:
        try:
            password = urlsplit(secret).password
        except ValueError:
            return
        if password:
            yield password
            yield unquote(password)


def _views(value: str | bytes) -> tuple[set[str], set[bytes]]:
    """Return the secret as text and as bytes, in the charsets that clients use."""
    if isinstance(value, bytes):
        try:
            return {value.decode()}, {value}
        except UnicodeDecodeError:
            return set(), {value}
    octets = {value.encode("utf-8", "surrogatepass")}
    if not value.isascii():
        # HTTP Basic clients send latin-1.
        with suppress(UnicodeEncodeError):
            octets.add(value.encode("latin-1"))
    return {value}, octets


def _spellings(text: str) -> set[str]:
    """Return `text` and its escapes, and the escapes of those: a repr inside a JSON string."""
    once = {text, *_escapes(text)}
    if len(once) == 1:
        return once
    return once.union(*map(_escapes, once))


def _escapes(text: str) -> set[str]:
    import json

    found = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    for body in (repr(text)[1:-1], ascii(text)[1:-1]):
        found |= _reprs(body)
    return found


def _reprs(body: str) -> set[str]:
    """Return `body` of a repr as it reads in one with other quotes: what surrounds the secret picks them."""
    plain = body.replace("\\'", "'")
    return {body, plain, plain.replace("'", "\\'")}


def _lines(text: str) -> Iterator[str]:
    lines = text.splitlines()
    if len(lines) > 1:
        for line in map(str.strip, lines):
            if len(line) >= MINIMUM_LINE and not line.startswith(_ARMOUR):
                yield line


def _quoted(chunk: bytes) -> Iterator[str]:
    for safe in _SAFE_SETS:
        for text in (quote(chunk, safe=safe), quote_plus(chunk, safe=safe)):
            yield text
            if "%" in text:
                yield _lower_percent(text)


def _lower_percent(text: str) -> str:
    head, *rest = text.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in rest)])


def _encoded(chunk: bytes) -> Iterator[Form]:
    digits = chunk.hex()
    if len(digits) >= MINIMUM_ENCODED:
        yield Form(digits)
        yield Form(digits.upper())
    for offset in range(3):
        size = 8 * (offset + len(chunk))
        first, last = -(-8 * offset // 6), size // 6
        if last - first < MINIMUM_ENCODED:
            continue
        # The characters at both edges share their six bits with the neighbours of the secret.
        before, after = int(offset > 0), int(size % 6 > 0)
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield Form(encode(bytes(offset) + chunk)[first:last].decode(), before, after)
