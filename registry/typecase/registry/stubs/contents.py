"""The text of the stubs: four files that stand in front of `typecase.blocks` in a checker's eyes."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from typecase.registry.stubs.classes import OF_ONE_TYPE, free_name, module_source, stub_of_block
from typecase.registry.stubs.names import KnownNames

MARK: Final = "# Written by `typecase stubs`. Do not edit: run it again."
SAVED: Final = "typecase/blocks/_saved_documents.pyi"

#: Checkers report nothing about the stubs themselves, formatters leave them as they are.
_SETTINGS: Final = """\
# mypy: ignore-errors
# pyright: basic
# pyright: reportArgumentType=false, reportOverlappingOverload=false, reportMissingImports=false
# ruff: noqa
"""
_END: Final = "# fmt: off\n\n"

#: The modules that the stubs stand for, and the ones that write them.
_SOURCES: Final = (
    "typecase.blocks",
    "typecase.blocks.block",
    "typecase.registry.stubs.classes",
    "typecase.registry.stubs.contents",
)


@dataclass(frozen=True)
class Group:
    """The names that load as the same classes; `alias` names their `Literal`."""

    alias: str
    classes: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Stubs:
    """The stubs for `known`. The same names, types and version of `typecase.blocks` give the same text."""

    known: KnownNames

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the inputs: names, types, and modules of Typecase."""
        known = self.known
        sources = [module_source(name) for name in _SOURCES]
        inputs = [known.workspaces, dict(known.classes), dict(known.unknown), sources]
        return _digest(json.dumps(inputs, sort_keys=True))

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The names by the classes that they load as, in the order of the classes."""
        names: dict[tuple[str, ...], list[str]] = {}
        for name, classes in self.known.classes.items():
            names.setdefault(classes, []).append(name)
        found: list[Group] = []
        taken: set[str] = set()
        for classes in sorted(names):
            parts = (target.rpartition(":")[2].replace(".", "") for target in classes)
            alias = free_name(f"{'Or'.join(parts)}Name", taken)
            found.append(Group(alias, classes, tuple(sorted(names[classes], key=lambda name: ("/" in name, name)))))
        return tuple(found)

    @cached_property
    def files(self) -> Mapping[str, str]:
        """Every file by its path inside the folder.

        The two `__init__.pyi` are there for mypy, which passes over a folder that has none.
        """
        block = stub_of_block([(group.alias, group.classes) for group in self.groups], self.known.workspaces)
        bodies = {
            "typecase/__init__.pyi": "",
            "typecase/blocks/__init__.pyi": module_source("typecase.blocks"),
            SAVED: "\n".join(self._saved()) + "\n",
            "typecase/blocks/block.pyi": block,
        }
        return {path: self._header(body) + body for path, body in bodies.items()}

    def holds(self, text: str) -> bool:
        """Tell whether `text`, a file of some stubs, is of these inputs and as it was written.

        Versions of Python write the same syntax tree with other spaces, so texts are not compared.
        """
        body = text.partition(_END)[2]
        return text == self._header(body) + body

    def _header(self, body: str) -> str:
        return f"{MARK}\n# Inputs: sha256:{self.digest}\n# Text: sha256:{_digest(body)}\n{_SETTINGS}{_END}"

    def _saved(self) -> Iterator[str]:
        yield f'"""Documents that can be loaded in {" or ".join(self.known.workspaces)}."""'
        yield ""
        yield "from typing import Literal, TypeAlias"
        for group in self.groups:
            yield from _literal(group.alias, group.names)
            yield json.dumps(" | ".join(group.classes))
        # Not a union of the others: pyright takes quadratic time over one.
        single = sorted(name for name, classes in self.known.classes.items() if len(classes) == 1)
        if single:
            yield from _literal(OF_ONE_TYPE, single)
        if self.known.unknown:
            yield ""
            yield "# Left as `Block`, because the class of the type is not installed or cannot be imported:"
            for name, slugs in self.known.unknown.items():
                yield f"# {json.dumps(name)}: {json.dumps(', '.join(slugs))}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _literal(alias: str, names: Iterable[str]) -> Iterator[str]:
    yield ""
    yield f"{alias}: TypeAlias = Literal["
    yield from (f"    {json.dumps(name)}," for name in names)
    yield "]"
