"""Bringing saved documents to the newest schema version of the classes that are installed here."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from typecase.blocks import Block
from typecase.blocks.block_type import type_of
from typecase.blocks.catalog import CATALOG
from typecase.blocks.documents import find_inline
from typecase.blocks.errors import TypecaseError
from typecase.blocks.evolution import newer_versions, number_of
from typecase.blocks.loading import Loading
from typecase.blocks.migrations import migrations_of
from typecase.blocks.records import DocumentFilter
from typecase.blocks.refusals import refused
from typecase.blocks.schema import BLOCK_KEY, KIND_KEY, definition_of

if TYPE_CHECKING:
    from typecase.blocks.records import Document
    from typecase.blocks.registry import Registry
    from typecase.blocks.stored import StoredBlock
    from typecase.blocks.verdicts import Verdict


class Outcome(StrEnum):
    """What became of a document, or would."""

    CURRENT = "current"
    PLANNED = "planned"
    UPGRADED = "upgraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One document: the schema versions, and by what it changes or why it cannot. `to_version` 0 = nobody knows."""

    workspace: str
    name: str
    type_slug: str
    from_version: int
    to_version: int
    outcome: Outcome
    reason: str


class Upgrade:
    """One run over documents. A document is written whole or not at all, so a killed run is simply run again."""

    def __init__(self, registry: "Registry", *, plan: bool = False) -> None:
        """Work on `registry`; `plan` writes nothing."""
        self._registry = registry
        self._plan = plan
        self._numbers: dict[type[Block], int] = {}
        self._verdicts: dict[type[Block], Verdict] = {}

    def documents(self, workspace: str, *, type_slug: str | None = None) -> Iterator["Document"]:
        """Yield the documents of a workspace page by page, of a type and of the slugs that it had before."""
        slugs: Sequence[str | None] = (None,)
        if type_slug is not None:
            slugs = [slug for slug in _all_slugs(type_slug) if _is_registered(self._registry, slug)]
            if not slugs:
                self._registry.types.get(type_slug)
        for slug in slugs:
            cursor: str | None = None
            while True:
                page = self._registry.documents.list(
                    workspace=workspace, where=DocumentFilter(type_slug=slug), cursor=cursor, limit=1000
                )
                yield from page.items
                cursor = page.cursor
                if cursor is None:
                    break

    def run(self, document: "Document") -> Step:
        """Bring one document to the newest version, or say why that cannot be."""
        target = 0
        try:
            cls = CATALOG.get(document.type_slug, package=self._registry.types.get(document.type_slug).package)
            target = self._number(cls)
            if self._is_current(cls, document):
                return _step(document, target, Outcome.CURRENT, "")
            return self._upgrade(document, target)
        except TypecaseError as error:
            return _step(document, target, Outcome.FAILED, str(error))
        except Exception as error:  # noqa: BLE001 - a package's own code; one document must not stop the others
            return _step(document, target, Outcome.FAILED, f"Its class raised a {type(error).__name__}.")

    def _upgrade(self, document: "Document", target: int) -> Step:
        name, workspace = document.name, document.workspace
        tree = self._registry.load(name, workspace=workspace, revision=document.revision)
        newer = " ".join(newer_versions(tree.root, self._registry.types))
        if newer:
            return _step(document, target, Outcome.FAILED, newer)
        loading = Recording(tree, self._registry)
        block = loading.root(Block)
        how = f"migrations: {', '.join(loading.ran)}" if loading.ran else "validation"
        if self._plan:
            self._refuse(type(block))
            return _step(document, target, Outcome.PLANNED, how)
        revision = block.save(name, workspace=workspace, expected_revision=document.revision, registry=self._registry)
        return _step(document, revision.schema_version, Outcome.UPGRADED, how)

    def _refuse(self, cls: type[Block]) -> None:
        """Raise what saving a block of `cls` would raise about its type."""
        if cls not in self._verdicts:
            self._verdicts[cls] = self._registry.types.check(definition_of(cls))
        if self._verdicts[cls].refused:
            raise refused(self._verdicts[cls])

    def _is_current(self, cls: type[Block], document: "Document") -> bool:
        if document.type_slug != type_of(cls).slug or document.schema_version != self._known(cls):
            return False
        if not _may_hold_blocks(cls):
            return True
        stored = self._registry.load(document.name, workspace=document.workspace, revision=document.revision).root
        return all(self._is_current_inline(*found) for found in _inline_versions(stored))

    def _is_current_inline(self, slug: str, version: int | None) -> bool:
        cls = CATALOG.get(slug)
        return type_of(cls).slug == slug and self._known(cls) == version

    def _number(self, cls: type[Block]) -> int:
        """Return the version that documents of `cls` get: the registered one, or the next where it is unknown yet."""
        known = self._known(cls)
        if known is not None:
            return known
        slug = type_of(cls).slug
        return self._registry.types.get(slug).version + 1 if _is_registered(self._registry, slug) else 1

    def _known(self, cls: type[Block]) -> int | None:
        if cls not in self._numbers:
            number = number_of(self._registry.types, definition_of(cls))
            if number is None:
                return None
            self._numbers[cls] = number
        return self._numbers[cls]


class Recording(Loading):
    """Remembers the migrations of the document itself and of the blocks inside it, not those that it refers to.

    Asks no secret store: references are written again as they are.
    """

    __slots__ = ("_root", "ran")

    def __init__(self, tree: Any, registry: "Registry") -> None:
        super().__init__(tree, registry, fetches=False)
        self._root = f"{tree.root.workspace}/{tree.root.name} "
        self.ran: dict[str, None] = {}

    def migrated(self, cls: type[Block], data: dict[str, Any], *, slug: str, version: int, place: str) -> Any:
        """Note the migrations that run."""
        found = super().migrated(cls, data, slug=slug, version=version, place=place)
        if found is not None and place.startswith((self._root, "A ")):
            self.ran.update(dict.fromkeys(step.name for step in migrations_of(cls, slug, version)))
        return found


def _step(document: "Document", target: int, outcome: Outcome, reason: str) -> Step:
    return Step(
        workspace=document.workspace,
        name=document.name,
        type_slug=document.type_slug,
        from_version=document.schema_version,
        to_version=target,
        outcome=outcome,
        reason=_in_one_line(reason),
    )


def _in_one_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    ended = [line if line.endswith((".", ":")) else f"{line}." for line in lines[:-1] if line]
    return " ".join([*ended, *lines[-1:]])


def _all_slugs(slug: str) -> tuple[str, ...]:
    try:
        return (slug, *type_of(CATALOG.get(slug)).aliases)
    except TypecaseError:
        return (slug,)


def _is_registered(registry: "Registry", slug: str) -> bool:
    try:
        registry.types.get(slug)
    except LookupError:
        return False
    return True


def _may_hold_blocks(cls: type[Block]) -> bool:
    schema = definition_of(cls).schema
    text = json.dumps([schema.get(key) for key in ("properties", "$defs", "additionalProperties")])
    return BLOCK_KEY in text or KIND_KEY in text


def _inline_versions(stored: "StoredBlock") -> Iterator[tuple[str, int | None]]:
    for _, slug, version, _ in find_inline(json.loads(stored.data)):
        yield slug, version
