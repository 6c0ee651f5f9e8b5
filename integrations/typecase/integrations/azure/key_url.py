"""URLs of Key Vault keys as root keys."""

from dataclasses import replace
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from typecase.blocks.errors import InvalidBlock, SettingsError
from typecase.integrations.azure.clients import Access
from typecase.integrations.azure.credentials import AzureCredentials
from typecase.integrations.azure.names import is_name, is_version
from typecase.integrations.azure.vault import AzureKeyVault

_FORM: Final = "Write azurekeyvault://NAME.vault.azure.net/keys/KEY, with /VERSION after it to pin one."
_IDENTITY: Final = frozenset(
    {"method", "tenant_id", "client_id", "token_file", "authority", "disable_instance_discovery"}
)
_VAULT: Final = frozenset({"ca_certificates", "verify_challenge_resource", "timeout", "attempts", "deadline"})


class KeyPlace(NamedTuple):
    """Where a key is: how to get there, its name, and the version if one is pinned."""

    access: Access
    name: str
    version: str | None


def place_of(url: str) -> KeyPlace:
    """Read `azurekeyvault://HOST/keys/KEY[/VERSION][?option=value]`. Raises `SettingsError`."""
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise SettingsError("The key URL names no key of a Key Vault.", hint=_FORM) from None
    match parts.path.removesuffix("/").split("/"):
        case ["", "keys", name]:
            version = None
        case ["", "keys", name, version] if is_version(version):
            pass
        case _:
            raise SettingsError("The key URL names no key of a Key Vault.", hint=_FORM)
    if not is_name(name) or parts.fragment:
        raise SettingsError("The key URL names no key of a Key Vault.", hint=_FORM)
    if unknown := sorted(options.keys() - _IDENTITY - _VAULT):
        known = ", ".join(sorted(_IDENTITY | _VAULT))
        hint = f"It takes {known}. A client secret comes from AZURE_CLIENT_SECRET, never from the URL."
        raise SettingsError(f"The key URL has options that it cannot have: {', '.join(unknown)}.", hint=hint)
    return KeyPlace(_access(f"https://{parts.netloc}", options), name, version)


def _access(vault_url: str, options: dict[str, str]) -> Access:
    shared: dict[str, Any] = {
        name: options[name] for name in ("ca_certificates", "timeout", "attempts", "deadline") if name in options
    }
    identity: dict[str, Any] = {name: value for name, value in options.items() if name in _IDENTITY}
    vault: dict[str, Any] = {name: value for name, value in options.items() if name in _VAULT}
    try:
        block = AzureKeyVault(vault_url=vault_url, credentials=AzureCredentials(**identity, **shared), **vault)
    except InvalidBlock as error:
        problems = "; ".join(f"{path}: {sentence}" for path, _, sentence in error.problems)
        raise SettingsError(f"The key URL is not valid: {problems}.", hint=_FORM) from None
    return replace(block.access, service="keys")
