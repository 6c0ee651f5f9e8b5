"""What is written down: who did what, to what, when, from where."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias

Fact: TypeAlias = "str | int | bool | list[str | int | bool | None] | None"

#: The longest texts that are kept; the rest is cut off.
LONGEST: Final = 200
LONGEST_ID: Final = 32
LONGEST_FACT: Final = 1000
MOST_ITEMS: Final = 500

_LARGEST: Final = 1 << 63
_encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_OUTCOMES: Final = ("done", "denied", "failed")
_LIMITS: Final = {"document_id": LONGEST_ID}
_TEXTS: Final = ("principal", "action", "workspace", "document_id", "document")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One line of the audit log. Its texts are cut to what the database holds, whatever a caller sends.

    `facts` hold ids, counts, addresses, names of the flow that asked and of the fields that changed; never a value.
    Raises `TypeError` or `ValueError` for facts that JSON does not write the same everywhere, without showing them.
    `outcome` is `done`, `denied` or `failed`. `number` is given when the event is written.
    """

    action: str
    outcome: str = "done"
    principal: str = ""
    workspace: str = ""
    document_id: str = ""
    document: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    number: int = 0

    def __post_init__(self) -> None:
        """Bring every part into the form in which it is written and hashed."""
        for name in _TEXTS:
            object.__setattr__(self, name, _text(getattr(self, name), name, longest=_LIMITS.get(name, LONGEST)))
        if self.outcome not in _OUTCOMES:
            raise ValueError(f"An audit event ends with one of {', '.join(_OUTCOMES)}.")
        if self.at.utcoffset() is None:
            raise ValueError("The time of an audit event has a time zone.")
        object.__setattr__(self, "at", self.at.astimezone(UTC))
        facts = {_text(name, "facts", longest=LONGEST): _fact(value, name) for name, value in self.facts.items()}
        object.__setattr__(self, "facts", facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which events are asked for. None does not restrict; `document` is an id or a name; `until` is exclusive."""

    principal: str | None = None
    action: str | None = None
    outcome: str | None = None
    workspaces: tuple[str, ...] | None = None
    document: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class ExportFormat(StrEnum):
    """How an export of the log is written."""

    JSONL = "jsonl"
    CSV = "csv"


def facts_text(facts: Mapping[str, Fact]) -> str:
    """Write facts as they are stored and hashed: sorted, without spaces, in ASCII."""
    return _encode(facts)


def _fact(value: Any, name: str) -> Fact:
    if not isinstance(value, list | tuple):
        return _scalar(value, name)
    items = [_scalar(item, name) for item in value[:MOST_ITEMS]]
    if len(value) > MOST_ITEMS:
        items.append(f"... and {len(value) - MOST_ITEMS} more")
    return items


def _scalar(value: Any, name: str) -> str | int | bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not -_LARGEST <= value < _LARGEST:
            raise ValueError(f"The fact {name!r} of an audit event does not fit into 64 bits.")
        return int(value)
    return _text(value, name, longest=LONGEST_FACT)


def _text(value: Any, name: str, *, longest: int) -> str:
    if not isinstance(value, str):
        raise TypeError(f"An audit event cannot hold a {type(value).__name__} as {name!r}.")
    return _UNSTORABLE.sub("\ufffd", str.__str__(value)[:longest])
