"""HashiCorp Vault."""

from typecase.integrations.hashicorp.sign_in import AppRoleSignIn, JwtSignIn, KubernetesSignIn, TokenSignIn
from typecase.integrations.hashicorp.transit import VaultTransitKey
from typecase.integrations.hashicorp.vault import HashiCorpVault

__all__ = ["AppRoleSignIn", "HashiCorpVault", "JwtSignIn", "KubernetesSignIn", "TokenSignIn", "VaultTransitKey"]
