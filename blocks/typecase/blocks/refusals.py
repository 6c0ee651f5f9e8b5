"""The refusals that every registry words alike."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from typecase.blocks.errors import (
    DocumentExists,
    DocumentInUse,
    DocumentIsNewer,
    DocumentNotFound,
    DuplicateBlockType,
    IncompatibleSchema,
    KindMismatch,
    ReferenceCycle,
    ReferenceNotFound,
    RevisionConflict,
    RevisionNotFound,
    TypeNotRegistered,
    WorkspaceExists,
    WorkspaceInUse,
    WorkspaceNotFound,
    describe_near,
)
from typecase.blocks.records import Dependent, Draft, SchemaVersion

if TYPE_CHECKING:
    from typecase.blocks.verdicts import Verdict


def workspace_not_found(name: str, names: Iterable[str]) -> WorkspaceNotFound:
    """No workspace is called `name`; `names` are those there are."""
    near = tuple(get_close_matches(name, sorted(names)))
    hint = describe_near(near) or "`typecase workspaces ls` shows what there is."
    return WorkspaceNotFound(f"There is no workspace {name!r}.", hint=hint, name=name, near=near)


def workspace_exists(name: str) -> WorkspaceExists:
    """A workspace is called `name` already."""
    return WorkspaceExists(f"There is a workspace {name!r} already.", hint="Choose another name.", name=name)


def workspace_in_use(name: str, *, documents: int, children: Sequence[str]) -> WorkspaceInUse:
    """A workspace cannot be removed: it is the default, holds documents, or is a parent."""
    if children:
        reason = f"it is the parent of {', '.join(map(repr, children))}"
        hint = "Give those another parent first."
    elif documents:
        reason = f"it holds {documents} document{'s' if documents != 1 else ''}"
        hint = "Delete them first."
    else:
        reason, hint = "every registry has it", ""
    return WorkspaceInUse(f"Workspace {name!r} cannot be deleted: {reason}.", hint=hint, name=name)


def document_not_found(name: str, searched: Sequence[str], names: Iterable[str]) -> DocumentNotFound:
    """No document is called `name` in any workspace of `searched`; `names` are those there are."""
    near = tuple(get_close_matches(name, sorted(names)))
    return DocumentNotFound(
        f"There is no document {name!r} in workspace {', then '.join(map(repr, searched))}.",
        hint=describe_near(near) or "`typecase blocks ls` shows what there is.",
        name=name,
        searched=tuple(searched),
        near=near,
    )


def revision_not_found(name: str, number: int, newest: int) -> RevisionNotFound:
    """The document `name` has no revision `number`."""
    hint = f"Its newest is {newest}; `typecase blocks history {name}` lists them."
    return RevisionNotFound(f"{name!r} has no revision {number}.", hint=hint, name=name, revision=number, newest=newest)


def check_expectation(draft: Draft, actual: int, type_slug: str) -> None:
    """Refuse `draft` where its document, at revision `actual` (0 = absent), is not what its author expects."""
    expected = draft.expected_revision
    place = f"{draft.workspace}/{draft.name}"
    if actual and type_slug != draft.type_slug and type_slug not in draft.former_slugs:
        message = f"{place} is a {type_slug} block and cannot become a {draft.type_slug}."
        raise KindMismatch(message, hint="Delete it first, or save under another name.", name=draft.name)
    if expected is not None and expected != actual:
        raise revision_conflict(draft.workspace, draft.name, expected, actual)
    if expected is None and actual and not draft.overwrite:
        hint = "Save with overwrite=True to replace it (its history is kept), or under another name."
        raise DocumentExists(f"{place} exists already.", hint=hint, name=draft.name, revision=actual)


def check_version(draft: Draft, current: SchemaVersion, *, inline: int | None = None) -> None:
    """Refuse `draft` where its document was saved with the newer schema `current` of the same type.

    `inline`: it is a block inside the document that has this version in `draft`, and `current` in the document.
    """
    slug, number = (draft.type_slug, draft.schema_version) if inline is None else (current.type_slug, inline)
    if slug == current.type_slug and number < current.number:
        place, package = f"{draft.workspace}/{draft.name}", current.package
        message = (
            f"{place} was saved with schema version {current.number} of {slug!r} by package {package} "
            f"{current.package_version or '(version unknown)'}; saving it with version {number} "
            "would lose what only the newer one knows."
        )
        raise DocumentIsNewer(
            message,
            hint=f"Upgrade {package}, or save under another name.",
            name=draft.name,
            schema_version=number,
            newer=current.number,
            package=package,
            package_version=current.package_version,
        )


def revision_conflict(workspace: str, name: str, expected: int, actual: int) -> RevisionConflict:
    """The document is at revision `actual` (0 = absent), not `expected`."""
    if not expected:
        message, hint = f"{workspace}/{name} exists already, at revision {actual}.", "Load it and save the change."
    else:
        state = f"is at revision {actual}" if actual else "does not exist"
        message = f"{workspace}/{name} {state}, not at revision {expected}."
        hint = "Load it again, make the change again, and save." if actual else "Save it as a new document."
    return RevisionConflict(message, hint=hint, name=name, expected=expected, actual=actual)


def document_exists(workspace: str, name: str, *, hint: str = "Choose another name.") -> DocumentExists:
    """A document is called `name` already where another one was to get that name."""
    return DocumentExists(f"{workspace}/{name} exists already.", hint=hint, name=name)


def document_in_use(workspace: str, name: str, dependents: Sequence[Dependent]) -> DocumentInUse:
    """Other documents refer to `name`."""
    users = ", ".join(f"{item.workspace}/{item.name} ({item.path})" for item in dependents)
    return DocumentInUse(
        f"{workspace}/{name} is used by {users}.",
        hint="Change those first, or force: they will fail to load.",
        name=name,
        dependents=tuple(dependents),
    )


def reference_not_found(path: str, target: str, names: Iterable[str] = ()) -> ReferenceNotFound:
    """The reference at `path` points at no document; `names` are those there are."""
    hint = describe_near(get_close_matches(target, sorted(names)))
    message = f"The reference at {path or '/'} points at {target!r}, which does not exist."
    return ReferenceNotFound(message, hint=hint or "Save that document first.", path=path, target=target)


def reference_cycle(names: Sequence[str]) -> ReferenceCycle:
    """Following references along `names` comes back to where it began."""
    way = " -> ".join(names)
    return ReferenceCycle(f"These would refer to each other in a circle: {way}.", hint="Leave one out.", names=names)


def type_not_registered(slug: str, number: int | None, slugs: Iterable[str]) -> TypeNotRegistered:
    """The registry does not know block type `slug`, or not its schema version `number`."""
    what = f"block type {slug!r}" if number is None else f"schema version {number} of block type {slug!r}"
    known = sorted(slugs)
    if number is not None and slug in known:
        hint = f"`typecase types versions {slug}` lists those there are."
    else:
        hint = describe_near(get_close_matches(slug, known)) or "`typecase registry register` makes types known."
    return TypeNotRegistered(f"The registry does not know {what}.", hint=hint, slug=slug, number=number)


def require_version(slug: object, number: object) -> None:
    """Raise `TypeNotRegistered` for what no schema version is called: a document may say anything."""
    if not isinstance(slug, str):
        raise type_not_registered("(no text)", None, ())
    if number is not None and (type(number) is not int or not 0 < number < 1 << 31):
        raise type_not_registered(slug, 0, ())


def refused(verdict: "Verdict") -> DuplicateBlockType | IncompatibleSchema:
    """A registry does not take a definition: its type is another package's, or its schema breaks a rule."""
    return duplicate_type(verdict) if verdict.moves else incompatible_schema(verdict)


