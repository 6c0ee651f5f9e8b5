"""Faults of Secret Manager as the errors of a secret store."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Final, NoReturn, ParamSpec, TypeVar, cast

from typecase.blocks.errors import (
    AuthenticationFailed,
    InvalidSecretKey,
    OperationFailed,
    SecretError,
    SecretExpired,
    SecretForbidden,
    SecretNotFound,
    SecretStoreUnreachable,
    TypecaseError,
)
from typecase.blocks.sanitizing import forgetful
from typecase.integrations.gcp.faults import Fault, Meaning

if TYPE_CHECKING:
    from typecase.integrations.gcp.secret_manager import GcpSecretManager

S = TypeVar("S", bound="GcpSecretManager")
P = ParamSpec("P")
R = TypeVar("R")

_SAID: Final[Mapping[Meaning, tuple[type[OperationFailed], str, str]]] = {
    Meaning.ABSENT: (
        SecretNotFound,
        "There is no secret {}",
        "Check the name, the version and the project; `list()` shows what is there.",
    ),
    Meaning.DELETED: (
        SecretNotFound,
        "This version of the secret {} was deleted",
        "Add a new version, or name another.",
    ),
    Meaning.DISABLED: (
        SecretExpired,
        "The secret {} is disabled",
        "Enable it (`gcloud secrets versions enable`), or name another version.",
    ),
    Meaning.EXISTS: (SecretError, "There is already a secret {}", "Try again."),
    Meaning.FORBIDDEN: (
        SecretForbidden,
        "Google does not allow this with the secret {}",
        "Grant roles/secretmanager.secretAccessor on the secret, if it exists: Google does not say which it is.",
    ),
    Meaning.INVALID: (InvalidSecretKey, "Google refused {}", "Check the key, the version and the project."),
    Meaning.REFUSED: (
        AuthenticationFailed,
        "Google refused the sign-in for {}",
        "`check()` of the credentials says as whom they sign in.",
    ),
    Meaning.UNREACHABLE: (
        SecretStoreUnreachable,
        "Secret Manager did not answer for {}",
        "`check()` shows the stage that fails.",
    ),
}
_ADVICE: Final = {
    "throttled": "Read less often (`cache_seconds`), or ask for a higher quota.",
    "tls": "Check `endpoint` and `ca_certificates`.",
}


def told(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Make `method`, whose first argument is a key or prefix, raise errors of Typecase without the frames below."""

    @wraps(method)
    @forgetful
    def ask(self: S, *args: P.args, **options: P.kwargs) -> R:
        __tracebackhide__ = True
        try:
            return method(self, *args, **options)
        except Fault as fault:
            key = str(args[0] if args else options.get("key", ""))
            problem = problem_of(fault, self.parent, key)
        except TypecaseError as error:
            error.__dict__.setdefault("store", self.parent)
            problem = error.with_traceback(None)
        del args, options
        _raise_alone(problem)

    return cast("Callable[Concatenate[S, P], R]", ask)


def problem_of(fault: Fault, store: str, key: str) -> TypecaseError:
    """Return the error for `fault` about `key` in `store`."""
    error, sentence, hint = _SAID[fault.meaning]
    facts: dict[str, Any] = {"store": store, "key": key}
    if error is SecretNotFound:
        facts["reason"] = str(fault.meaning)
    if error is SecretStoreUnreachable:
        facts["reason"] = fault.reason
        hint = _ADVICE.get(fault.reason, hint)
    where = f"{key!r} in {store}" if key else store
    return error(f"{sentence.format(where)}: {fault.text}.", hint=fault.hint or hint, **facts)


def _raise_alone(problem: BaseException) -> NoReturn:
    __tracebackhide__ = True
    try:
        raise problem
    finally:
        problem.__context__ = None
