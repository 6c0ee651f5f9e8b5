"""Whether the audit log is what was written: every event against the chain, its end, and an anchor kept elsewhere."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, func, select, type_coerce
from sqlalchemy.types import NullType

from typecase.blocks.errors import SettingsError
from typecase.registry.audit.chain import beginning, link
from typecase.registry.audit.writing import TEXTS
from typecase.registry.tables import AnyRow, audit_events, audit_head, registry

_CHUNK: Final = 1000
_DIGEST: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Where the chain of a registry ended at a time: number and hash (hex) of its last event.

    Kept where the database's owner cannot change it, it proves later that nothing up to there was changed or cut.
    """

    registry: str
    number: int
    at: datetime
    hash: str

    def to_json(self) -> str:
        """Write it as one line."""
        return json.dumps({"anchor": {**asdict(self), "at": self.at.isoformat()}})

    @classmethod
    def from_text(cls, text: str) -> "Anchor":
        """Read the last line of what `anchor` or an export as JSON lines wrote. Raises `SettingsError`."""
        try:
            found: Mapping[str, Any] = json.loads(text.strip().rpartition("\n")[2])["anchor"]
            number, digest = int(found["number"]), bytes.fromhex(found["hash"])
            at = datetime.fromisoformat(found["at"])
            if number >= 0 and len(digest) * 2 == _DIGEST:
                return cls(registry=str(found["registry"]), number=number, at=at, hash=digest.hex())
        except (ValueError, TypeError, LookupError, AttributeError):
            pass
        raise SettingsError("This is no anchor of an audit log.", hint="`typecase audit anchor` writes one.")


class Reason(StrEnum):
    """What is wrong. A chain does not tell an event that was edited from one that was moved or slipped in."""

    CHANGED = "changed"
    MISSING = "missing"
    CUT = "cut"
    HEAD = "head"
    ANCHOR = "anchor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The first place where the log is not what was written."""

    number: int
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a verification found. `sound` is how many events fit, from the first; `end` is where the log ends now."""

    sound: int
    end: Anchor
    anchor: Anchor | None
    fault: Fault | None


class _Broken(Exception):
    def __init__(self, number: int, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(number=number, reason=reason, message=message)


def read_anchor(connection: Connection) -> Anchor:
    """Return where the chain ends."""
    identity = connection.scalars(select(registry.c.id)).one()
    row = connection.execute(select(audit_head.c.number, audit_head.c.hash)).first()
    number, digest = (row.number, row.hash) if row is not None else (0, beginning(identity))
    return Anchor(registry=identity, number=number, at=datetime.now(UTC), hash=digest.hex())


def verify_chain(
    connection: Connection, *, anchor: Anchor | None, watch: Callable[[int, int], None] | None
) -> Verification:
    """Go through all events, which must be those of one moment, and through nothing twice."""
    end = read_anchor(connection)
    chain = _Chain(end, anchor)
    total = connection.scalar(select(func.count()).select_from(audit_events)) or 0
    fault: Fault | None = None
    try:
        chain.check_anchor()
        with _open(connection) as rows:
            for row in rows:
                chain.check(row)
                if watch is not None and chain.number % _CHUNK == 0:
                    watch(chain.number, total)
        chain.check_end()
    except _Broken as broken:
        fault = broken.fault
    return Verification(sound=chain.number, end=end, anchor=anchor, fault=fault)


class _Chain:
    """As far as it was followed."""

    def __init__(self, end: Anchor, anchor: Anchor | None) -> None:
        self._end = end
        self._anchor = anchor
        self.number = 0
        self._hash = beginning(end.registry)

    def check(self, row: AnyRow) -> None:
        """Follow the chain over one more event."""
        number = self.number + 1
        if row.number > number:
            last = row.number - 1
            which = f"Event {number} is" if last == number else f"Events {number} to {last} are"
            raise _Broken(number, Reason.MISSING, f"{which} missing.")
        expected = _hash_of(self._hash, row)
        if expected is None or row.hash != expected:
            raise _Broken(number, Reason.CHANGED, f"Event {row.number} was edited, moved here, or slipped in.")
        self._hash = expected
        if self._anchor is not None and number == self._anchor.number:
            self.check_anchor(number)
        self.number = number

    def check_anchor(self, number: int = 0) -> None:
        """Compare with the anchor where it stands; with its registry at the beginning."""
        anchor = self._anchor
        if anchor is None:
            return
        if anchor.registry != self._end.registry:
            raise _Broken(0, Reason.ANCHOR, "The anchor is that of another registry.")
        if number == anchor.number and self._hash.hex() != anchor.hash:
            raise _Broken(number, Reason.ANCHOR, f"The log was written anew: event {number} is not the anchor's.")

    def check_end(self) -> None:
        """Compare the last event with the end that is written down, and with the anchor beyond it."""
        end, number = self._end.number, self.number
        if number < end:
            raise _Broken(number + 1, Reason.CUT, f"The log is cut off after event {number}; its end is event {end}.")
        if number > end:
            raise _Broken(end + 1, Reason.HEAD, f"The end that is written down, event {end}, is not the last event.")
        if self._hash.hex() != self._end.hash:
            raise _Broken(number, Reason.HEAD, "The end that is written down does not fit the last event.")
        if self._anchor is not None and number < self._anchor.number:
            text = f"The log is cut off after event {number}; the anchor saw event {self._anchor.number}."
            raise _Broken(number + 1, Reason.CUT, text)


def _open(connection: Connection) -> CursorResult[Any]:
    # A time that somebody made unreadable must be found broken, not fail on its way here.
    at = type_coerce(audit_events.c.at, NullType).label("at")
    columns = (audit_events.c.number, at, *(audit_events.c[name] for name in TEXTS), audit_events.c.hash)
    query = select(*columns).order_by(audit_events.c.number)
    return connection.execution_options(yield_per=_CHUNK).execute(query)


def _hash_of(before: bytes, row: AnyRow) -> bytes | None:
    """Return the hash that an event should have, None if it holds what no event can."""
    try:
        at = row.at.astimezone(UTC) if isinstance(row.at, datetime) else datetime.fromisoformat(row.at)
        return link(before, row.number, at, row[2:-1])
    except (ValueError, TypeError, AttributeError):
        return None
