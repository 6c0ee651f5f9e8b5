"""The key provider: what wraps the data keys of a registry. Packages declare theirs under `typecase.keys`."""

from abc import ABC, abstractmethod
from typing import ClassVar, Self


class KeyProvider(ABC):
    """A root key that wraps data keys and never leaves its place."""

    __slots__ = ()

    can_create: ClassVar[bool] = False
    """Whether `create` can make a new root key."""

    @property
    @abstractmethod
    def id(self) -> str:
        """The fingerprint of the root key: the same for the same key, and no help in guessing it."""

    @abstractmethod
    def wrap(self, plaintext: bytes, *, context: tuple[bytes, ...]) -> bytes:
        """Encrypt a data key for the place that `context` names."""

    @abstractmethod
    def unwrap(self, wrapped: bytes, *, context: tuple[bytes, ...]) -> bytes:
        """Decrypt what `wrap` made for the same context.

        Raises:
            DecryptionFailed: damaged, moved, or wrapped by another root key.

        """

    @classmethod
    @abstractmethod
    def from_url(cls, url: str) -> Self:
        """Open the root key that `url` names.

        Raises:
            SettingsError: `url` does not name a place.
            KeyUnavailable: there is no usable key in that place; `reason` says why.

        """

    @classmethod
    def create(cls, url: str) -> Self:
        """Open the root key that `url` names, and make one first if there is none and `can_create` is true.

        Raises:
            SettingsError: `url` does not name a place.
            KeyUnavailable: there is no usable key in that place and none can be made.

        """
        return cls.from_url(url)
