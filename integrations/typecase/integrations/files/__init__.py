"""Files of a folder as a secret store: what Docker, Kubernetes and a local `.env` give a process."""

from typecase.integrations.files.store import SecretFiles

__all__ = ["SecretFiles"]
