"""Calls to AWS KMS, and the errors of root keys there."""

from typing import Any, Final

from typecase.blocks.errors import (
    AuthenticationFailed,
    DecryptionFailed,
    KeyUnavailable,
    SettingsError,
    TypecaseError,
)
from typecase.blocks.kinds.sql_errors import raise_alone
from typecase.integrations.aws.credentials import AwsCredentials
from typecase.integrations.aws.faults import Meaning, fault_of
from typecase.integrations.aws.sign_in import sign_out, signed_in
from typecase.integrations.aws.wire import quiet

_REASONS: Final = {
    Meaning.SIGN_IN: ("forbidden", "KMS refuses who asks", "Check the credentials of this process."),
    Meaning.FORBIDDEN: (
        "forbidden",
        "KMS does not allow this",
        "Allow kms:DescribeKey, kms:Encrypt and kms:Decrypt on it, in IAM and in the key's own policy.",
    ),
    Meaning.ABSENT: ("absent", "KMS does not have this key", "Check the id, the region and the account."),
    Meaning.DISABLED: ("disabled", "KMS does not use this key now", "Enable it, or cancel its deletion."),
    Meaning.UNREACHABLE: ("unreachable", "KMS does not answer", "Try again; nothing is damaged."),
    Meaning.NO_REGION: ("malformed", "KMS cannot be found", "Add ?region=... to the key URL, or set AWS_REGION."),
}
_OTHER: Final = ("malformed", "KMS refuses this key", "Use a symmetric key for encryption and decryption.")


def call(credentials: AwsCredentials, name: str, operation: str, **parameters: Any) -> dict[str, Any]:
    """Call KMS. Raises `KeyUnavailable`, or `DecryptionFailed` where KMS found damage."""
    __tracebackhide__ = True
    try:
        with quiet():
            client = signed_in(credentials).client("kms", None, credentials.timeout, credentials.attempts)
            answer: dict[str, Any] = getattr(client, operation)(**parameters)
            return answer
    except Exception as error:  # noqa: BLE001 - whatever the SDK raises has frames that hold the data key
        problem = _problem(name, error, parameters.get("Plaintext", b""))
    if getattr(problem, "reason", "") == "forbidden":
        sign_out(credentials)  # what a process remembers may be what was refused
    del parameters
    return raise_alone(problem)


def _problem(name: str, error: Exception, hidden: bytes) -> TypecaseError:
    """Return the error for what the SDK raised; `DecryptionFailed` only where KMS itself found damage."""
    if isinstance(error, AuthenticationFailed):
        return unavailable(name, "forbidden", error.message.rstrip("."), error.hint)
    if isinstance(error, TypecaseError):
        return error.with_traceback(None)
    fault = fault_of(error, [hidden])
    if fault.meaning is Meaning.DAMAGED:
        return DecryptionFailed("KMS cannot decrypt this.")
    reason, what, hint = _REASONS.get(fault.meaning, _OTHER)
    if fault.meaning is Meaning.NO_REGION:
        return SettingsError(f"{what}: {fault.text}.", hint=hint)
    text = f"{what}: {fault.text}" + (f" ({fault.reason})" if fault.reason else "")
    problem = unavailable(name, reason, text, hint)
    problem.__cause__ = fault.cause
    return problem


def unavailable(name: str, reason: str, text: str, hint: str, *, state: str = "") -> KeyUnavailable:
    """Return the error for the root key `name`; `state` is what KMS says of it."""
    message = f"The root key {name} in AWS KMS cannot be used: {text}."
    return KeyUnavailable(message, hint=hint, reason=reason, name=name, state=state)


def not_kms(name: str) -> KeyUnavailable:
    """Return the error for an answer that does not say what it should."""
    return unavailable(name, "unreachable", "what answers is not KMS", "Check the endpoint of the key URL.")


def damaged(key_id: str) -> DecryptionFailed:
    """Return the error for a wrapped key that the root key `key_id` does not open."""
    return DecryptionFailed(
        "A wrapped key is damaged, was moved, or belongs to another root key.",
        hint=f"The root key at hand is {key_id}; use the one that wrapped it.",
    )