def duplicate_type(verdict: "Verdict") -> DuplicateBlockType:
    """A slug belongs to the package that registered it first, until it is handed over."""
    slug, first, second = verdict.slug, verdict.owner, verdict.package
    message = f"Block type {slug!r} belongs to package {first}; {second} may not register it."
    if verdict.breaks:
        message += f" Its schema breaks the rule {verdict.report.mode} too:{_breaks(verdict)}"
    lead = "\n" if verdict.breaks else ""
    hint = f"{lead}{verdict.handing_over} Otherwise choose another slug in {second}."
    return DuplicateBlockType(message, hint=hint, slug=slug, owners=(first, second), verdict=verdict)


def incompatible_schema(verdict: "Verdict") -> IncompatibleSchema:
    """A new schema breaks the rule of its type."""
    report, slug = verdict.report, verdict.slug
    message = f"The new schema of {slug!r} breaks its rule {report.mode} ({report.policy}):{_breaks(verdict)}"
    hint = (
        "\nChange the class so that both are read, or give it a @migration. Or give the old documents up: register it "
        "with force (`typecase registry register --package NAME --force`)."
    )
    return IncompatibleSchema(message, hint=hint, slug=slug, differences=report.breaking, verdict=verdict)


def _breaks(verdict: "Verdict") -> str:
    return "".join(
        f"\n  {item.path} ({item.rule}, against version {item.version}): {item.sentence}"
        for item in verdict.report.breaking
        if item.version is not None
    )
