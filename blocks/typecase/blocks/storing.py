"""What `Block.load`, `save` and `delete` do, between a block class and a registry."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from typecase.blocks.block_type import asked_for, type_of
from typecase.blocks.catalog import CATALOG
from typecase.blocks.dumping import Dump, origin_of
from typecase.blocks.errors import CatalogError, DocumentNotFound, KindMismatch, WrongRegistry
from typecase.blocks.loading import Loading
from typecase.blocks.registries import current_registry, current_workspace
from typecase.blocks.sanitizing import forgetful
from typecase.blocks.stored import Origin

if TYPE_CHECKING:
    from typecase.blocks.block import Block
    from typecase.blocks.records import Dependent, Revision
    from typecase.blocks.registry import Registry

B = TypeVar("B", bound="Block")
P = ParamSpec("P")
R = TypeVar("R")


@forgetful
def load(
    cls: type[B],
    name: str,
    *,
    workspace: str | None,
    revision: int | None,
    registry: "Registry | None",
    resolve: Literal["lazy", "eager"] = "lazy",
) -> B:
    """Load and build; see `Block.load`."""
    slug, _, plain = name.rpartition("/")
    registry = registry or current_registry()
    tree = registry.load(plain, workspace=workspace or current_workspace(), revision=revision)
    if slug:
        _expect_type(name, slug, tree.root.type_slug)
    loading = Loading(tree, registry)
    if resolve == "eager":
        from typecase.blocks.secrets.fresh import loaded_whole

        return loaded_whole(lambda: loading.root(cls))  # type: ignore[return-value] # as below
    return loading.root(cls)  # type: ignore[return-value] # `root` refuses anything but a `cls`


@forgetful
def save(
    block: "Block",
    name: str,
    *,
    workspace: str | None,
    registry: "Registry | None",
    secrets_to: str | None = None,
    **options: Any,
) -> "Revision":
    """Dump, register the types met, and write; see `Block.save`."""
    registry = registry or current_registry()
    workspace = workspace or current_workspace()
    own_type = type_of(type(block))
    slug, _, name = name.rpartition("/")
    if slug and slug not in own_type.aliases:
        _expect_type(f"{slug}/{name}", slug, own_type.slug)

    from typecase.blocks.records import Draft
    from typecase.blocks.schema import definition_of

    def version_of(cls: "type[Block]") -> int:
        return registry.types.register(definition_of(cls)).number

    version = version_of(type(block))
    known = origin_of(block) or getattr(block, "_basis", None)
    place = (registry.url, workspace, name)
    if options["expected_revision"] is None and known and (known.registry, known.workspace, known.name) == place:
        options["expected_revision"] = known.revision
    draft = Draft(
        name=name,
        workspace=workspace,
        type_slug=own_type.slug,
        schema_version=version,
        data=Dump(block, version_of).document(),
        author=author(),
        former_slugs=own_type.aliases,
        **options,
    )
    if secrets_to is None:
        revision = registry.documents.save(draft)
    else:
        from typecase.blocks.secrets.moving import save_with_store

        revision = save_with_store(draft, secrets_to, block, registry)
    origin = Origin(revision.document_id, revision.workspace, revision.name, revision.number, registry.url)
    object.__setattr__(block, "_origin", origin)
    return revision


@forgetful
def delete(
    cls: "type[Block]", name: str, *, workspace: str | None, force: bool, registry: "Registry | None"
) -> "tuple[Dependent, ...]":
    """Delete after checking the type; see `Block.delete`."""
    documents = (registry or current_registry()).documents
    workspace = workspace or current_workspace()
    slug, _, plain = name.rpartition("/")
    found = documents.get(plain, workspace=workspace)
    if slug:
        _expect_type(name, slug, found.type_slug)
    _expect_class(name, cls, found.type_slug)
    return documents.delete(plain, workspace=workspace, force=force)


@forgetful
def reload(cls: type[B], origin: Origin) -> B:
    """Load a block that travelled by reference, in the process where it arrived."""
    registry = current_registry()
    try:
        tree = registry.load_id(origin.document_id, revision=origin.revision)
    except DocumentNotFound:
        message = f"{origin.workspace}/{origin.name} arrived by reference, but this process's registry lacks it."
        hint = "Give this process the TYPECASE_URL of the process that sent it."
        raise WrongRegistry(message, hint=hint, name=origin.name, workspace=origin.workspace) from None
    return Loading(tree, registry).root(cls)  # type: ignore[return-value] # `root` refuses anything but a `cls`


async def in_thread(body: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
    """Run `body` in a worker thread with this task's context."""
    import asyncio
    from contextvars import copy_context
    from functools import partial

    call = partial(body, *args, **options)
    future = asyncio.get_running_loop().run_in_executor(None, copy_context().run, call)
    # A traceback with local variables would show the arguments.
    del args, options, call
    return await future


def author() -> str:
    """Return who acts here: the user that this process runs as, empty where nobody knows."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def parsed(text: str | bytes | bytearray) -> Any:
    """Return JSON `text` as values, or as it is when it is not JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return bytes(text) if isinstance(text, bytearray) else text


def _expect_type(name: str, wanted: str, actual: str) -> None:
    if wanted != actual and not _is_alias(wanted, actual):
        hint = f"Load it as {actual}/{name.rpartition('/')[2]}."
        raise KindMismatch(f"{name.rpartition('/')[2]} is a {actual} block, not a {wanted}.", hint=hint)


def _is_alias(wanted: str, actual: str) -> bool:
    try:
        return CATALOG.get(wanted) is CATALOG.get(actual)
    except CatalogError:
        return False


def _expect_class(name: str, cls: "type[Block]", slug: str) -> None:
    from typecase.blocks.block import Block

    if cls is not Block and not issubclass(CATALOG.get(slug), cls):
        raise KindMismatch(f"{name} is a {slug} block, not {asked_for(cls)}.", hint="Delete it through `Block`.")
