"""Exceptions told without secrets and without the frames that held them."""

from collections.abc import Iterable, Iterator

from pydantic import ValidationError

from typecase.blocks.redaction.mask import MASK, Mask


class VendorError(Exception):
    """What another library raised: `vendor_type` names its class, `message` is masked; nothing else is kept.

    It has no traceback, cause or context, so that a traceback with local variables cannot reach a driver's frames.
    """

    def __init__(self, vendor_type: str, message: str) -> None:
        """Keep the two texts."""
        super().__init__(vendor_type, message)
        self.vendor_type = vendor_type
        self.message = message

    def __str__(self) -> str:
        """Read like the last line of a traceback."""
        return f"{self.vendor_type}: {self.message}" if self.message else self.vendor_type


def redact_exception(exc: BaseException, secrets: Iterable[str | bytes] = ()) -> str:
    """Return the type and message of `exc` and of everything that caused it, masked.

    Masked are `secrets` and whatever the mask of this process knows.
    """
    return _masked("; caused by ".join(_told(link) for link in _chain(exc)), secrets)


def clean_cause(exc: BaseException, secrets: Iterable[str | bytes] = ()) -> VendorError:
    """Return a stand-in for `exc` that is safe to show as the cause of a new error.

    Use it as `raise OperationFailed(...) from clean_cause(exc, secrets)`. Raised inside the `except` block, the new
    error still has `exc` as its suppressed `__context__`; to drop that as well, raise it after the block.
    """
    first, *others = _chain(exc)
    text = "; caused by ".join([_message(first), *map(_told, others)])
    return VendorError(_type_name(first), _masked(text, secrets))


def _masked(text: str, secrets: Iterable[str | bytes]) -> str:
    own = Mask()
    for secret in secrets:
        own.add(secret)
    # The process's mask comes second: what `own` leaves is whole, and its covers hold nothing to find.
    return MASK.mask(own.mask(text))


def _chain(exc: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = exc
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _told(exc: BaseException) -> str:
    message = _message(exc)
    return f"{_type_name(exc)}: {message}" if message else _type_name(exc)


def _type_name(exc: BaseException) -> str:
    kind = exc.vendor_type if isinstance(exc, VendorError) else type(exc)
    if isinstance(kind, str):
        return kind
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _message(exc: BaseException) -> str:
    if isinstance(exc, ValidationError):
        # Its own text quotes the input and cuts it in the middle, where no mask finds it.
        return "; ".join(_problem(problem["loc"], problem["msg"]) for problem in exc.errors(include_input=False))
    try:
        text = exc.message if isinstance(exc, VendorError) else str(exc)
    except Exception:  # noqa: BLE001 - a broken __str__ must not replace the error that is being told
        text = "(its message cannot be read)"
    members = [_told(member) for member in exc.exceptions] if isinstance(exc, BaseExceptionGroup) else []
    return "; ".join([text, *getattr(exc, "__notes__", ()), *members])


def _problem(location: tuple[int | str, ...], sentence: str) -> str:
    path = ".".join(map(str, location))
    return f"{path}: {sentence}" if path else sentence
