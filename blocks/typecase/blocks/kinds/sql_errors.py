"""What a SQL driver raised, told once, at the edge, without passwords, parameters or the driver's frames."""

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, NoReturn, ParamSpec, TypeVar, cast

from typecase.blocks.errors import AuthenticationFailed, ConnectionFailed, TypecaseError
from typecase.blocks.redaction import clean_cause, secret_values

if TYPE_CHECKING:
    from typecase.blocks.kinds.sql import SqlDatabase

S = TypeVar("S", bound="SqlDatabase")
P = ParamSpec("P")
R = TypeVar("R")

_CANCELLED = "57014"
_DENIED = "42501"


def told(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Make `method` raise Typecase's errors only, from a frame that holds no parameters."""

    @wraps(method)
    def call(self: S, *args: P.args, **options: P.kwargs) -> R:
        __tracebackhide__ = True
        try:
            return method(self, *args, **options)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises has frames that hold parameters
            problem = failure(self, error)
        del args, options
        raise_alone(problem)

    return cast("Callable[Concatenate[S, P], R]", call)


def raise_alone(problem: BaseException) -> NoReturn:
    """Raise `problem` without the exception that is being handled as its context."""
    __tracebackhide__ = True
    try:
        raise problem
    finally:
        problem.__context__ = None


def failure(block: "SqlDatabase", error: Exception) -> TypecaseError:
    """Return the error that stands for `error`; an error of Typecase stands for itself."""
    if isinstance(error, TypecaseError):
        return error.with_traceback(None)
    vendor = _without_pool(getattr(error, "orig", None) or error)
    text = str(vendor)
    hidden = [value for value in _leaves(getattr(error, "params", None)) if value in text]
    cause = clean_cause(vendor, [*secret_values(block), *hidden])
    reason = _sentence(cause.message) or cause.vendor_type
    cls, stage = block.classify(error)
    if cls is AuthenticationFailed:
        message, hint = f"{block.place} refused the sign-in: {reason}.", "Check user name, password and access rules."
    elif cls is ConnectionFailed:
        message = f"{block.place} cannot be reached: {reason}."
        hint = "Check address, network and TLS options; `check()` shows the stage that fails."
    else:
        message, hint = f"{block.place} refused: {reason}.", _advice(sqlstate_of(error))
    problem = cls(message, hint=hint, sqlstate=sqlstate_of(error), stage=stage)
    problem.__cause__ = cause
    return problem


def sqlstate_of(error: Exception) -> str | None:
    """Return the five characters with which SQL servers tell errors apart, None where the driver gave none."""
    vendor = getattr(error, "orig", None) or error
    state = getattr(vendor, "sqlstate", None)
    return state if isinstance(state, str) else None


def _without_pool(error: BaseException) -> BaseException:
    """Return `error` without what the pool did before: it tried a session that had ended."""
    from sqlalchemy.exc import DisconnectionError

    link: BaseException | None = error
    while link is not None:
        if isinstance(link.__context__, DisconnectionError):
            link.__context__ = None
        link = link.__context__
    return error


def _sentence(text: str) -> str:
    line = text.strip().partition("\n")[0].rstrip(".")
    # libpq says once more where the server is, which `place` has said.
    return line.rpartition(" failed: ")[2].removeprefix("FATAL:").strip() if "connection to server" in line else line


def _advice(sqlstate: str | None) -> str:
    if sqlstate == _CANCELLED:
        return "Raise the statement timeout, or make the statement faster."
    if sqlstate == _DENIED:
        return "Grant the user this right, or sign in as another."
    return "Correct the statement, its parameters or the name of the database."


def _leaves(params: Any) -> Iterator[str]:
    if isinstance(params, Mapping):
        params = params.values()
    elif isinstance(params, bytes | str) or not hasattr(params, "__iter__"):
        if params is not None and not isinstance(params, bool):
            yield params.decode("utf-8", "replace") if isinstance(params, bytes) else str(params)
        return
    for item in params:
        yield from _leaves(item)
