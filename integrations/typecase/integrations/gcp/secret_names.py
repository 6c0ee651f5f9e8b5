"""Names of secrets and versions in Secret Manager."""

import re
from typing import Final

from typecase.blocks.errors import InvalidSecretKey

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_VERSION: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")
_FOREIGN: Final = re.compile(
    r"_(?=x)"  # what begins an escape
    r"|(?<![^-])-|-(?![^-])"  # a hyphen beside another or at an end: two of them part
    r"|[^A-Za-z0-9_-]"
)
_SHOWN: Final = 80


def key_of_parts(parts: tuple[str, ...]) -> str:
    """Join `parts` by `--`; what a name cannot hold becomes `_x` and its UTF-8 in hex. Distinct parts stay distinct.

    >>> key_of_parts(("prod", "shop-db", "user.name"))
    'prod--shop-db--user_x2e_name'
    """
    key = "--".join(_FOREIGN.sub(lambda found: f"_x{found[0].encode().hex()}_", part) for part in parts)
    return checked_key(key)


def checked_key(key: str) -> str:
    """Return `key` if a secret can have it. Raises `InvalidSecretKey`."""
    if _KEY.fullmatch(key) is None:
        raise InvalidSecretKey(
            f"Secret Manager has no secret named {key[:_SHOWN]!r}.",
            hint="Names are 1 to 255 letters, digits, - and _. `key_of()` makes one out of parts.",
            key=key,
        )
    return key


def checked_version(version: str | None, key: str) -> str:
    """Return the version to ask for, `latest` for None. Raises `InvalidSecretKey`."""
    if version is None:
        return "latest"
    if _VERSION.fullmatch(version) is None:
        raise InvalidSecretKey(
            f"The secret {key!r} has no version {version[:_SHOWN]!r}.",
            hint="A version is a number, an alias, or `latest`.",
            key=key,
        )
    return version


def can_start_a_key(prefix: str) -> bool:
    """Tell whether any secret can have a name that starts with `prefix`."""
    return not prefix or _KEY.fullmatch(prefix) is not None
