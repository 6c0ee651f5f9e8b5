"""Timings that are only ever compared within one run, and the rows that show them."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured ratio. `target` None: shown for comparison, promised to nobody."""

    promise: str
    measured: str
    ours: str
    limit: str
    ratio: float | None = None
    target: float | None = None
    at_least: bool = False
    aim: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """`ok`, `over`, or empty where nothing is promised."""
        if self.ratio is None or self.target is None:
            return ""
        met = self.ratio >= self.target if self.at_least else self.ratio <= self.target
        return "ok" if met else "over"


def time_text(seconds: float) -> str:
    """Write a duration with a unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def clean_environment(**extra: str) -> dict[str, str]:
    """Return this environment without what would slow a start or lead it to somebody's own registry."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONDONTWRITEBYTECODE" and not name.startswith("TYPECASE_")
    }
    return {**kept, **extra}


@contextmanager
def temporary_environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables inside the `with` block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def time_processes(
    programs: Mapping[str, Sequence[str]], *, rounds: int, environment: Mapping[str, str], folder: Path | None = None
) -> dict[str, float]:
    """Return each program's median time from start to exit; the programs take turns, so that all meet the same noise.

    A program is the arguments after `python`. The first round fills caches and compiles, and does not count.
    """
    times: dict[str, list[float]] = {name: [] for name in programs}
    with TemporaryDirectory(prefix="typecase-bench-") as empty:
        for turn in range(rounds + 1):
            for name, arguments in programs.items():
                start = perf_counter()
                subprocess.run(
                    [sys.executable, *arguments],
                    check=True,
                    env=dict(environment),
                    cwd=folder or empty,
                    stdout=subprocess.DEVNULL,
                )
                if turn:
                    times[name].append(perf_counter() - start)
    return {name: median(values) for name, values in times.items()}


def time_calls(calls: Mapping[str, Callable[[], object]], *, number: int, rounds: int = 25) -> dict[str, float]:
    """Return the seconds per call of each function: the fastest of batches of `number`, taken in turns.

    The fastest, because whatever else runs on the machine only ever adds.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in calls.items():
                start = perf_counter()
                for _ in range(number):
                    call()
                times[name].append((perf_counter() - start) / number)
    finally:
        gc.enable()
    return {name: min(values) for name, values in times.items()}
