"""What the demo's worker process does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typecase.blocks.kinds import Notifier


def greet(ops: Notifier) -> int:
    """Send a message through the block that arrived by pickle; return this process's id."""
    ops.notify("A worker process says hello", subject="Worker")
    return os.getpid()
