"""What differs between the stubs in a folder and the stubs as they would be written."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from typecase.registry.stubs.contents import SAVED, Stubs


@dataclass(frozen=True, slots=True)
class Difference:
    """One reason why stubs are stale.

    `change` is `missing` or `changed` for a file, `added`, `removed` or `retyped` for a document. `before` and `after`
    are a document's classes.
    """

    change: str
    name: str
    before: str = ""
    after: str = ""


def differences(stubs: Stubs, out: Path) -> tuple[Difference, ...]:
    """Compare the folder `out` with `stubs`: nothing where it is up to date. Writes nothing."""
    files = {path: _read(out / path) for path in stubs.files}
    changed = [path for path, text in files.items() if not stubs.holds(text or "")]
    if not changed:
        return ()
    missing = [Difference("missing", path) for path, text in files.items() if text is None]
    documents = list(_documents(files[SAVED], stubs.files[SAVED])) if files[SAVED] is not None else []
    if missing or documents:
        return (*missing, *documents)
    return tuple(Difference("changed", path) for path in changed)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError):
        return ""


def _documents(before: str | None, after: str) -> Iterator[Difference]:
    old, new = _classes(before or ""), _classes(after)
    for name in sorted(name for name in old.keys() | new.keys() if "/" not in name):
        if name not in old:
            yield Difference("added", name, after=new[name])
        elif name not in new:
            yield Difference("removed", name, before=old[name])
        elif old[name] != new[name]:
            yield Difference("retyped", name, before=old[name], after=new[name])


def _classes(text: str) -> dict[str, str]:
    """Return the classes of each name, read back from `_saved_documents.pyi`; nothing where it is not well-formed."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return {}
    found: dict[str, str] = {}
    for node, following in pairwise(body):
        if isinstance(node, ast.AnnAssign) and node.value is not None and isinstance(following, ast.Expr):
            classes = _text(following.value)
            found |= {name: classes for item in ast.walk(node.value) if (name := _text(item))}
    return found


def _text(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
