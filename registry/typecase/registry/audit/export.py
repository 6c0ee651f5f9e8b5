"""The audit log as a file: JSON lines, or CSV for a spreadsheet. Its last line is an anchor."""

import csv
import json
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Any, Final

from sqlalchemy import RowMapping

from typecase.registry.audit.events import ExportFormat
from typecase.registry.audit.verification import Anchor
from typecase.registry.audit.writing import TEXTS

_COLUMNS: Final = ("number", "at", *TEXTS, "hash")
#: What makes a spreadsheet take a cell for a formula; the last four are the wide twins of the first.
_DANGEROUS: Final = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def export_lines(rows: Iterable[RowMapping], anchor: Anchor, form: ExportFormat) -> Iterator[str]:
    """Yield the lines of an export, each with its end. `rows` are events as they are stored."""
    if form == ExportFormat.JSONL:
        for row in rows:
            yield json.dumps({**_plain(row), "facts": _facts(row["facts"])}) + "\n"
        yield anchor.to_json() + "\n"
        return
    yield _csv_line(_COLUMNS)
    for row in rows:
        yield _csv_line([_plain(row)[name] for name in _COLUMNS])
    end = {
        "number": anchor.number,
        "at": anchor.at.isoformat(),
        "action": "anchor",
        "workspace": "",
        "hash": anchor.hash,
    }
    end["facts"] = json.dumps({"registry": anchor.registry})
    yield _csv_line([end.get(name, "") for name in _COLUMNS])


def _plain(row: RowMapping) -> dict[str, Any]:
    return {**row, "at": row["at"].isoformat(), "hash": row["hash"].hex()}


def _facts(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # somebody changed it; what is there is evidence
        return text


def _csv_line(cells: Iterable[Any]) -> str:
    line = StringIO()
    csv.writer(line, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).writerow(
        [f"'{cell}" if str(cell).startswith(_DANGEROUS) else cell for cell in cells]
    )
    return line.getvalue()
