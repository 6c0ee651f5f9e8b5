"""Values on their way into a Key Vault and out of it."""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from pydantic import SecretBytes, SecretStr

from typecase.blocks.errors import SecretMalformed, SecretStoreUnreachable
from typecase.blocks.kinds.secret_store import SecretValue
from typecase.integrations.azure.secret_errors import unusable

if TYPE_CHECKING:
    from azure.keyvault.secrets import KeyVaultSecret

LARGEST: Final = 25 * 1024


def value_of(secret: "KeyVaultSecret", *, place: str, now: datetime) -> SecretValue:
    """Return the value of `secret` if it is enabled and within its dates, which the service itself does not ask."""
    about = secret.properties
    name = str(about.name)
    if about.enabled is False:
        raise unusable("is disabled", place=place, key=name)
    if about.not_before is not None and now < about.not_before:
        raise unusable(f"is not valid yet, but from {about.not_before:%Y-%m-%d %H:%M} UTC", place=place, key=name)
    if about.expires_on is not None and about.expires_on <= now:
        raise unusable(f"expired on {about.expires_on:%Y-%m-%d %H:%M} UTC", place=place, key=name)
    if not isinstance(secret.value, str):
        message = f"{place} answered about the secret {name!r} without its value."
        hint = "Check the URL and proxies on the way."
        raise SecretStoreUnreachable(message, hint=hint, reason="malformed answer", store=place, key=name)
    return SecretValue(secret.value, version=about.version, expires_at=about.expires_on)


def text_of(value: SecretStr | SecretBytes, *, place: str, key: str) -> SecretStr:
    """Return `value` as the text that a Key Vault can hold. Raises `SecretMalformed`."""
    content = value.get_secret_value()
    problem = ""
    if isinstance(content, str):
        size = len(content.encode("utf-8", "surrogatepass"))
        problem = "" if _encodes(content) else "is no valid Unicode"
    else:
        size = len(content)
        problem = "" if _decodes(content) else "is binary, and a Key Vault holds text only"
    if size > LARGEST:
        problem = f"has {size} bytes, and a Key Vault holds at most {LARGEST}"
    if size == 0:
        problem = "is empty"
    if problem:
        hint = "Encode it (base64), split it, or choose another store."
        raise SecretMalformed(f"The value for {key!r} {problem}.", hint=hint, store=place, key=key)
    return value if isinstance(value, SecretStr) else SecretStr(value.get_secret_value().decode())


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _decodes(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
