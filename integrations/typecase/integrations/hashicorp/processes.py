"""Which processes of this machine live: a number alone may have passed to another one."""

import os
import subprocess
import sys
from pathlib import Path

_AFTER_NAME = 19  # the start time's place in /proc/PID/stat, behind the name


def machine() -> str:
    """Name the machine since its last start, and the space in which its process numbers mean something."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116 - a link into no file system
    except OSError:
        import platform

        return platform.node()


def started(pid: int) -> str | None:
    """Return when the process `pid` started, in the system's words; None where there is no such process."""
    if Path("/proc/self/stat").exists():
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        state, *further = text.rpartition(")")[2].split()
        # A zombie has ended; only its parent has not taken notice.
        return None if state in {"Z", "X"} else further[_AFTER_NAME - 1]
    if sys.platform == "win32":
        return "unknown"
    done = subprocess.run(  # noqa: S603 - a fixed command with a number
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or None
