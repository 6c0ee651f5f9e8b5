"""Azure: credentials, Key Vault secrets, Key Vault keys."""

from typecase.integrations.azure.credentials import AzureCredentials
from typecase.integrations.azure.key import AzureKeyVaultKey
from typecase.integrations.azure.vault import AzureKeyVault

__all__ = ["AzureCredentials", "AzureKeyVault", "AzureKeyVaultKey"]
