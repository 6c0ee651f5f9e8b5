"""`block.pyi`: the source of `typecase.blocks.block` without bodies, and an overload of `load` per class."""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final, TypeAlias

from typecase.blocks.errors import MissingPackage

#: The alias of a `Literal` of names, and the classes that they load as.
Overload: TypeAlias = tuple[str, tuple[str, ...]]

#: The alias of all names that load as one class only.
OF_ONE_TYPE: Final = "OfOneType"

_BLOCK: Final = "typecase.blocks.block"
_LOADS: Final = ("load", "aload")

# `type[T]` accepts itself as a `_Loads[C]` exactly where a `C` is a `T`: a checker compares the parameters of
# `_takes`, and parameters go the other way. So `Database.load` and `Block.load` meet the overload of a
# `PostgresDatabase`, and `Notifier.load` does not.
_PRELUDE: Final = """\
from typing import Literal, Protocol, TypeVar, overload
from typing_extensions import deprecated
from typecase.blocks import _saved_documents
from typecase.blocks.errors import KindMismatch
"""
_PROTOCOL: Final = """\
_Loaded = TypeVar("_Loaded", contravariant=True)
class _Loads(Protocol[_Loaded]):
    def _takes(self, block: _Loaded, /) -> None: ...
"""
_TAKES: Final = "@classmethod\ndef _takes(cls, block: Self, /) -> None: ..."
_MISMATCH: Final = "The document is of another type or kind: loading it raises KindMismatch."


def module_source(name: str) -> str:
    """Return the source of an installed module. Raises `MissingPackage` where there is none."""
    spec = find_spec(name)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        hint = "Install typecase from a wheel, with its sources."
        raise MissingPackage(f"The source of {name} is not installed, so no stub can be made of it.", hint=hint)
    return Path(spec.origin).read_text(encoding="utf-8")


def stub_of_block(overloads: Sequence[Overload], workspaces: Sequence[str]) -> str:
    """Return the stub of `typecase.blocks.block` whose `load` knows what `overloads` say of `workspaces`."""
    tree = ast.parse(module_source(_BLOCK))
    body = list(_declarations(tree.body))
    if overloads:
        imports, named = _imported(sorted({target for _, classes in overloads for target in classes}))
        known = [(alias, tuple(named[target] for target in classes)) for alias, classes in overloads]
        block = next(node for node in body if isinstance(node, ast.ClassDef) and node.name == "Block")
        place = body.index(block)
        block.body = [*_with_overloads(block.body, known, workspaces), *ast.parse(_TAKES).body]
        body[place:place] = ast.parse("\n".join([_PRELUDE, *imports, _PROTOCOL])).body
    tree.body = list(_without_idle_imports(body))
    return ast.unparse(tree) + "\n"


def _imported(targets: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Return import statements for `module:Class` targets, and the expression that each is then known by."""
    lines: list[str] = []
    named: dict[str, str] = {}
    taken = {"_Loads", "_Loaded"}
    for target in targets:
        module, _, path = target.partition(":")
        outer, dot, inner = path.partition(".")
        alias = free_name(f"_{outer}", taken)
        lines.append(f"from {module} import {outer} as {alias}")
        named[target] = f"{alias}{dot}{inner}"
    return lines, named


def free_name(name: str, taken: set[str]) -> str:
    """Return `name`, with a number after it if it is among `taken`, and add it there."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}{number}"
    taken.add(free)
    return free


def _without_idle_imports(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield `body` without the imports that only the code needed: they may lead to what is no stub's business."""
    imports = (ast.Import, ast.ImportFrom)
    words = set(re.findall(r"\w+", "\n".join(ast.unparse(node) for node in body if not isinstance(node, imports))))
    for node in body:
        if isinstance(node, imports):
            node.names = [item for item in node.names if (item.asname or item.name.partition(".")[0]) in words]
            if node.names:
                yield node
        else:
            yield node


def _declarations(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield what a checker should see of `body`: no code, nothing private, no branch that is hidden from checkers."""
    for node in body:
        if isinstance(node, ast.If):
            test = ast.unparse(node.test)
            yield from _declarations(node.body if test == "TYPE_CHECKING" else node.orelse)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not node.name.startswith("_") or node.name.endswith("__"):
                documented = ast.get_docstring(node) is not None
                node.body = node.body[:1] if documented else [ast.Expr(ast.Constant(...))]
                yield node
        elif isinstance(node, ast.ClassDef):
            node.body = list(_declarations(node.body))
            yield node
        elif not isinstance(node, ast.Assign) or all(isinstance(target, ast.Name) for target in node.targets):
            yield node


def _with_overloads(
    body: Iterable[ast.stmt], overloads: Sequence[Overload], workspaces: Sequence[str]
) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in _LOADS:
            prefix = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
            for text in _overload_texts(f"{prefix} {node.name}", overloads, workspaces):
                yield from ast.parse(text).body
            node.decorator_list.insert(0, ast.Name("overload"))
        yield node


def _overload_texts(head: str, overloads: Sequence[Overload], workspaces: Sequence[str]) -> Iterator[str]:
    """Yield an overload per group, then one for the classes that none of them fits."""
    chosen = ", ".join(map(repr, workspaces))
    resolve = "resolve: Literal['lazy', 'eager'] = 'lazy'"
    place = f"workspace: Literal[{chosen}] | None = None, revision: int | None = None"
    options = f"*, {place}, {resolve}, registry: None = None"
    for alias, classes in overloads:
        found = " | ".join(classes)
        parameters = f"cls: _Loads[{found}], name: _saved_documents.{alias}, {options}"
        yield f"@overload\n@classmethod\n{head}({parameters}) -> {found}: ..."
    # Where workspaces differ, a class that is only one of several is a fair thing to ask for.
    if any(len(classes) == 1 for _, classes in overloads):
        mark = f"@overload\n@deprecated({_MISMATCH!r})\n@classmethod"
        yield f"{mark}\n{head}(cls, name: _saved_documents.{OF_ONE_TYPE}, {options}) -> KindMismatch: ..."
