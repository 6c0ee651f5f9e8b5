"""A root key in a file of the owner's own."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from typecase.blocks.errors import KeyUnavailable, SettingsError
from typecase.registry.envelope import new_data_key
from typecase.registry.keys.provider import LocalKey, decode_root_key, encode_root_key

_POSIX: Final = os.name == "posix"
_LONGEST: Final = 1024
# Opening a FIFO must not wait for a writer. The flag does not exist on Windows.
_READ: Final[int] = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)


class FileKey(LocalKey):
    """A root key in a text file that only its owner can read: `file:///absolute/path`."""

    __slots__ = ()

    can_create = True

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read the root key from the file that `url` names.

        Raises:
            SettingsError: `url` names no absolute path.
            KeyUnavailable: the file is absent, malformed, unreadable, or exposed to other users.

        """
        path = _parse(url)
        secret = decode_root_key(_read(path).decode("ascii", errors="replace"))
        if secret is None:
            raise KeyUnavailable(
                f"{path} holds no root key.",
                hint="Restore the file from its backup; if nothing was ever encrypted with it, remove it.",
                reason="malformed",
                path=path,
            )
        return cls(secret)

    @classmethod
    def create(cls, url: str) -> Self:
        """Read the root key from the file that `url` names, and make the file first if there is none.

        The file appears whole, with mode 0600, in folders of mode 0700 where they are new. Of several processes that
        create it at once one wins, and all return its key. An existing file is never changed.

        Raises:
            SettingsError: `url` names no absolute path.
            KeyUnavailable: the file cannot be made, or the one that is there cannot be used.

        """
        path = _parse(url)
        try:
            if not os.path.lexists(path):
                _make_folders(path.parent)
                _write(path, encode_root_key(new_data_key()) + "\n")
                # Whoever lost the race relies on the winner's entry as much as the winner does.
                sync_folder(path.parent)
        except OSError as error:
            raise KeyUnavailable(
                f"{path} cannot be created: {error.strerror}.",
                hint="Choose a folder on a local disk that you own.",
                reason="unwritable",
                path=path,
            ) from error
        return cls.from_url(url)


def _parse(url: str) -> Path:
    parts = urlsplit(url)
    text = unquote(parts.path)
    path = Path(text.lstrip("/") if os.name == "nt" else text)
    if parts.netloc not in {"", "localhost"} or parts.query or parts.fragment or "\0" in text or not path.is_absolute():
        raise SettingsError("The key URL names no absolute path.", hint="Write file:///absolute/path.")
    return path


def _read(path: Path) -> bytes:
    try:
        descriptor = os.open(path, _READ)
        try:
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISREG(mode) and not _is_exposed(mode):
                return os.read(descriptor, _LONGEST)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise KeyUnavailable(
            f"There is no root key at {path}.",
            hint="Restore the file from its backup, or set the key URL to where it is.",
            reason="absent",
            path=path,
        ) from None
    except OSError as error:
        raise KeyUnavailable(
            f"The root key at {path} cannot be read: {error.strerror}.",
            hint="Run as the user who owns the file.",
            reason="unreadable",
            path=path,
        ) from error
    if not stat.S_ISREG(mode):
        raise KeyUnavailable(
            f"{path} is not a regular file.",
            hint="Set the key URL to the key file itself.",
            reason="malformed",
            path=path,
        )
    raise KeyUnavailable(
        f"Users other than its owner can use the root key at {path} (mode {stat.S_IMODE(mode):04o}).",
        hint=f"Run: chmod 600 {path}",
        reason="exposed",
        path=path,
    )


def _is_exposed(mode: int) -> bool:
    return _POSIX and bool(mode & (stat.S_IRWXG | stat.S_IRWXO))


def _write(path: Path, line: str) -> None:
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    try:
        with open(descriptor, "w", encoding="ascii", newline="\n") as file:  # noqa: PTH123 - pathlib opens no descriptors
            file.write(line)
            file.flush()
            os.fsync(descriptor)
        # A link, unlike a rename, refuses to replace the key of a faster process.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _make_folders(folder: Path) -> None:
    if folder.exists():
        return
    _make_folders(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` outlive a power failure, as the content of their files does."""
    if not _POSIX:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
