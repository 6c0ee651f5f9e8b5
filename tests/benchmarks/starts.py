"""Fresh processes: the import, and one load from start to exit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from installation import NAME, installation
from measuring import Row, clean_environment, time_processes, time_text
from plugin import BARE_MODEL

IMPORT = "from typecase.blocks import Block"
LOAD = f"{IMPORT}; Block.load({NAME!r})"


def rows(*, rounds: int) -> Iterator[Row]:
    """Measure imports and cold loads."""
    yield from _imports(rounds)
    yield from _loads(rounds)


def _imports(rounds: int) -> Iterator[Row]:
    programs = {
        "ours": ("-c", IMPORT),
        "import": ("-c", "import pydantic"),
        "model": ("-c", BARE_MODEL),
        "python": ("-c", "pass"),
    }
    times = time_processes(programs, rounds=rounds, environment=clean_environment())
    yield Row(
        promise=f"`{IMPORT}`, fresh process",
        measured="vs `import pydantic` and defining one model with a SecretStr",
        ours=time_text(times["ours"]),
        limit=time_text(times["model"]),
        ratio=times["ours"] / times["model"],
        target=1.25,
    )
    yield Row(
        promise="as above",
        measured="vs `import pydantic` alone, which defers all its work to the first model",
        ours=time_text(times["ours"]),
        limit=time_text(times["import"]),
        ratio=times["ours"] / times["import"],
        note=f"a model's own first cost: {times['model'] / times['import']:.2f}",
    )


def _loads(rounds: int) -> Iterator[Row]:
    with installation() as made:
        programs = {
            "ours": ("-c", LOAD),
            "bare": ("-c", f"from pathlib import Path; from bare import Reader; Reader(Path('.')).load({NAME!r})"),
        }
        # Both find their modules compiled: a script named on the command line would not be.
        path = f"{made.environment['PYTHONPATH']}{os.pathsep}{Path(__file__).parent}"
        environment = {**made.environment, "PYTHONPATH": path}
        times = time_processes(programs, rounds=rounds, environment=environment, folder=made.folder)
    yield Row(
        promise="cold process, load one block from the embedded registry, exit",
        measured="vs a bare script: sqlite3, AES-GCM, pydantic",
        ours=time_text(times["ours"]),
        limit=time_text(times["bare"]),
        ratio=times["ours"] / times["bare"],
        target=2.5,
        aim=1.5,
    )
