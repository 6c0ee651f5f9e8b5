"""Names in a Key Vault. The SDK checks none of them."""

import re
from base64 import b32encode
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

LONGEST: Final = 127

_NAME: Final = re.compile(rf"[0-9A-Za-z-]{{1,{LONGEST}}}")
_VERSION: Final = re.compile(r"[0-9A-Za-z]{1,64}")
_PLAIN: Final = re.compile(r"[0-9a-z]+")
_ILLEGAL: Final = re.compile(r"[^0-9a-z]+")
_MARK: Final = "--"


def is_name(text: str) -> bool:
    """Say whether a secret or key can have this name."""
    return _NAME.fullmatch(text) is not None


def is_version(text: str) -> bool:
    """Say whether a version can be called so."""
    return _VERSION.fullmatch(text) is not None


def name_of(parts: tuple[str, ...]) -> str:
    """Join `parts` to a name that no other parts have, although names are short and ignore case.

    Parts of lower-case letters and digits are joined by `-`. Whatever else they are, what is legal in them is
    followed by `--` and a digest of the parts.
    """
    joined = "-".join(parts)
    if parts and len(joined) <= LONGEST and all(_PLAIN.fullmatch(part) for part in parts):
        return joined
    framed = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    digest = b32encode(sha256(framed).digest()[:16]).decode().rstrip("=").lower()
    readable = _ILLEGAL.sub("-", joined.lower()).strip("-") or "typecase"
    return f"{readable[: LONGEST - len(_MARK) - len(digest)].rstrip('-')}{_MARK}{digest}"


def vault_problem(url: str) -> str:
    """Say what is wrong with the URL of a vault; empty if nothing is."""
    try:
        parts = urlsplit(url)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        return "it is not a URL of the form https://NAME.vault.azure.net"
    if parts.scheme != "https":
        return "a vault speaks https only: write https://NAME.vault.azure.net"
    if (
        not parts.hostname
        or not port_is_one
        or "@" in parts.netloc
        or not re.fullmatch(r"[A-Za-z0-9.:-]+", parts.netloc)
    ):
        return "it is not a URL of the form https://NAME.vault.azure.net"
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        return "leave out what follows the host: https://NAME.vault.azure.net"
    return ""
