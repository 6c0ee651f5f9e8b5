"""Secret text for libraries that only take the name of a file."""

import os
from hashlib import sha256
from pathlib import Path
from threading import Lock

_LOCK = Lock()
_HELD: dict[str, tuple[int, tuple[int, int, int]]] = {}
_PATHS: dict[str, str] = {}


def private_file(content: str) -> str:
    """Return the path of a file with `content` that only this user can read, valid while this process lives.

    On Linux the file is in memory and on no disk; elsewhere it is a temporary file, removed at exit.
    """
    digest = sha256(content.encode()).hexdigest()
    with _LOCK:
        if hasattr(os, "memfd_create") and Path("/proc/self/fd").exists():
            descriptor, identity = _HELD.get(digest, (-1, None))
            if identity is None or _identity(descriptor) != identity:
                descriptor = os.memfd_create("typecase", os.MFD_CLOEXEC)
                os.fchmod(descriptor, 0o600)
                _write(descriptor, content)
                _HELD[digest] = (descriptor, _identity(descriptor))
            return f"/proc/self/fd/{descriptor}"
        return _on_disk(digest, content)


def _on_disk(digest: str, content: str) -> str:
    import atexit
    import tempfile

    name = f"{digest}-{os.getpid()}"
    if name not in _PATHS:
        descriptor, path = tempfile.mkstemp(prefix="typecase-")
        try:
            _write(descriptor, content)
        finally:
            os.close(descriptor)
        _PATHS[name] = path
        atexit.register(_remove, path, os.getpid())
    return _PATHS[name]


def _remove(path: str, owner: int) -> None:
    # A forked child inherits the parent's exit handlers.
    if os.getpid() == owner:
        Path(path).unlink(missing_ok=True)


def _write(descriptor: int, content: str) -> None:
    data = content.encode()
    while data:
        data = data[os.write(descriptor, data) :]


def _identity(descriptor: int) -> tuple[int, int, int]:
    try:
        status = os.fstat(descriptor)
    except OSError:
        return (-1, -1, -1)
    return status.st_dev, status.st_ino, status.st_mode
