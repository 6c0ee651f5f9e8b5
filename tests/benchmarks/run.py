"""Prints the rows of design.md section 8 that exist by now, each beside its limit measured in the same run.

`./dev bench [GROUP ...] [--full] [--check]`: no group runs all; `--full` takes a million documents instead of 100,000;
`--check` exits with 1 if a ratio misses its target. No absolute time decides anything.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import audit
import encryption
import listing
import masking
import remote
import rotation
import scale
import schemas
import starts
import warm
from measuring import Row
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    documents: int
    types: int
    rounds: int
    number: int


EFFORTS = {
    "usual": Effort(documents=100_000, types=1000, rounds=15, number=500),
    "full": Effort(documents=1_000_000, types=1000, rounds=31, number=500),
    "quick": Effort(documents=1_000, types=20, rounds=1, number=5),
}


def groups(effort: Effort) -> dict[str, Callable[[], Iterable[Row]]]:
    """Return every group of rows by name."""
    return {
        "starts": lambda: starts.rows(rounds=effort.rounds),
        "warm": lambda: warm.rows(number=effort.number),
        "scale": lambda: scale.rows(many=effort.documents, number=effort.number),
        "schemas": lambda: schemas.rows(types=effort.types, number=effort.number),
        "listing": lambda: listing.rows(plugins=200),
        "encryption": lambda: encryption.rows(number=effort.number),
        "rotation": lambda: rotation.rows(many=min(effort.documents, 100_000)),
        "audit": lambda: audit.rows(many=min(effort.documents, 100_000), number=max(effort.number // 5, 1)),
        "remote": lambda: remote.rows(number=effort.number),
        "redaction": lambda: masking.rows(number=effort.number),
    }


def main(arguments: list[str]) -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    names = list(groups(EFFORTS["usual"]))
    parser.add_argument("group", nargs="*", help=f"of {', '.join(names)}")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--full", action="store_const", const="full", dest="effort", help="a million documents")
    amount.add_argument("--quick", action="store_const", const="quick", dest="effort", help="only to see that it runs")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a ratio misses its target")
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.group) - set(names)
    if unknown:
        parser.error(f"no such group: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    every = groups(EFFORTS[chosen.effort or "usual"])
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 180)
    rows: list[Row] = []
    for name in chosen.group or every:
        with console.status(name):
            rows += every[name]()
    console.print(table(rows))
    over = [row for row in rows if row.verdict == "over"]
    console.print(f"{sum(row.verdict == 'ok' for row in rows)} ratios hold, {len(over)} are over their target.")
    return int(chosen.check and bool(over))


def table(rows: Iterable[Row]) -> Table:
    """Return the rows as a table."""
    shown = Table(title=f"Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    for title in ("what", "measured", "ours", "limit", "ratio", "target", ""):
        shown.add_column(title, justify="right" if title in {"ours", "limit", "ratio", "target"} else "left")
    for row in rows:
        aim = f", aim {row.aim:g}" if row.aim is not None else ""
        shown.add_row(
            row.promise,
            f"{row.measured}\n({row.note})" if row.note else row.measured,
            row.ours,
            row.limit,
            "" if row.ratio is None else f"{row.ratio:.2f}",
            "" if row.target is None else f"{'≥' if row.at_least else '≤'} {row.target:g}{aim}",
            row.verdict,
            style="red" if row.verdict == "over" else "",
        )
    return shown


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
