"""Faults of Cloud KMS, and keys that cannot serve, as `KeyUnavailable`."""

from typing import Any, Final

from typecase.blocks.errors import KeyUnavailable
from typecase.integrations.gcp.faults import Fault, Meaning

_ROLE: Final = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
_ENABLE: Final = "Enable the version with `gcloud kms keys versions enable`, or make an enabled one the primary."
_RESTORE: Final = "Restore it while it is scheduled for destruction: `gcloud kms keys versions restore`."


def unavailable(fault: Fault, name: str) -> KeyUnavailable:
    """Return the error for `fault` of the key `name`."""
    sentences = {
        Meaning.ABSENT: ("absent", "There is no key {}: {}.", "Check project, location, key ring and key."),
        Meaning.DELETED: ("destroyed", "A version of {} is destroyed: {}.", _RESTORE),
        Meaning.DISABLED: ("disabled", "{} is disabled: {}.", _ENABLE),
        Meaning.FORBIDDEN: ("forbidden", "This process may not use {}: {}.", f"Grant it {_ROLE} on the key."),
        Meaning.REFUSED: ("forbidden", "Google refused the sign-in for {}: {}.", "Check the machine's identity."),
        Meaning.UNREACHABLE: ("unreachable", "Cloud KMS did not answer about {}: {}.", "Try again."),
    }
    reason, message, hint = sentences.get(
        fault.meaning, ("malformed", "Cloud KMS refused the request about {}: {}.", "Check the key URL.")
    )
    return _error(name, reason, message.format(name, fault.text), fault.hint or hint)


def usable(key: Any, name: str) -> None:
    """See that a described key can wrap and unwrap. Raises `KeyUnavailable`."""
    with_purpose = key.purpose.name
    if with_purpose != "ENCRYPT_DECRYPT":
        hint = "Make a key with `--purpose=encryption`."
        raise _error(name, "malformed", f"{name} is a key for {with_purpose}, not for encryption.", hint)
    state = key.primary.state.name if key.primary.name else "absent"
    if state == "ENABLED":
        return
    if state.startswith("DESTROY"):
        raise _error(name, "destroyed", f"The primary version of {name} is {state}.", _RESTORE)
    raise _error(name, "disabled", f"The primary version of {name} is {state}.", _ENABLE)


def _error(name: str, reason: str, message: str, hint: str) -> KeyUnavailable:
    return KeyUnavailable(message, hint=hint, reason=reason, name=name)
