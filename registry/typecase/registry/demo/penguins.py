"""The penguins table: read from its file, put into a database, and summarised without any block for comparison."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, Final

from typecase.registry.demo.examples import PENGUINS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typecase.blocks.kinds import Database

TABLE: Final = """
create table penguins (
    species text not null,
    island text not null,
    bill_length_mm double precision,
    bill_depth_mm double precision,
    flipper_length_mm integer,
    body_mass_g integer,
    sex text,
    year integer not null
)"""

_NUMBERS: Final = {
    "bill_length_mm": float,
    "bill_depth_mm": float,
    "flipper_length_mm": int,
    "body_mass_g": int,
    "year": int,
}


def read_penguins() -> list[dict[str, Any]]:
    """Return the table's rows, None for what was not measured."""
    with PENGUINS.open(encoding="utf-8", newline="") as file:
        return [{name: _value(name, text) for name, text in row.items()} for row in csv.DictReader(file)]


def fill(database: Database, rows: Sequence[dict[str, Any]]) -> None:
    """Create the table in `database` with `rows`."""
    columns = list(rows[0])
    database.execute(TABLE)
    marks = ", ".join(f":{name}" for name in columns)
    database.execute_many(f"insert into penguins ({', '.join(columns)}) values ({marks})", rows)  # noqa: S608 - constants


def expected_result(rows: Sequence[dict[str, Any]]) -> str:
    """Return what the flow must write for `rows`."""
    masses: dict[str, list[int]] = {}
    for row in rows:
        if row["body_mass_g"] is not None:
            masses.setdefault(row["species"], []).append(row["body_mass_g"])
    lines = [f"{name},{len(found)},{sum(found) / len(found):.1f}\n" for name, found in sorted(masses.items())]
    return "".join(["species,birds,mean_mass_g\n", *lines])


def _value(name: str, text: str) -> Any:
    return None if text == "NA" else _NUMBERS.get(name, str)(text)
