"""The catalog of an environment with many plugins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from subprocess import run
from sys import executable
from tempfile import TemporaryDirectory

from measuring import Row, clean_environment, time_text
from plugin import write_plugin

_SCRIPT = """
import sys
from importlib.metadata import entry_points
from time import perf_counter
from typecase.blocks.catalog import CATALOG
def timed(work):
    times = []
    for _ in range(9):
        CATALOG.refresh()
        start = perf_counter()
        found = work()
        times.append(perf_counter() - start)
    return len(found), sorted(times)[4]
count, ours = timed(lambda: [(entry.slug, entry.package, entry.target) for entry in CATALOG])
_, limit = timed(lambda: [(p.name, p.dist.name, p.value) for p in entry_points(group="typecase.blocks")])
imported = [name for name in sys.modules if name.startswith(("typecase_bench", "typecase.integrations."))]
print(count, len(imported), ours, limit)
"""


def rows(*, plugins: int) -> Iterator[Row]:
    """Measure the listing of the catalog in a process that has `plugins` packages more on its path."""
    with TemporaryDirectory(prefix="typecase-bench-") as folder:
        for number in range(plugins):
            write_plugin(Path(folder), number)
        environment = clean_environment(PYTHONPATH=folder)
        done = run([executable, "-c", _SCRIPT], check=True, env=environment, cwd=folder, capture_output=True, text=True)
    listed, imported, ours, limit = done.stdout.split()
    if int(listed) < plugins:
        message = f"only {listed} of {plugins} plugins were listed"
        raise AssertionError(message)
    yield Row(
        promise=f"listing the catalog, {plugins} block types installed, imports no integration",
        measured=f"modules of the {listed} listed types that were imported",
        ours=imported,
        limit="0",
        ratio=float(imported),
        target=0,
    )
    yield Row(
        promise="as above",
        measured="its time vs `entry_points()` alone",
        ours=time_text(float(ours)),
        limit=time_text(float(limit)),
        ratio=float(ours) / float(limit),
    )
