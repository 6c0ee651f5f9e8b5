"""The kind of blocks that keep bytes under paths."""

# ruff: noqa: ARG002 - a kind names the arguments of what it cannot do

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from os import PathLike
from typing import IO, Any, ClassVar, Literal, TypeAlias

from typecase.blocks.block import Block
from typecase.blocks.kinds.refusals import not_supported
from typecase.blocks.kinds.transfers import Progress, download, upload
from typecase.blocks.storing import in_thread

Data: TypeAlias = bytes | str | IO[bytes]
OpenMode: TypeAlias = Literal["r", "rb", "w", "wb"]


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store says of one object. `etag` changes with every write; `modified` is in UTC."""

    path: str
    size: int
    modified: datetime
    etag: str


class ObjectStore(Block):
    """A place where bytes are kept under paths such as `2026/10/orders.csv`."""

    __kind__: ClassVar[str] = "ObjectStore"

    @abstractmethod
    def read(self, path: str) -> bytes:
        """Return the whole object. Raises `ObjectNotFound`."""

    @abstractmethod
    def write(self, path: str, data: Data, *, if_absent: bool = False, if_match: str | None = None) -> ObjectInfo:
        """Store `data` (text as UTF-8, a binary file to its end): readers see the old object or the new one whole.

        With `if_absent` only where nothing is, with `if_match` only over the object with that etag;
        raises `ObjectConflict` otherwise.
        """

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Iterate over the objects whose paths start with `prefix`, at any depth, ordered by path."""

    @abstractmethod
    def delete(self, path: str) -> None:  # type: ignore[override] # on a store, it deletes an object
        """Delete the object. Raises `ObjectNotFound`. The store's own document goes with `Block.delete(name)`."""

    def open(self, path: str, mode: OpenMode = "rb") -> AbstractContextManager[IO[Any]]:
        """Open the object as a file, for a `with` block: what is written counts if the block ends without an error."""
        raise not_supported(self, "open", "Use `read()` and `write()`.")

    def exists(self, path: str) -> bool:
        """Tell whether there is an object under `path`."""
        return any(info.path == path for info in self.list(path))

    def copy(self, source: str, target: str) -> ObjectInfo:  # type: ignore[override] # not the deprecated pydantic one
        """Copy an object inside this store."""
        with self.open(source) as data:
            return self.write(target, data)

    def upload(
        self, local: str | PathLike[str], path: str = "", *, progress: Progress | None = None
    ) -> tuple[str, ...]:
        """Copy a local file, or a folder with all that is in it, to `path`; return the paths written.

        An empty `path` is the file's own name, or the root for a folder. `progress(path, done, size)` counts bytes.
        """
        return upload(self, local, path, progress)

    def download(self, path: str, local: str | PathLike[str], *, progress: Progress | None = None) -> tuple[str, ...]:
        """Copy the object `path`, or all objects under the folder `path`, to `local`; return the local paths written.

        `local` names the file, or the folder to copy into. Raises `ObjectNotFound`, and `InvalidPath` for an object
        whose path would lead outside `local`.
        """
        return download(self, path, local, progress)

    def presign(self, path: str, *, expires_in: int = 3600, method: Literal["GET", "PUT"] = "GET") -> str:
        """Return a URL that opens this one object for `expires_in` seconds without signing in."""
        raise not_supported(self, "presign", "Use `open()` or `download()`.")

    def filesystem(self) -> Any:
        """Return an fsspec file system whose root is this store."""
        raise not_supported(self, "filesystem", "Use `open()`.")

    def client(self) -> Any:
        """Return the vendor SDK's own client."""
        raise not_supported(self, "client", "Use `read()` and `write()`.")

    async def aread(self, path: str) -> bytes:
        """`read` in a worker thread."""
        return await in_thread(self.read, path)

    async def awrite(
        self, path: str, data: Data, *, if_absent: bool = False, if_match: str | None = None
    ) -> ObjectInfo:
        """`write` in a worker thread."""
        return await in_thread(self.write, path, data, if_absent=if_absent, if_match=if_match)

    async def alist(self, prefix: str = "") -> tuple[ObjectInfo, ...]:
        """`list` in a worker thread, as a whole."""
        return await in_thread(lambda: tuple(self.list(prefix)))

    async def adelete(self, path: str) -> None:  # type: ignore[override] # as `delete`
        """`delete` in a worker thread."""
        await in_thread(self.delete, path)
