"""Answers: the same facts as a table for people, as tab-separated lines, or as one JSON document."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeAlias

from typecase.registry.cli.terminal import shows_color, visible, warn


class Mode(StrEnum):
    """How answers are written."""

    TABLE = "table"
    PLAIN = "plain"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Facts:
    """Named facts about one thing."""

    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under the names of their columns."""

    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]
    title: str = ""


Part: TypeAlias = Facts | Table


class Output:
    """Writes answers to standard output; `mode` None = a table on a terminal, plain text elsewhere."""

    def __init__(self, mode: Mode | None) -> None:
        """Choose the mode."""
        self.mode = mode or (Mode.TABLE if sys.stdout.isatty() else Mode.PLAIN)

    def answer(self, document: Any, *parts: Part) -> None:
        """Write `document` as JSON, or else `parts` one after the other."""
        if self.mode is Mode.JSON:
            _write_json(document)
        elif self.mode is Mode.PLAIN:
            for number, part in enumerate(parts):
                _write(("\n" if number else "") + _plain(part))
        else:
            for part in parts:
                _write(_table(part))

    def items(self, columns: Sequence[str], items: Iterable[Mapping[str, Any]], *, empty: str, **more: Any) -> None:
        """Write a list; in JSON it is `{"items": [...]}` and `more`. A person is told `empty` when there is nothing."""
        found = list(items)
        if not found and self.mode is Mode.TABLE:
            warn(empty)
            return
        self.answer({"items": found, **more}, Table(columns, [[item.get(name) for name in columns] for item in found]))

    def done(self, sentence: str, **facts: Any) -> None:
        """Say what was done: `sentence` to people, `facts` to programs."""
        if self.mode is Mode.TABLE:
            _write(visible(sentence) + "\n")
        else:
            self.answer(facts, Table([], [list(facts.values())]))


def cell(value: Any) -> str:
    """Return `value` as people read it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, list | tuple) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(map(str, value))
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, default=_encode, ensure_ascii=False)
    return str(value)


def _plain(part: Part) -> str:
    rows = list(part.values.items()) if isinstance(part, Facts) else part.rows
    return "".join("\t".join(visible(cell(value), keep="") for value in row) + "\n" for row in rows)


def _table(part: Part) -> str:
    from io import StringIO

    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    color = shows_color(sys.stdout)
    if isinstance(part, Facts):
        grid = RichTable(box=None, show_header=False, pad_edge=False)
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column(overflow="fold")
        rows: Iterable[Sequence[Any]] = part.values.items()
    else:
        grid = RichTable(box=box.SIMPLE_HEAD, title=part.title or None, title_justify="left", pad_edge=False)
        for number, name in enumerate(part.columns):
            grid.add_column(name, overflow="fold", no_wrap=number == 0)
        rows = part.rows
    for row in rows:
        grid.add_row(*(Text(visible(cell(value))) for value in row))
    # Into a text first: the console would end the process by itself when nobody reads.
    page = StringIO()
    Console(file=page, force_terminal=color, no_color=not color, highlight=False).print(grid)
    return page.getvalue()


def _write_json(document: Any) -> None:
    readable = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    _write(json.dumps(document, default=_encode, ensure_ascii=not readable, indent=2) + "\n")


def _encode(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


def _write(text: str) -> None:
    sys.stdout.write(text)
