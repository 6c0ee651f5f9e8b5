"""A root key in an environment variable."""

from __future__ import annotations

import os
import re
from typing import Final, Self

from typecase.blocks.errors import KeyUnavailable, SettingsError
from typecase.registry.keys.provider import LocalKey, decode_root_key

DEFAULT_NAME: Final = "TYPECASE_ROOT_KEY"

_URL: Final = re.compile(r"env://([A-Za-z_][A-Za-z0-9_]*)?/?", re.IGNORECASE)


class EnvironmentKey(LocalKey):
    """A root key in an environment variable: `env://NAME`, or `env://` for `TYPECASE_ROOT_KEY`.

    The value is the line of a key file, or 32 bytes in base64 or base64url.
    """

    __slots__ = ()

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read the root key from the variable that `url` names.

        Raises:
            SettingsError: `url` names no variable.
            KeyUnavailable: the variable is not set, or holds no key.

        """
        match = _URL.fullmatch(url)
        if match is None:
            raise SettingsError("The key URL names no environment variable.", hint="Write env://NAME.")
        name = match[1] or DEFAULT_NAME
        if not os.environ.get(name):
            raise KeyUnavailable(
                f"The environment variable {name} with the root key is not set.",
                hint=f"Set {name} to the line of the key file, or choose another key URL.",
                reason="absent",
                name=name,
            )
        secret = decode_root_key(os.environ[name], bare=True)
        if secret is None:
            raise KeyUnavailable(
                f"The environment variable {name} holds no root key.",
                hint="Set it to the whole line of the key file, or to 32 random bytes in base64.",
                reason="malformed",
                name=name,
            )
        return cls(secret)
