"""A folder that no path leads out of: every step is opened from the one before, and links are not followed."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from typecase.blocks.errors import InvalidPath, NotSupported, ObjectNotFound
from typecase.blocks.kinds.object_store import ObjectInfo
from typecase.blocks.kinds.paths import parts_of
from typecase.integrations.local.files import info_of, require_plain, told
from typecase.integrations.local.writing import Writing


class Tree:
    """The files under `root`, by the parts of their paths."""

    def __init__(self, root: Path, *, create: bool, file_mode: str | None, folder_mode: str | None) -> None:
        """Look at nothing yet."""
        if os.open not in os.supports_dir_fd:
            message = "This platform cannot open files relative to a folder."
            raise NotSupported(message, hint="Use a platform with `openat`, such as Linux or macOS.")
        self._root = root
        self._create = create
        self._file_mode = None if file_mode is None else int(file_mode, 8)
        self._folder_mode = None if folder_mode is None else int(folder_mode, 8)

    def open_to_read(self, parts: tuple[str, ...], *, text: bool = False) -> IO[Any]:
        """Open a file as bytes, or as text in UTF-8."""
        with told(parts), self._folder(parts[:-1]) as folder:
            # Not blocking, so that a pipe in the folder cannot stop its reader for good.
            descriptor = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            try:
                require_plain(os.fstat(descriptor), parts)
            except BaseException:
                os.close(descriptor)
                raise
            return os.fdopen(descriptor, "r" if text else "rb", encoding="utf-8" if text else None)

    def writing(
        self, parts: tuple[str, ...], *, if_absent: bool = False, if_match: str | None = None, text: bool = False
    ) -> Writing:
        """Begin an atomic write; folders on the way are made."""
        with told(parts):
            folder = self._open_folder(parts[:-1], create=True)
        return Writing(folder, parts, mode=self._file_mode, if_absent=if_absent, if_match=if_match, text=text)

    def delete(self, parts: tuple[str, ...]) -> None:
        """Remove a file."""
        from fcntl import LOCK_EX, flock

        with told(parts), self._folder(parts[:-1]) as folder:
            flock(folder, LOCK_EX)
            require_plain(os.stat(parts[-1], dir_fd=folder, follow_symlinks=False), parts)
            os.unlink(parts[-1], dir_fd=folder)
            os.fsync(folder)

    def exists(self, parts: tuple[str, ...]) -> bool:
        """Tell whether there is a plain file."""
        try:
            with told(parts), self._folder(parts[:-1]) as folder:
                return stat.S_ISREG(os.stat(parts[-1], dir_fd=folder, follow_symlinks=False).st_mode)
        except (ObjectNotFound, InvalidPath):
            return False

    def walk(self, parts: tuple[str, ...], start: str) -> Iterator[ObjectInfo]:
        """Iterate over the files in a folder and below whose names there begin with `start`, ordered by path."""
        try:
            with told(parts), self._folder(parts) as folder:
                listed = os.listdir(folder)  # noqa: PTH208 - of a descriptor
                names = [name for name in listed if name.startswith(start) and _nameable(name)]
                found = [(name, status) for name in names if (status := _status(folder, name)) is not None]
        except ObjectNotFound:
            return
        # As whole paths sort: "a-b" comes before "a/b".
        for name, status in sorted(found, key=lambda entry: entry[0] + "/" * stat.S_ISDIR(entry[1].st_mode)):
            if stat.S_ISDIR(status.st_mode):
                yield from self.walk((*parts, name), "")
            elif stat.S_ISREG(status.st_mode):
                yield info_of((*parts, name), status)

    def try_out(self) -> None:
        """List the root, and write a hidden file that is thrown away."""
        with told(()), self._folder(()) as folder:
            os.listdir(folder)  # noqa: PTH208 - of a descriptor
        writing = self.writing(("check",))
        try:
            with told(()):
                writing.file.write(b"typecase")
                writing.file.flush()
        finally:
            writing.discard()

    @contextmanager
    def _folder(self, parts: tuple[str, ...]) -> Iterator[int]:
        folder = self._open_folder(parts, create=False)
        try:
            yield folder
        finally:
            os.close(folder)

    def _open_folder(self, parts: tuple[str, ...], *, create: bool) -> int:
        flags = os.O_RDONLY | os.O_DIRECTORY
        mode = 0o777 if self._folder_mode is None else self._folder_mode
        if create and self._create:
            self._root.mkdir(mode=mode, parents=True, exist_ok=True)
        # The root itself may be a link: whoever set up the block chose it.
        folder = os.open(self._root, flags)
        for part in parts:
            outer = folder
            try:
                if create:
                    _make(part, mode, outer)
                folder = os.open(part, flags | os.O_NOFOLLOW, dir_fd=outer)
            finally:
                os.close(outer)
        return folder


def _make(name: str, mode: int, folder: int) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=folder)


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _nameable(name: str) -> bool:
    try:
        return bool(parts_of(name))
    except InvalidPath:
        return False
