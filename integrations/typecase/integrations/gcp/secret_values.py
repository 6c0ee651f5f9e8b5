"""What Secret Manager can keep."""

from typing import Final

from pydantic import SecretBytes, SecretStr

from typecase.blocks.errors import SecretMalformed

LARGEST: Final = 64 * 1024


def content_of(value: SecretStr | SecretBytes, key: str) -> SecretBytes:
    """Return `value` as bytes. Raises `SecretMalformed` for more than 64 KiB and for none."""
    given = value.get_secret_value()
    content = SecretBytes(given.encode() if isinstance(given, str) else given)
    size = len(content)
    del given
    if size > LARGEST:
        message = f"The secret {key!r} has {size} bytes; Secret Manager keeps at most {LARGEST}."
        raise SecretMalformed(message, hint="Keep a key in it, and the data elsewhere.", key=key)
    if not size:
        message = f"The secret {key!r} is empty, which Secret Manager does not keep."
        raise SecretMalformed(message, hint="Delete the secret instead.", key=key)
    return content
