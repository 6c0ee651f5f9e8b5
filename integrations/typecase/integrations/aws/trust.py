"""What AWS sign-ins read from files: certificate authorities, web identity tokens."""

from pathlib import Path
from typing import TYPE_CHECKING

from typecase.blocks.errors import AuthenticationFailed
from typecase.blocks.kinds.private_files import private_file

if TYPE_CHECKING:
    from typecase.integrations.aws.credentials import AwsCredentials


def verification(block: "AwsCredentials") -> str | bool | None:
    """Return botocore's `verify`: None = its own certificate authorities."""
    if not block.verify_tls:
        return False
    text = block.ca_bundle
    return private_file(text) if text is not None and "-----BEGIN" in text else text


def read_token(path: str) -> str:
    """Return the web identity token in a file. Raises `AuthenticationFailed`."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = (
            f"The web identity token {path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}."
        )
    raise AuthenticationFailed(message, hint="Check the path, and that the platform mounts the token.")
