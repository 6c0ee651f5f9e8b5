"""Fresh secrets: for blocks that live long, and after a system refused the old ones."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from pydantic import BaseModel, Secret

from typecase.blocks.errors import AuthenticationFailed
from typecase.blocks.secrets.placeholders import Referenced, Source, Unresolved
from typecase.blocks.secrets.reference import SecretReference

if TYPE_CHECKING:
    from typecase.blocks.block import Block

B = TypeVar("B", bound="Block")
R = TypeVar("R")

_HOLDERS: Final = (BaseModel, Mapping, list, tuple, set, frozenset, deque)

IsRefusal: TypeAlias = Callable[[Exception], bool]


def with_fresh_secrets(block: B, body: Callable[[B], R], *, is_refusal: IsRefusal | None = None) -> R:
    """Run `body` with `block` as its secrets are now; where they are refused, and the store has others, once more.

    A refusal is `AuthenticationFailed`, or what `is_refusal` says is one. What was refused is forgotten, so that the
    next load fetches it anew.
    """
    if not refers(block):
        return body(block)
    from typecase.blocks.secrets.moments import forget_used, one_moment

    tried = False
    while True:
        with one_moment(anew=True) as used:
            try:
                return body(block.refreshed())
            except Exception as error:
                refused = is_refusal(error) if is_refusal is not None else isinstance(error, AuthenticationFailed)
                if refused:
                    forget_used(used)
                if not refused or tried or not _is_replaced(block, used):
                    raise
        tried = True


def loaded_whole(load: Callable[[], R]) -> R:
    """Return the block that `load` gives, with every secret that it refers to fetched, each once, and checked."""
    from typecase.blocks.secrets.moments import one_moment
    from typecase.blocks.secrets.sources import unbound, warm

    with one_moment():
        block = load()
        found = placeholders_in(block)
        warm([(item.source or unbound(), item.reference, item.field) for item in found])
        for item in found:
            item.get_secret_value()
        return block


def forget_secrets(block: "Block") -> None:
    """Drop all that `block` refers to from memory, so that it is fetched anew."""
    from typecase.blocks.secrets.sources import unbound

    for reference, source in references_of(block):
        (source or unbound()).forget(reference)


def refers(block: "Block") -> bool:
    """Tell whether anything in `block` came from a secret store, or will."""
    return next(references_of(block), None) is not None


def references_of(value: Any) -> Iterator[tuple[SecretReference, Source | None]]:
    """Yield every reference inside a block with what fetches it, those of the blocks in its fields too."""
    for item in _inside(value):
        if isinstance(item, Referenced):
            yield item.reference, item.source
        elif isinstance(item, BaseModel) and (resolved := getattr(item, "_resolved", None)) is not None:
            yield from ((reference, resolved.source) for reference in resolved.standing(item).values())


def placeholders_in(value: Any) -> list[Referenced]:
    """Return the secrets inside `value` that are fetched when they are asked for."""
    return [item for item in _inside(value) if isinstance(item, Referenced)]


def documents_of(value: Any) -> Iterator[tuple[str, int]]:
    """Yield the id and the revision of every saved block inside `value`, and of `value` itself."""
    for item in _inside(value):
        if isinstance(item, BaseModel) and (origin := getattr(item, "_origin", None)) is not None:
            yield origin.document_id, origin.revision


def places_of(value: Any) -> frozenset[tuple[str, str]]:
    """Return the registries and workspaces in which what `value` refers to is looked up, if it is used here and now."""
    sources = [source for reference, source in references_of(value) if reference.built_in is None]
    if not sources:
        return frozenset()
    from typecase.blocks.secrets.sources import unbound

    return frozenset((source or unbound()).place for source in sources)


def _inside(value: Any) -> Iterator[Any]:
    """Yield `value` and what is inside it."""
    seen: set[int] = set()
    pending = [value]
    while pending:
        item = pending.pop()
        is_holder = isinstance(item, (*_HOLDERS, Secret, Unresolved)) or is_dataclass(item)
        if not is_holder or id(item) not in seen:
            yield item
        if is_holder and id(item) not in seen:
            seen.add(id(item))
            pending += _members(item)


def _members(item: Any) -> list[Any]:
    if isinstance(item, BaseModel):
        return list(vars(item).values())
    if is_dataclass(item) and not isinstance(item, type):
        return [getattr(item, field.name, None) for field in fields(item)]
    if isinstance(item, Mapping):
        return list(item.values())
    if isinstance(item, Secret):
        return [] if isinstance(item, Referenced) else [item.get_secret_value()]
    if isinstance(item, Unresolved):
        from typecase.blocks.secrets.placeholders import raw_of

        return [raw_of(item)]
    return list(item) if isinstance(item, _HOLDERS) else []


def _is_replaced(block: "Block", used: dict[Any, Any]) -> bool:
    from typecase.blocks.secrets.sources import unbound

    replaced = {(source or unbound()).is_replaced(reference, used) for reference, source in references_of(block)}
    return True in replaced
