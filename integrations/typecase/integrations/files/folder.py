"""A folder with links that stay inside: each step is opened from the one before, and links are followed by hand."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from errno import EINVAL, ELOOP, ENOTDIR
from operator import attrgetter
from pathlib import Path
from time import sleep
from typing import Final

from typecase.blocks.errors import InvalidPath, NotSupported
from typecase.blocks.kinds.paths import parts_of

_LINKS: Final = 40
_SWAPS: Final = 100
_READS: Final = 10
_PAUSE: Final = 0.01
_STATE: Final = attrgetter("st_size", "st_mtime_ns")
_PASS: Final[int] = getattr(os, "O_PATH", os.O_RDONLY)  # a folder on the way need not be readable
_READ: Final = os.O_RDONLY | os.O_NONBLOCK  # a pipe must not stop its reader for good


class NoFolder(OSError):
    """The folder itself is not there, or is none."""


class LeavesFolder(OSError):
    """A link leads out of the folder."""


class NotPlain(OSError):
    """What is there is no plain file; `what` says what it is."""

    def __init__(self, what: str) -> None:
        """Keep `what`."""
        super().__init__(what)
        self.what = what


class Unsettled(OSError):
    """The file was being written whenever it was read."""


class Folder:
    """The files under `root`, by the parts of their paths."""

    def __init__(self, root: Path) -> None:
        """Look at nothing yet."""
        if os.open not in os.supports_dir_fd:
            message = "This platform cannot open files relative to a folder."
            raise NotSupported(message, hint="Use a platform with `openat`, such as Linux or macOS.")
        self._root = root

    def read(self, parts: tuple[str, ...], most: int) -> bytes:
        """Return the bytes of a plain file, at most `most`. Raises `OSError` and those of this module.

        A file that changes under the read is read again.
        """
        for _ in range(_READS):
            descriptor = self._open_settled(parts, _READ)
            try:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise NotPlain("a folder" if stat.S_ISDIR(status.st_mode) else "no plain file")
                with os.fdopen(descriptor, "rb", closefd=False) as file:
                    content = file.read(most)
                if _STATE(os.fstat(descriptor)) == _STATE(status):
                    return content
            finally:
                os.close(descriptor)
            sleep(_PAUSE)
        raise Unsettled

    def paths(self, outer: tuple[str, ...], start: str) -> Iterator[str]:
        """Yield the paths of the files below `outer` whose next name begins with `start`, ordered by names.

        A folder is looked at when its turn comes. Names that begin with `..` are what Kubernetes swaps behind the
        others. Links that lead nowhere or out of the folder are left out.
        """
        with suppress(FileNotFoundError, NotADirectoryError, LeavesFolder):
            yield from self._walk(outer, start, frozenset())

    def _walk(self, outer: tuple[str, ...], start: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
        descriptor = self._open_settled(outer, os.O_RDONLY | os.O_DIRECTORY)
        try:
            status = os.fstat(descriptor)
            with os.scandir(descriptor) as entries:
                names = sorted(entry.name for entry in entries if entry.name.startswith(start))
        finally:
            os.close(descriptor)
        here = (status.st_dev, status.st_ino)
        if here in above:
            return
        for name in names:
            parts = (*outer, name)
            mode = 0 if name.startswith("..") or not _nameable(name) else self._mode(parts)
            if stat.S_ISREG(mode):
                yield "/".join(parts)
            elif stat.S_ISDIR(mode):
                with suppress(FileNotFoundError, PermissionError):
                    yield from self._walk(parts, "", above | {here})

    def _mode(self, parts: tuple[str, ...]) -> int:
        try:
            descriptor = self._open_settled(parts, _PASS | os.O_NONBLOCK)
        except OSError:
            return 0
        try:
            return os.fstat(descriptor).st_mode
        finally:
            os.close(descriptor)

    def _open_settled(self, parts: tuple[str, ...], flags: int) -> int:
        """Open the file; start over where a link was swapped on the way, as Kubernetes does to update a mount."""
        before: list[str] | None = None
        for _ in range(_SWAPS):
            links: list[str] = []
            try:
                return self._open(parts, flags, links)
            except LeavesFolder:
                raise
            except OSError as error:
                if not isinstance(error, FileNotFoundError) and error.errno not in {ELOOP, ENOTDIR}:
                    raise
                if links == before or not links:
                    raise
            before = links
        raise FileNotFoundError

    def _open(self, parts: tuple[str, ...], flags: int, links: list[str]) -> int:
        """Open the last of `parts`; the links met on the way are added to `links`."""
        # The root itself may be a link: whoever set up the block chose it.
        stack = [self._open_root()]
        todo = list(reversed(parts))
        passing = True
        try:
            while todo:
                name = todo.pop()
                if name == "..":
                    if len(stack) == 1:
                        raise LeavesFolder
                    os.close(stack.pop())
                    passing = True
                    continue
                target = _link(name, stack[-1])
                if target is None:
                    passing = bool(todo)
                    way = _PASS | os.O_DIRECTORY if passing else flags
                    stack.append(os.open(name, way | os.O_NOFOLLOW, dir_fd=stack[-1]))
                    continue
                links.append(target)
                if len(links) > _LINKS:
                    raise OSError(ELOOP, os.strerror(ELOOP))
                if target.startswith("/"):
                    target = self._inside(target)
                    while len(stack) > 1:
                        os.close(stack.pop())
                todo.extend(part for part in reversed(target.split("/")) if part not in {"", "."})
            if passing:
                # The walk ended at a folder that was opened only to pass through it.
                stack.append(os.open(".", flags, dir_fd=stack[-1]))
            return stack.pop()
        finally:
            for descriptor in stack:
                os.close(descriptor)

    def _open_root(self) -> int:
        try:
            return os.open(self._root, _PASS | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            raise NoFolder from None

    def _inside(self, target: str) -> str:
        """Return an absolute target relative to the root."""
        for root in (self._root, self._root.resolve()):
            if Path(target).is_relative_to(root):
                return str(Path(target).relative_to(root))
        raise LeavesFolder


def _link(name: str, folder: int) -> str | None:
    """Return where the link `name` leads, None for what is no link."""
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError as error:
        if error.errno == EINVAL:
            return None
        raise


def _nameable(name: str) -> bool:
    try:
        return bool(parts_of(name))
    except InvalidPath:
        return False
