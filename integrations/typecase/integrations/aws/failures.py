"""Typecase's errors for what AWS refuses."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from typecase.blocks.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    InvalidSecretKey,
    OperationFailed,
    SecretError,
    SecretExpired,
    SecretForbidden,
    SecretMalformed,
    SecretNotFound,
    SecretStoreUnreachable,
    TypecaseError,
)
from typecase.blocks.redaction import secret_values
from typecase.integrations.aws.faults import Fault, Meaning, fault_of

if TYPE_CHECKING:
    from typecase.integrations.aws.credentials import AwsCredentials
    from typecase.integrations.aws.store import AwsStore

NO_REGION: Final = "Give the block a region, or set AWS_REGION."
_SIGN_IN: Final = "`check()` of the credentials shows as whom they sign in, or why they do not."
_SEARCHED: Final = "no keys, profile, web identity, or role of a pod, task, function or machine"

_SECRETS: Final[dict[Meaning, tuple[type[TypecaseError], str, str, str]]] = {
    Meaning.SIGN_IN: (AuthenticationFailed, "{title} refused who asks: {text}.", _SIGN_IN, ""),
    Meaning.FORBIDDEN: (
        SecretForbidden,
        "{title} does not allow this with {secret}: {text}.",
        "{permissions}",
        "",
    ),
    Meaning.ABSENT: (
        SecretNotFound,
        "{title} does not have {secret}.",
        "Check the name, the region and the account: `list()` shows what there is.",
        "absent",
    ),
    Meaning.DELETED: (
        SecretNotFound,
        "{title} has deleted {secret}.",
        "Restore it with the AWS console, or use another name.",
        "deleted",
    ),
    Meaning.DISABLED: (
        SecretExpired,
        "{title} cannot open {secret}: {text}.",
        "Enable the KMS key with which it is encrypted.",
        "",
    ),
    Meaning.UNREACHABLE: (
        SecretStoreUnreachable,
        "{title} does not answer: {text} ({reason}).",
        "Try again; `check()` shows the stage that fails.",
        "{reason}",
    ),
    Meaning.MALFORMED: (InvalidSecretKey, "{title} refuses {secret} as it is: {text}.", "{naming}", ""),
    Meaning.NO_REGION: (SecretError, "{title} cannot be found: {text}.", NO_REGION, ""),
}
_REFUSED: Final = (SecretError, "{title} refused {secret}: {text}.", "Read what AWS says.", "")


def sign_in_error(block: "AwsCredentials", error: Exception | None) -> TypecaseError:
    """Return the error for credentials that do not work; None = the chain found none."""
    if isinstance(error, TypecaseError):
        return error.with_traceback(None)
    if error is None:
        message = f"The SDK found no AWS credentials: {_SEARCHED}."
        return AuthenticationFailed(message, hint="Give the block keys, a profile or a role.")
    fault = fault_of(error, secret_values(block))
    if fault.meaning is Meaning.UNREACHABLE:
        message = f"AWS cannot be asked for credentials: {fault.text} ({fault.reason})."
        problem: TypecaseError = ConnectionFailed(message, hint="Try again; `check()` shows the stage that fails.")
    elif fault.meaning is Meaning.NO_REGION:
        problem = OperationFailed(f"The client cannot be made: {fault.text}.", hint=NO_REGION)
    elif fault.meaning in {Meaning.SIGN_IN, Meaning.FORBIDDEN}:
        problem = AuthenticationFailed(f"AWS refused the sign-in: {fault.text}.", hint=_SIGN_IN)
    else:
        problem = OperationFailed(f"AWS refused: {fault.text}.", hint="Check the block's fields.")
    problem.__cause__ = fault.cause
    return problem


def secret_error(
    store: "AwsStore", error: Exception, *, key: str, version: str | None, hidden: Sequence[str | bytes]
) -> TypecaseError:
    """Return the error of a secret store for what one call raised."""
    if isinstance(error, TypecaseError):
        return error.with_traceback(None)
    fault = fault_of(error, [*secret_values(store), *hidden])
    cls, message, hint, reason = _told(store, fault, key, version)
    facts = {"reason": reason} if reason else {}
    problem = cls(message, hint=hint, store=store.slug, key=key, code=fault.code, **facts)
    problem.__cause__ = fault.cause
    return problem


def _told(store: "AwsStore", fault: Fault, key: str, version: str | None) -> tuple[type[TypecaseError], str, str, str]:
    """Return the error's class, message and hint, and its `reason`, which is empty where it has none."""
    cls, message, hint, reason = _SECRETS.get(fault.meaning, _REFUSED)
    facts = {
        "title": store.title,
        "secret": f"the secret {key!r}" + (f" in version {version!r}" if version is not None else ""),
        "text": fault.text,
        "reason": fault.reason,
        "permissions": store.permissions,
        "naming": store.naming,
    }
    return cls, message.format(**facts), hint.format(**facts), reason.format(**facts)


def malformed_answer(store: "AwsStore", key: str) -> SecretStoreUnreachable:
    """Return the error for an answer that does not say what it should."""
    message = f"{store.title} does not answer as AWS does."
    hint = "Check the endpoint, and proxies on the way."
    return SecretStoreUnreachable(message, hint=hint, store=store.slug, key=key, reason="malformed answer")


def malformed_secret(store: "AwsStore", key: str, what: str, hint: str) -> SecretMalformed:
    """Return the error for a value that the store cannot hold; `what` does not show it."""
    message = f"{store.title} cannot hold this under {key!r}: {what}."
    return SecretMalformed(message, hint=hint, store=store.slug, key=key)
