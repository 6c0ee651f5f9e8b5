"""The flow and the data of docs/examples: beside this module in a wheel, in the repository in a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from typecase.blocks.errors import TypecaseError

_PACKAGED: Final = Path(__file__).with_name("examples")
_CHECKOUT: Final = Path(__file__).parents[4] / "docs" / "examples"

EXAMPLES: Final = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT
FLOW: Final = EXAMPLES / "flow.py"
FLOW_SHOWN: Final = str(FLOW if EXAMPLES is _PACKAGED else FLOW.relative_to(_CHECKOUT.parents[1]))
PENGUINS: Final = EXAMPLES / "data" / "penguins.csv"


class FlowFailed(TypecaseError):
    """The flow's process ended with an error. `output` is what it printed."""


def run_flow(workspace: str, *, folder: Path) -> None:
    """Run the flow in a process of its own, in `folder`, with nothing changed but TYPECASE_WORKSPACE."""
    done = subprocess.run(  # noqa: S603 - this interpreter and a file of this package
        [sys.executable, str(FLOW)],
        cwd=folder,
        env={**os.environ, "TYPECASE_WORKSPACE": workspace},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise FlowFailed(
            f"The flow failed in workspace {workspace!r}.", hint=_last_line(done.stderr), output=done.stderr
        )


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]
