"""Why a root key in Azure cannot be used."""

from typing import Final

from typecase.blocks.errors import KeyUnavailable
from typecase.integrations.azure.failures import Failure

_DISABLED: Final = {
    "KeyDisabled": "is disabled",
    "KeyExpired": "has expired",
    "KeyNotYetValid": "is not valid yet",
}
_ROLE: Final = (
    "Give the identity the role Key Vault Crypto Service Encryption User on the key "
    "(Managed HSM Crypto User on a Managed HSM), and check the vault's firewall."
)


def unavailable(failure: Failure, key_id: str, *, place: str) -> KeyUnavailable:
    """Return the error that stands for `failure`; its cause is set."""
    problem = _problem(failure, key_id, place)
    problem.__cause__ = failure.cause
    return problem


def malformed(key_id: str, what: str, *, reason: str = "malformed") -> KeyUnavailable:
    """Return the error for a key that is not fit, or an answer that is not one."""
    hint = "Use an RSA key that may wrapKey and unwrapKey, or a key of a Managed HSM that may encrypt and decrypt."
    return KeyUnavailable(f"The root key {key_id} cannot be used: {what}.", hint=hint, reason=reason)


def _problem(failure: Failure, key_id: str, place: str) -> KeyUnavailable:
    if failure.kind == "absent":
        hint = "Check the key URL. A deleted key comes back with `az keyvault key recover`."
        return KeyUnavailable(f"There is no root key {key_id}.", hint=hint, reason="absent")
    if failure.kind == "forbidden" and failure.code in _DISABLED:
        hint = "Enable it or set its dates: az keyvault key set-attributes --help"
        return KeyUnavailable(f"The root key {key_id} {_DISABLED[failure.code]}.", hint=hint, reason="disabled")
    if failure.kind == "forbidden":
        message = f"{place} does not let this identity use the root key {key_id}: {failure.sentence}."
        return KeyUnavailable(message, hint=_ROLE, reason="forbidden")
    if failure.kind == "sign-in":
        message = f"{place} refuses who asks for the root key {key_id}: {failure.sentence}."
        return KeyUnavailable(message, hint=failure.advice, reason="forbidden")
    if failure.kind == "unreachable":
        message = f"{place} does not answer about the root key {key_id} ({failure.reason}): {failure.sentence}."
        hint = "Check network, proxy, DNS and `ca_certificates`, and try again."
        return KeyUnavailable(message, hint=hint, reason="unreachable")
    return malformed(key_id, failure.sentence)
