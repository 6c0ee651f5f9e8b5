"""What Vault's answers mean for a secret, said once, at the edge, without the frames that held tokens."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, Final, NoReturn, ParamSpec, TypeVar, cast

from typecase.blocks.errors import (
    AuthenticationFailed,
    SecretError,
    SecretForbidden,
    SecretMalformed,
    SecretNotFound,
    SecretStoreUnreachable,
    TypecaseError,
)
from typecase.blocks.redaction import clean_cause
from typecase.integrations.hashicorp.answers import NoAnswer, Refused, SignInRefused

if TYPE_CHECKING:
    from typecase.integrations.hashicorp.vault import HashiCorpVault

V = TypeVar("V", bound="HashiCorpVault")
P = ParamSpec("P")
R = TypeVar("R")

STORE: Final = "hashicorp-vault"

_ADVICE: Final = {
    "timeout": "Try again, or allow a longer timeout; `check()` shows the stage that fails.",
    "connection": "Check address, network and proxy; `check()` shows the stage that fails.",
    "tls": "Check ca_cert (or VAULT_CACERT), server_name and the client certificate.",
    "throttled": "Try again later, or allow a longer deadline: Vault's quota is used up.",
    "sealed": "Unseal it: `vault operator unseal`.",
    "failed": "Look into Vault's log; `vault status` shows its state.",
    "malformed answer": "Check that the address is that of a Vault and not of a proxy or login page before it.",
}


def told(method: Callable[Concatenate[V, P], R]) -> Callable[Concatenate[V, P], R]:
    """Make `method` raise Typecase's errors only, from a frame that holds no token and no value."""

    @wraps(method)
    def call(self: V, *args: P.args, **options: P.kwargs) -> R:
        __tracebackhide__ = True
        try:
            return method(self, *args, **options)
        except Exception as error:  # noqa: BLE001 - whatever is raised has frames that hold tokens
            key = args[0] if args and isinstance(args[0], str) else ""
            problem = failure(error, key=key, place=self.address or "the address in VAULT_ADDR")
        del args, options
        raise_alone(problem)

    return cast("Callable[Concatenate[V, P], R]", call)


def raise_alone(problem: BaseException) -> NoReturn:
    """Raise `problem` without the exception that is being handled as its context."""
    __tracebackhide__ = True
    try:
        raise problem
    finally:
        problem.__context__ = None


def failure(error: Exception, *, key: str, place: str) -> TypecaseError:
    """Return the error that stands for `error`; an error of Typecase stands for itself."""
    if isinstance(error, TypecaseError):
        if isinstance(error, SecretError):
            vars(error).update({"store": STORE, "key": key, **vars(error)})
        return error.with_traceback(None)
    facts = {"store": STORE, "key": key}
    vault = f"Vault at {place}"
    if isinstance(error, NoAnswer):
        message = f"{vault} cannot be reached: {error.text}."
        return SecretStoreUnreachable(message, hint=_ADVICE.get(error.reason, ""), reason=error.reason, **facts)
    if isinstance(error, SignInRefused):
        return AuthenticationFailed(f"{vault} refuses who asks: {error.text}.", hint=error.hint, **facts)
    if not isinstance(error, Refused):
        cause = clean_cause(error)
        problem = SecretError(f"{vault} could not be asked: {cause.vendor_type}.", hint="Please report it.", **facts)
        problem.__cause__ = cause
        return problem
    if error.outage:
        message = f"{vault} does not answer now: {error.state}."
        return SecretStoreUnreachable(message, hint=_ADVICE[error.outage], reason=error.outage, **facts)
    return _decided(error, key=key, vault=vault)


def _decided(refused: Refused, *, key: str, vault: str) -> SecretError:
    facts = {"store": STORE, "key": key}
    shown = repr(key) if key else "this path"
    if refused.status in {401, 403}:
        hint = "Give the token's policy a rule for this path, or check the mount."
        return SecretForbidden(f"{vault} does not let this token use {shown}.", hint=hint, **facts)
    if refused.status == 404:  # noqa: PLR2004 - HTTP's "not found"
        if "data" in refused.body:
            hint = "Restore it: `vault kv undelete`; a destroyed version does not come back."
            message = f"{shown} in {vault} was deleted in this version."
            return SecretNotFound(message, hint=hint, reason="deleted", **facts)
        hint, why = "Check the key and the block's mount.", ""
        if refused.says("versioned"):
            hint = "The mount is version 2 of the key/value engine: set the block's kv_version to 2."
        elif refused.says("no handler", "unsupported path"):
            hint = "Nothing is mounted there: check the block's mount and namespace."
        elif refused.errors:
            why = f": {refused.text}"
        return SecretNotFound(f"{vault} holds nothing under {shown}{why}.", hint=hint, reason="absent", **facts)
    if refused.status == 413:  # noqa: PLR2004 - HTTP's "content too large"
        return SecretMalformed(f"{shown} is larger than {vault} takes.", hint="Store less under one key.", **facts)
    message = f"{vault} refused {shown}: {refused.text}."
    return SecretError(message, hint="Compare mount and kv_version with `vault secrets list -detailed`.", **facts)
