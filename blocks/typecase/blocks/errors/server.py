"""Errors about who asks a registry, and how."""

from typecase.blocks.errors.registry import RegistryError


class PermissionDenied(RegistryError, PermissionError):
    """The principal may not do this."""


class SignInRequired(RegistryError, PermissionError):
    """The registry does not know who asks: there is no token, or it is not valid, expired or revoked."""


class LinkUnusable(RegistryError, PermissionError):
    """A one-time link was used, has expired, or is none."""


class PrincipalNotFound(RegistryError, LookupError):
    """No person and no service account has this name."""


class PrincipalExists(RegistryError):
    """A person or a service account has this name already."""


class AccessNotFound(RegistryError, LookupError):
    """There is no such role or token to take away."""


class InvalidAccess(RegistryError, ValueError):
    """What was said of a principal, a role or a token breaks a rule."""


class WeakPassword(RegistryError, ValueError):
    """A password breaks a rule. The rule is in the message, never the password."""


class LastAdmin(RegistryError):
    """Nobody would be left who may change who may do what."""


class TooManyRequests(RegistryError):
    """The registry was asked more often than it allows. `retry_after` is in seconds."""

    retry_after: float


class RequestConflict(RegistryError, ValueError):
    """An idempotency key was used for another request."""


class InvalidRequest(RegistryError, ValueError):
    """A request is not what the registry takes. `problems` holds (path, rule, sentence), never input."""

    problems: tuple[tuple[str, str, str], ...]


class PreconditionRequired(RegistryError, ValueError):
    """A change does not say which revision it was made from, and might undo what another has written since."""


class RequestTimeout(RegistryError):
    """A request did not arrive in time."""


class RequestTooLarge(RegistryError, ValueError):
    """A request is larger, or more deeply nested, than the registry takes."""


class AuditUnavailable(RegistryError):
    """What happens could not be written down, so it did not happen. `reason` says why."""
