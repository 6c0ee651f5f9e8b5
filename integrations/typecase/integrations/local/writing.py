"""One atomic write: a hidden file that takes the place of the old one."""

import os
import time
from contextlib import AbstractContextManager, suppress
from secrets import token_hex
from types import TracebackType
from typing import IO, Any

from typecase.blocks.errors import ObjectConflict
from typecase.blocks.kinds.object_store import Data, ObjectInfo
from typecase.blocks.kinds.paths import RESERVED
from typecase.integrations.local.files import info_of, require_plain, told

_CHUNK = 1024 * 1024


class Writing(AbstractContextManager[IO[Any]]):
    """A file that counts once its `with` block ends without an error; `info` then describes it.

    `folder` is an open descriptor, closed at the end.
    """

    info: ObjectInfo

    def __init__(
        self,
        folder: int,
        parts: tuple[str, ...],
        *,
        mode: int | None,
        if_absent: bool,
        if_match: str | None,
        text: bool,
    ) -> None:
        """Create the hidden file."""
        self._folder = folder
        self._parts = parts
        self._if_absent = if_absent
        self._if_match = if_match
        self._hidden = f"{RESERVED}{token_hex(8)}"
        try:
            with told(parts):
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
                descriptor = os.open(self._hidden, flags, 0o666 if mode is None else mode, dir_fd=folder)
                self.file: IO[Any] = os.fdopen(descriptor, "w" if text else "wb", encoding="utf-8" if text else None)
                if mode is not None:
                    os.fchmod(descriptor, mode)
        except BaseException:
            os.close(folder)
            raise

    def __enter__(self) -> IO[Any]:
        """Return the file to write to."""
        return self.file

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep what was written, or throw it away after an error."""
        try:
            with told(self._parts):
                if kind is None:
                    self._commit()
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove the hidden file if it is still there, and let go of everything."""
        with suppress(OSError):
            self.file.close()
        with suppress(FileNotFoundError):
            os.unlink(self._hidden, dir_fd=self._folder)
        os.close(self._folder)

    def _commit(self) -> None:
        from fcntl import LOCK_EX, flock

        if self.file.closed:
            # Opened again: a body that closes its file still means it.
            self.file = os.fdopen(os.open(self._hidden, os.O_WRONLY | os.O_NOFOLLOW, dir_fd=self._folder), "wb")
        self.file.flush()
        now = time.time_ns()
        os.utime(self.file.fileno(), ns=(now, now))
        os.fsync(self.file.fileno())
        name = self._parts[-1]
        # Held until the folder's descriptor is closed: nobody changes what a condition was checked against.
        flock(self._folder, LOCK_EX)
        self._expect(name)
        os.replace(self._hidden, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        os.fsync(self._folder)
        self.info = info_of(self._parts, os.fstat(self.file.fileno()))

    def _expect(self, name: str) -> None:
        try:
            status = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            status = None
        if status is not None:
            require_plain(status, self._parts)
        actual = None if status is None else info_of(self._parts, status).etag
        if (self._if_absent and actual is not None) or self._if_match not in {None, actual}:
            path = "/".join(self._parts)
            state = "does not exist" if actual is None else "exists" if self._if_absent else "was changed"
            hint = "Read it again and decide."
            raise ObjectConflict(f"{path!r} {state}; nothing was written.", hint=hint, path=path, etag=actual)


def fill(file: IO[bytes], data: Data) -> None:
    """Write `data` to `file`: text as UTF-8, a binary file to its end."""
    if isinstance(data, str):
        file.write(data.encode())
    elif isinstance(data, bytes | bytearray | memoryview):
        file.write(data)
    else:
        while chunk := data.read(_CHUNK):
            file.write(chunk)
