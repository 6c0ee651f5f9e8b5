"""Google Cloud: credentials, Secret Manager, and Cloud KMS as root key."""

from typecase.integrations.gcp.credentials import GcpCredentials
from typecase.integrations.gcp.kms import GcpKmsKey
from typecase.integrations.gcp.secret_manager import GcpSecretManager

__all__ = ["GcpCredentials", "GcpKmsKey", "GcpSecretManager"]
