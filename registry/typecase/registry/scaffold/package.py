"""The files of a new package."""

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

from typecase.blocks.errors import InvalidName, ObjectConflict, OperationFailed
from typecase.registry.scaffold.names import PackageNames

_AUTHOR: Final = re.compile(r"\s*([^<>]*?)\s*(?:<\s*([^<>@\s]+@[^<>@\s]+)\s*>)?\s*")

#: Paths in a package, each with its template.
FILES: Final = {
    ".github/workflows/check.yml": "check.yml.in",
    ".gitignore": "gitignore.in",
    "README.md": "README.md.in",
    "pyproject.toml": "pyproject.toml.in",
    "src/%{package}/__init__.py": "package.py.in",
    "src/%{package}/%{module}.py": "block.py.in",
    "src/%{package}/icon.svg": "icon.svg.in",
    "src/%{package}/py.typed": "",
    "src/%{package}/quality.toml": "quality.toml.in",
    "tests/test_%{module}.py": "test.py.in",
}


class FolderNotEmpty(ObjectConflict):
    """The folder for a new package holds something already. Nothing was written."""


class _Text(Template):
    """A template whose names stand in `%{...}`: GitHub's workflows have `${{ }}` of their own."""

    delimiter = "%"


def author_of(text: str) -> tuple[str, str]:
    """Split `Name <mail>` into both; either may be missing. Raises `InvalidName`."""
    match = _AUTHOR.fullmatch(text)
    if match is None or not text.isprintable() or not any(match.groups()):
        hint = "Write it as 'Ada Lovelace <ada@example.com>'."
        raise InvalidName(f"{text!r} is not an author.", hint=hint, name=text, what="author")
    return match[1], match[2] or ""


def write_package(names: PackageNames, folder: Path, *, author: str | None = None) -> Path:
    """Write a package into `folder`, which is absent or empty but for a `.git`; return the folder, resolved.

    Raises `FolderNotEmpty`, `InvalidName` for the author and `OperationFailed`; then nothing was written.
    """
    values = _values(names, author)
    with _told(folder):
        target = folder.resolve()
        _require_empty(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Beside the target, so that moving it is one step on one file system.
        with tempfile.TemporaryDirectory(prefix=".typecase-", dir=target.parent) as scratch:
            staged = Path(scratch) / "package"
            _fill(staged, values)
            _move(staged, target)
    return target


def _values(names: PackageNames, author: str | None) -> dict[str, str]:
    needed = re.match(r"\d+(\.\d+)*", version("typecase"))
    values = {name: getattr(names, name) for name in PackageNames.__slots__}
    return values | {"authors": _authors(author), "needs": f"typecase>={needed[0]}" if needed else "typecase"}


def _authors(author: str | None) -> str:
    """Return the line of `pyproject.toml`, empty without an author."""
    if author is None:
        return ""
    facts = dict(zip(("name", "email"), author_of(author), strict=True))
    # A JSON string of printable characters is a TOML string.
    shown = ", ".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items() if value)
    return f"authors = [{{ {shown} }}]\n"


def _fill(folder: Path, values: dict[str, str]) -> None:
    templates = files("typecase.registry.scaffold") / "templates"
    for name, template in FILES.items():
        path = folder / _Text(name).substitute(values)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (templates / template).read_text(encoding="utf-8") if template else ""
        path.write_text(_Text(text).substitute(values), encoding="utf-8", newline="\n")


def _require_empty(target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        problem = "is a file"
    elif any(item.name != ".git" for item in target.iterdir()):
        problem = "is not empty"
    else:
        return
    hint = "Choose another folder with --dir, or empty this one."
    raise FolderNotEmpty(f"{target} {problem}; nothing was written.", hint=hint, path=str(target))


def _move(staged: Path, target: Path) -> None:
    if not target.exists():
        staged.rename(target)
        return
    # Not replaced: a shell may stand in it.
    items = sorted(staged.iterdir())
    try:
        for item in items:
            item.rename(target / item.name)
    except BaseException:
        for item in items:
            if not item.exists():
                (target / item.name).rename(item)
        raise


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, FolderNotEmpty):
            raise
        message = f"{folder} cannot be written: {error.strerror or type(error).__name__}."
        hint = "Choose another folder with --dir, or check its permissions and the space on its disk."
        raise OperationFailed(message, hint=hint, path=str(folder)) from error
