"""What went wrong between here and Google, in one vocabulary for HTTP and gRPC."""

from enum import StrEnum
from random import SystemRandom
from time import sleep
from typing import TYPE_CHECKING, Any, Final

from typecase.blocks.redaction import redact_exception

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 5.0
_SHOWN: Final = 300


class Meaning(StrEnum):
    """What a fault means for the caller."""

    ABSENT = "absent"
    DELETED = "deleted"
    DISABLED = "disabled"
    EXISTS = "exists"
    FORBIDDEN = "forbidden"
    INVALID = "invalid"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


class Fault(Exception):
    """A failed exchange: told in a sentence without secrets, and holding nothing of what the vendor raised.

    `reason` is one of those of `SecretStoreUnreachable`; `again` = trying once more may help; `untouched` = the service
    says that it did nothing; `wait` = the seconds for which it wants to be left alone.
    """

    def __init__(
        self,
        meaning: Meaning,
        text: str,
        *,
        reason: str = "",
        hint: str = "",
        again: bool = False,
        untouched: bool = False,
        wait: float | None = None,
    ) -> None:
        """Keep the facts."""
        super().__init__(text)
        self.meaning = meaning
        self.text = text
        self.reason = reason
        self.hint = hint
        self.again = again
        self.untouched = untouched
        self.wait = wait


def unreachable(reason: str, text: str, *, again: bool = True, wait: float | None = None) -> Fault:
    """Return the fault of a service that does not answer, or not as it should."""
    throttled = reason == "throttled"
    return Fault(Meaning.UNREACHABLE, text, reason=reason, again=again, untouched=throttled, wait=wait)


def unreadable() -> Fault:
    """Return the fault of a list of authorities that is no file."""
    text = "the file with authorities (`ca_certificates`, or REQUESTS_CA_BUNDLE for tokens) cannot be read"
    return unreachable("tls", text, again=False)


def persist(attempt: "Callable[[], Any]", attempts: int, *, changes: bool = False) -> Any:
    """Return what `attempt` returns, tried up to `attempts` times with growing, random waits in between.

    What `changes` something is only tried again where the service says that it did nothing. A service that wants to be
    left alone for longer than five seconds is.
    """
    for number in range(1, attempts + 1):
        try:
            return attempt()
        except Fault as fault:
            wait = fault.wait
            final = number == attempts or not fault.again or (changes and not fault.untouched)
            if final or (wait is not None and wait > _LONGEST_WAIT):
                raise
        if wait is None:
            wait = SystemRandom().uniform(0, min(_FIRST_WAIT * 2**number, _LONGEST_WAIT))
        sleep(wait)
    raise AssertionError("unreachable: the last attempt returns or raises")


def sentence(error: BaseException | str, secrets: "Iterable[str | bytes]" = ()) -> str:
    """Return the first line of a vendor's words, short, masked and without a full stop."""
    found = ValueError(error) if isinstance(error, str) else error
    text = redact_exception(found, secrets)
    lines = (text.removeprefix("ValueError: ") if isinstance(error, str) else text).strip().splitlines() or [""]
    return lines[0][:_SHOWN].rstrip(". ") or "no reason given"
