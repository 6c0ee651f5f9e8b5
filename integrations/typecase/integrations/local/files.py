"""Single files: what they are, and what goes wrong with them."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from errno import EISDIR, ELOOP, ENOTDIR, ENXIO

from typecase.blocks.errors import InvalidPath, ObjectNotFound, OperationFailed, TypecaseError
from typecase.blocks.kinds.object_store import ObjectInfo

_PLAIN = "Name a plain file; links, pipes and devices are not followed."


@contextmanager
def told(parts: tuple[str, ...]) -> Iterator[None]:
    """Turn the operating system's errors about a path into Typecase's."""
    path = "/".join(parts)
    try:
        yield
    except TypecaseError:
        raise
    except FileNotFoundError as error:
        hint = "`list()` shows what there is."
        raise ObjectNotFound(f"There is no object {path!r}.", hint=hint, path=path) from error
    except OSError as error:
        if error.errno in {EISDIR, ELOOP, ENOTDIR, ENXIO}:
            raise InvalidPath(f"{path!r} is not a plain file, or leads through one.", hint=_PLAIN, path=path) from error
        message = f"{path or 'The folder'!r} cannot be used: {error.strerror}."
        hint = "Check the permissions of the folder and the space on its disk."
        raise OperationFailed(message, hint=hint, path=path) from error


def require_plain(status: os.stat_result, parts: tuple[str, ...]) -> None:
    """Raise `InvalidPath` for a folder, a link, a pipe, a device."""
    if not stat.S_ISREG(status.st_mode):
        path = "/".join(parts)
        raise InvalidPath(f"{path!r} is not a plain file.", hint=_PLAIN, path=path)


def info_of(parts: tuple[str, ...], status: os.stat_result) -> ObjectInfo:
    """Describe a file. Every write makes a new inode and stamps it to the nanosecond, so the etag is its own."""
    return ObjectInfo(
        path="/".join(parts),
        size=status.st_size,
        modified=datetime.fromtimestamp(status.st_mtime, UTC),
        etag=f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}",
    )
