"""The folder that stubs are written into."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from typecase.blocks.errors import SettingsError
from typecase.registry.stubs.contents import MARK, Stubs


class StubsRefused(SettingsError):
    """Stubs cannot be written there. Nothing was written."""


def write_stubs(stubs: Stubs, out: Path) -> tuple[str, ...]:
    """Write the files that differ into `out`, and return their paths inside it.

    Raises `StubsRefused` before the first write where a file is not ours, or a link leads elsewhere.
    """
    for path in stubs.files:
        _refuse(out, path)
    written = tuple(path for path in stubs.files if not (out / path).exists() or not stubs.holds(_text(out / path)))
    for path in written:
        try:
            _write(out / path, stubs.files[path])
        except OSError as error:
            message = f"{out / path} cannot be written: {error.strerror}."
            raise StubsRefused(message, hint="Name a folder that can be written: --out DIR.") from None
    return written


def _refuse(out: Path, path: str) -> None:
    target = out / path
    if target.resolve() != out.resolve() / path:
        raise StubsRefused(f"{target} leads out of {out} through a link.", hint="Remove the link, or use --out DIR.")
    if target.exists() and not _ours(target):
        message = f"{target} was not written by `typecase stubs`, so it is not replaced."
        raise StubsRefused(message, hint="Move it away, or write the stubs elsewhere: --out DIR.")


def _ours(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            return file.readline().rstrip("\n") == MARK
    except (OSError, UnicodeDecodeError):
        return False


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    """Replace the file in one step: an editor that watches it never reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", encoding="utf-8", newline="\n", dir=path.parent, delete=False) as file:
        try:
            file.write(text)
        except BaseException:
            Path(file.name).unlink()
            raise
    # A temporary file is private; a stub is read by everyone who reads the code.
    umask = os.umask(0)
    os.umask(umask)
    Path(file.name).chmod(0o666 & ~umask)
    Path(file.name).replace(path)
