"""Loads in a running process."""

from __future__ import annotations

from collections.abc import Iterator

import bare
from installation import NAME, installation, load
from measuring import Row, time_calls, time_text

# Recorded on another day on the same kind of machine: neither is installed here.
_AIRFLOW, _PREFECT = 1.4e-3, 61e-3


def rows(*, number: int) -> Iterator[Row]:
    """Measure a warm load from the embedded registry beside the bare loop over the same data."""
    with installation() as made:
        reader = bare.Reader(made.folder)
        times = time_calls({"ours": load, "bare": lambda: reader.load(NAME)}, number=number)
        reader.connection.close()
    ours = times["ours"]
    yield Row(
        promise="warm embedded load",
        measured="vs the bare loop: sqlite3, AES-GCM, pydantic",
        ours=time_text(ours),
        limit=time_text(times["bare"]),
        ratio=ours / times["bare"],
        target=8,
        aim=5,
    )
    for other, seconds, factor in (("an Airflow connection", _AIRFLOW, 10), ("a Prefect block", _PREFECT, 400)):
        yield Row(
            promise=f"at least {factor} x faster than {other}",
            measured="skipped: needs it installed; its time is as recorded in facts.md, not of this run",
            ours=time_text(ours),
            limit=f"{time_text(seconds)} (recorded)",
            note=f"would be {seconds / ours:.0f} x faster",
        )
