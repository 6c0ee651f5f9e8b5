"""The bytes of a data key that a Key Vault key wrapped: which key and version, how, and what the service gave."""

import re
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Final, Self

from typecase.blocks.errors import DecryptionFailed
from typecase.integrations.azure.names import is_version

FORMAT: Final = 1
DIGEST: Final = 32
IV: Final = 12
TAG: Final = 16

_DOMAIN: Final = b"typecase/azure-key-vault/1"
_KEY_ID: Final = re.compile(r"https://([^/]+)/keys/([0-9A-Za-z-]{1,127})/([0-9A-Za-z]{1,64})")


class How(IntEnum):
    """How the service wrapped: with the public half of an RSA key, or with AES and authenticated further data."""

    RSA_OAEP_256 = 1
    A256GCM = 2


@dataclass(frozen=True, slots=True)
class Wrapped:
    """`format | how | length of the key id | key id with version | what the service gave`."""

    how: How
    key_id: str
    content: bytes

    @property
    def header(self) -> bytes:
        """Everything before the content."""
        name = self.key_id.encode()
        return bytes((FORMAT, self.how)) + len(name).to_bytes(2, "big") + name

    def __bytes__(self) -> bytes:
        """Return the whole."""
        return self.header + self.content

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read what `bytes()` made. Raises `DecryptionFailed`."""
        size = int.from_bytes(data[2:4], "big")
        name = data[4 : 4 + size]
        if len(data) <= 4 + size or data[0] != FORMAT or data[1] not in {How.RSA_OAEP_256, How.A256GCM}:
            raise not_ours()
        try:
            key_id = name.decode("ascii")
        except UnicodeDecodeError:
            raise not_ours() from None
        return cls(How(data[1]), key_id, data[4 + size :])


def bound(header: bytes, context: tuple[bytes, ...]) -> bytes:
    """Join header and context so that no others give the same bytes."""
    parts = (_DOMAIN, header, *context)
    return len(parts).to_bytes(4, "big") + b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def digest_of(header: bytes, context: tuple[bytes, ...]) -> bytes:
    """Return what binds a data key to header and context where the service takes no further data."""
    return sha256(bound(header, context)).digest()


def split_key_id(key_id: str) -> tuple[str, str, str] | None:
    """Return host, name and version of a key id, None if it is none."""
    match = _KEY_ID.fullmatch(key_id)
    if match is None or not is_version(match[3]):
        return None
    return match[1].lower().removesuffix(":443"), match[2].lower(), match[3]


def not_ours() -> DecryptionFailed:
    """Return the error for what cannot be unwrapped."""
    return DecryptionFailed(
        "The wrapped data key is damaged, was moved, or was wrapped by another root key.",
        hint="Check the key URL, and that the database and the key belong together.",
    )
