"""The answer of `Block.check()`: ready, unknown or error, stage by stage."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """Whether something works: `unknown` means that nobody could find out."""

    READY = "ready"
    UNKNOWN = "unknown"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step on the way (dns, tcp, tls, auth, permission, ...): its outcome, the reason and the next step."""

    name: str
    status: Status
    reason: str = ""
    next_step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The outcome of a check. `status` is the worst of its stages, `unknown` without any."""

    stages: tuple[Stage, ...] = ()

    @property
    def status(self) -> Status:
        """The worst outcome: error before unknown before ready."""
        outcomes = {stage.status for stage in self.stages} or {Status.UNKNOWN}
        return next(status for status in (Status.ERROR, Status.UNKNOWN, Status.READY) if status in outcomes)

    def __bool__(self) -> bool:
        """True when ready."""
        return self.status is Status.READY
