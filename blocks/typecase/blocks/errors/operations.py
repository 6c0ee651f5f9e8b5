"""Errors of the systems that blocks stand for."""

from typecase.blocks.errors.base import TypecaseError


class OperationFailed(TypecaseError):
    """A system that a block stands for refused or failed. The root of errors raised by block methods."""


class ConnectionFailed(OperationFailed, ConnectionError):
    """The system could not be reached."""


class AuthenticationFailed(OperationFailed, PermissionError):
    """The system refused the credentials."""


class ObjectNotFound(OperationFailed, FileNotFoundError):
    """The object store holds nothing under this path."""


class ObjectConflict(OperationFailed, FileExistsError):
    """A conditional write found another state than it expected."""


class InvalidPath(OperationFailed, ValueError):
    """A path is malformed or leads outside the block's root."""


class DeliveryFailed(OperationFailed):
    """A notification was not accepted by the receiver."""


class SecretError(OperationFailed):
    """The root of errors about secrets in a store. `store` and `key` say which; no error carries a value."""


class SecretNotFound(SecretError, LookupError):
    """The store holds nothing under this key, or not in this version. `reason` is `absent` or `deleted`."""


class SecretForbidden(SecretError, PermissionError):
    """The store knows who asks and does not let them see this secret."""


class SecretStoreUnreachable(SecretError, ConnectionError):
    """The store did not answer in time, is sealed, throttles, or fails. `reason` says which."""


class SecretExpired(SecretError):
    """The secret exists and is disabled, past its end, or its lease ran out."""


class SecretMalformed(SecretError, ValueError):
    """The secret is there and is not what was asked for: not text, not JSON, without that field, unfit for it."""


class InvalidSecretKey(SecretError, ValueError):
    """The store cannot have a secret under this key."""
