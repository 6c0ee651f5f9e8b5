"""Copies of files and folders between this machine and an object store."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias

from typecase.blocks.errors import InvalidPath, ObjectNotFound
from typecase.blocks.kinds.paths import parts_of

if TYPE_CHECKING:
    from typecase.blocks.kinds.object_store import ObjectStore

Progress: TypeAlias = Callable[[str, int, int], None]

_CHUNK = 1024 * 1024


class _Counted:
    """A binary file that tells how far it was read."""

    def __init__(self, file: IO[bytes], tell: Callable[[int], None]) -> None:
        self._file = file
        self._tell = tell
        self._done = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        if data:
            self._done += len(data)
            self._tell(self._done)
        return data


def upload(
    store: "ObjectStore", local: str | os.PathLike[str], path: str, progress: Progress | None
) -> tuple[str, ...]:
    """Copy a local file or folder into `store`; see `ObjectStore.upload`."""
    source = Path(local)
    if source.is_dir():
        pairs = [(file, _under(path, file.relative_to(source).as_posix())) for file in _files(source)]
    else:
        pairs = [(source, path or source.name)]
    for file, target in pairs:
        with file.open("rb") as data:
            size = os.fstat(data.fileno()).st_size

            def tell(done: int, target: str = target, size: int = size) -> None:
                if progress is not None:
                    progress(target, done, size)

            store.write(target, _Counted(data, tell))  # type: ignore[arg-type] # a store only reads
    return tuple(target for _, target in pairs)


def download(
    store: "ObjectStore", path: str, local: str | os.PathLike[str], progress: Progress | None
) -> tuple[str, ...]:
    """Copy an object or a folder of `store` to this machine; see `ObjectStore.download`."""
    target = Path(local)
    whole = path.rstrip("/")
    folder = f"{whole}/" if whole else ""
    written = []
    for info in store.list(whole):
        if info.path == whole:
            file = target / info.path.rpartition("/")[2] if target.is_dir() else target
        elif info.path.startswith(folder):
            file = target.joinpath(*parts_of(info.path.removeprefix(folder)))
            _refuse_links(target, file)
        else:
            continue
        _fetch(store, info.path, info.size, file, progress)
        written.append(str(file))
    if not written:
        raise ObjectNotFound(f"There is nothing under {path!r}.", hint="`list()` shows what there is.", path=path)
    return tuple(written)


def _fetch(store: "ObjectStore", path: str, size: int, file: Path, progress: Progress | None) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".typecase-{os.urandom(6).hex()}")
    done = 0
    try:
        with store.open(path, "rb") as source, partial.open("xb") as out:
            while chunk := source.read(_CHUNK):
                out.write(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(path, done, size)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(names))


def _under(path: str, relative: str) -> str:
    return f"{path.rstrip('/')}/{relative}" if path else relative


def _refuse_links(root: Path, file: Path) -> None:
    for parent in file.relative_to(root).parents:
        if (root / parent).is_symlink() and parent != Path():
            message = f"{root / parent} is a symbolic link; a download does not follow it."
            raise InvalidPath(message, hint="Choose another local folder.", path=str(root / parent))
