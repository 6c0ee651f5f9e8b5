"""Root keys: where they are kept and how they wrap data keys."""

from typecase.blocks.key_provider import KeyProvider
from typecase.registry.keys.environment import EnvironmentKey
from typecase.registry.keys.file import FileKey
from typecase.registry.keys.keyring import KeyringKey
from typecase.registry.keys.provider import LocalKey, create_key, open_key

__all__ = ["EnvironmentKey", "FileKey", "KeyProvider", "KeyringKey", "LocalKey", "create_key", "open_key"]
