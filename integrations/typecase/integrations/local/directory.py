"""Folders of this machine as object stores."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from pydantic import field_validator

from typecase.blocks.block_type import BlockType
from typecase.blocks.checks import Check, Stage, Status
from typecase.blocks.errors import OperationFailed
from typecase.blocks.fields import field
from typecase.blocks.kinds.object_store import Data, ObjectInfo, ObjectStore, OpenMode
from typecase.blocks.kinds.paths import parts_of
from typecase.blocks.kinds.refusals import needs
from typecase.integrations.local.tree import Tree
from typecase.integrations.local.writing import fill


class LocalDirectory(ObjectStore):
    """A folder of this machine, or of a file system mounted on it.

    No path leads out of the folder: symbolic links inside it are not followed. Writes are atomic and on disk when they
    return. An unfinished write leaves a hidden `.typecase-*` file at worst, which `list()` does not show.

    Tested against: Linux with ext4 and overlayfs, many processes; needs `openat`, so not Windows. On network file
    systems conditional writes are as safe as their `flock`.
    """

    __block__ = BlockType(slug="local-directory", title="Local directory", icon="folder")

    root: str = field(min_length=1, help="The folder, `~` for the home folder.", example="~/landing")
    create: bool = field(default=True, help="Make the folder when something is first written.")
    file_mode: str | None = field(
        None,
        pattern=r"^0?[0-7]{3}$",
        help="Permissions of new files, octal. Empty: as the process's umask says.",
        example="640",
        advanced=True,
    )
    folder_mode: str | None = field(
        None,
        pattern=r"^0?[0-7]{3}$",
        help="Permissions of new folders, octal. Empty: as the process's umask says.",
        example="750",
        advanced=True,
    )

    @field_validator("root")
    @classmethod
    def _plain(cls, root: str) -> str:
        if "\0" in root:
            message = "a path has no NUL character"
            raise ValueError(message)
        return root

    def client(self) -> Path:
        """Return the folder as a `pathlib.Path`, which follows links and `..` wherever they lead."""
        return Path(self.root).expanduser().absolute()

    def read(self, path: str) -> bytes:
        """Return the whole object. Raises `ObjectNotFound`."""
        with self._tree.open_to_read(parts_of(path)) as file:
            data: bytes = file.read()
            return data

    def write(self, path: str, data: Data, *, if_absent: bool = False, if_match: str | None = None) -> ObjectInfo:
        """Store `data` whole or not at all; see `ObjectStore.write`."""
        writing = self._tree.writing(parts_of(path), if_absent=if_absent, if_match=if_match)
        with writing as file:
            fill(file, data)
        return writing.info

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Iterate over the objects whose paths start with `prefix`, at any depth, ordered by path."""
        folder, slash, start = prefix.rpartition("/")
        yield from self._tree.walk(parts_of(folder) if slash else (), start)

    def delete(self, path: str) -> None:  # type: ignore[override] # an object, as in every store
        """Delete the object; its folder stays. Raises `ObjectNotFound`."""
        self._tree.delete(parts_of(path))

    def open(self, path: str, mode: OpenMode = "rb") -> AbstractContextManager[IO[Any]]:
        """Open the object as a file (text in UTF-8); what is written replaces it when the `with` block ends well."""
        if mode in {"r", "rb"}:
            return self._tree.open_to_read(parts_of(path), text=mode == "r")
        return self._tree.writing(parts_of(path), text=mode == "w")

    def exists(self, path: str) -> bool:
        """Tell whether there is an object under `path`."""
        return self._tree.exists(parts_of(path))

    def filesystem(self) -> Any:
        """Return an fsspec file system with this folder as its root. It follows links, and `..` may lead out."""
        with needs("local"):
            from fsspec.implementations.dirfs import DirFileSystem  # type: ignore[import-untyped] # it ships no types
            from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped] # it ships no types
        return DirFileSystem(path=str(self.client()), fs=LocalFileSystem(auto_mkdir=True))

    def check(self) -> Check:
        """List the folder and write, read and delete a hidden file. A folder that does not exist yet is not made."""
        folder = self.client()
        if self.create and not folder.exists():
            reason = f"{folder} does not exist yet; the first write makes it"
            return Check(stages=(Stage(name="permission", status=Status.READY, reason=reason),))
        try:
            self._tree.try_out()
        except OperationFailed as error:
            stage = Stage(name="permission", status=Status.ERROR, reason=error.message, next_step=error.hint)
        else:
            stage = Stage(name="permission", status=Status.READY, reason=f"{folder} can be read and written")
        return Check(stages=(stage,))

    @property
    def _tree(self) -> Tree:
        return Tree(self.client(), create=self.create, file_mode=self.file_mode, folder_mode=self.folder_mode)
