"""What a vault's refusal means for a secret."""

from typing import Final

from typecase.blocks.errors import (
    AuthenticationFailed,
    OperationFailed,
    SecretError,
    SecretExpired,
    SecretForbidden,
    SecretNotFound,
    SecretStoreUnreachable,
)
from typecase.integrations.azure.failures import Failure

_UNREACHABLE: Final = {
    "timeout": ("did not answer in time", "Try again, or raise `timeout`; `check()` shows the stage that fails."),
    "connection": ("cannot be reached", "Check the URL, the network and private endpoints; `check()` shows more."),
    "tls": (
        "cannot be trusted: its certificate is not accepted",
        "Name the authority that signed it in `ca_certificates`.",
    ),
    "throttled": ("asks for fewer requests", "Wait, or keep secrets longer in memory with `cache_seconds`."),
    "failed": ("failed", "Try again later; Azure Service Health tells of outages."),
    "malformed answer": (
        "gave an answer that is not one of a Key Vault",
        "Check the URL, proxies on the way, and `verify_challenge_resource` for private endpoints.",
    ),
}
_DENIED: Final = {
    "ForbiddenByFirewall": "The vault's firewall refuses this network: add it, or use a private endpoint.",
    "ForbiddenByConnection": "Public access is off: come through the vault's private endpoint.",
    "ForbiddenByPolicy": "Add the permission to the access policy of this identity.",
    "AccessDenied": "Add the permission to the access policy of this identity.",
}
_ROLE: Final = "Give the identity the role Key Vault Secrets User (to read) or Key Vault Secrets Officer (to write)."
_USABLE: Final = {
    "SecretDisabled": "is disabled",
    "SecretExpired": "has expired",
    "SecretNotYetValid": "is not valid yet",
}


def problem_of(failure: Failure, *, place: str, key: str = "") -> OperationFailed:
    """Return the error that stands for `failure`; its cause is set."""
    problem = _problem(failure, place, f"the secret {key!r}" if key else "its secrets", {"store": place, "key": key})
    problem.__cause__ = failure.cause
    return problem


def _problem(failure: Failure, place: str, what: str, facts: dict[str, str]) -> OperationFailed:
    told = f"{failure.sentence}."
    match failure.kind:
        case "unreachable":
            said, hint = _UNREACHABLE[failure.reason]
            return SecretStoreUnreachable(f"{place} {said}: {told}", hint=hint, reason=failure.reason, **facts)
        case "sign-in":
            message = f"{place} refuses who asks: {told}"
            problem: OperationFailed = AuthenticationFailed(message, hint=failure.advice, **facts)
        case "forbidden" if failure.code in _USABLE:
            problem = unusable(_USABLE[failure.code], place=place, key=facts["key"])
        case "forbidden":
            hint = _DENIED.get(failure.code, _ROLE)
            problem = SecretForbidden(f"{place} does not allow this with {what}: {told}", hint=hint, **facts)
        case "absent":
            problem = absent(place=place, key=facts["key"])
        case "conflict":
            hint = "A deleted secret keeps its name: recover it with `az keyvault secret recover`, or purge it."
            message = f"{place} cannot do this with {what} now: {told}"
            problem = SecretError(message, hint=hint, reason="deleted", **facts)
        case _:
            problem = SecretError(f"{place} refused: {told}", hint="Check key, version and value.", **facts)
    return problem


def unusable(how: str, *, place: str, key: str) -> SecretExpired:
    """Return the error for a secret that is there and `how` (disabled, expired, not valid yet)."""
    hint = "Set a new version with `az keyvault secret set`, or change its attributes with `set-attributes`."
    return SecretExpired(f"The secret {key!r} in {place} {how}.", hint=hint, store=place, key=key)


def absent(*, place: str, key: str, version: str | None = None, recoverable: str = "") -> SecretNotFound:
    """Return the error for a secret that is not there; `recoverable` says until when a deleted one can be recovered."""
    if recoverable:
        hint = "Recover it with `az keyvault secret recover`."
        message = f"The secret {key!r} in {place} was deleted; it can be recovered until {recoverable}."
        return SecretNotFound(message, hint=hint, reason="deleted", store=place, key=key)
    what = f"no version {version!r} of the secret {key!r}" if version else f"no secret {key!r}"
    hint = "`list()` shows the keys. A deleted secret looks absent to an identity that may not see deleted ones."
    return SecretNotFound(f"{place} has {what}.", hint=hint, reason="absent", store=place, key=key)
