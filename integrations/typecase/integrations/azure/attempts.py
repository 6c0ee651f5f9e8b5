"""Tries: how long each may take, how many there are, and when they end."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import uniform
from time import monotonic, sleep
from typing import Final, TypeVar

from typecase.blocks.errors import TypecaseError
from typecase.integrations.azure.failures import Failure, failure_of

R = TypeVar("R")

_FIRST_WAIT: Final = 0.25
_LONGEST_WAIT: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds for one try, the number of tries, and the seconds after which none begins any more."""

    timeout: float
    attempts: int
    deadline: float


def attempt(
    action: Callable[[], R],
    patience: Patience,
    *,
    secrets: Iterable[str | bytes] = (),
    again: Callable[[Failure], bool] = lambda failure: failure.again,
) -> R | Failure:
    """Return what `action` returns, or the failure of the last try; waits between tries have jitter.

    A service that asks for a longer wait than there is time left gets no further try.
    """
    hidden = tuple(secrets)
    ends = monotonic() + patience.deadline
    tries = 1
    while True:
        outcome = _once(action, hidden)
        if not isinstance(outcome, Failure) or not again(outcome) or tries >= patience.attempts:
            return outcome
        wait = outcome.retry_after
        if wait is None:
            wait = uniform(0, min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (tries - 1)))  # noqa: S311 - jitter, no secret
        if monotonic() + wait >= ends:
            return outcome
        sleep(wait)
        tries += 1


def _once(action: Callable[[], R], secrets: tuple[str | bytes, ...]) -> R | Failure:
    problem: TypecaseError
    try:
        return action()
    except TypecaseError as error:
        problem = error.with_traceback(None)
    except Exception as error:  # noqa: BLE001 - whatever the SDK raises has frames that hold tokens and values
        return failure_of(error, secrets)
    raise problem
