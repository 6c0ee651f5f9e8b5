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
    from typecase.blocks.secrets.sources import one_moment

    with one_moment(anew=True) as used:
        try:
            return body(block.refreshed())
        except Exception as error:
            refused = is_refusal(error) if is_refusal is not None else isinstance(error, AuthenticationFailed)
            if not refused or not _is_replaced(block, used):
                raise
    with one_moment(anew=True):
        return body(block.refreshed())


def fetch_all(block: "Block") -> None:
    """Fetch every secret that `block` refers to into memory, each once, stores at the same time."""
    from typecase.blocks.secrets.sources import unbound

    by_source: dict[int, tuple[Any, list[Any]]] = {}
    for found in placeholders_in(block):
        source = found.source or unbound()
        by_source.setdefault(id(source), (source, []))[1].append((found.reference, found.held, found.field))
    for source, wanted in by_source.values():
        source.values(wanted)


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
    seen: set[int] = set()
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, Referenced):
            yield item.reference, item.source
            continue
        if not (isinstance(item, (*_HOLDERS, Secret, Unresolved)) or is_dataclass(item)) or id(item) in seen:
            continue
        seen.add(id(item))
        resolved = getattr(item, "_resolved", None)
        if resolved is not None:
            yield from ((found.reference, resolved.source) for found in resolved.places)
        pending += _members(item)


def placeholders_in(value: Any) -> list[Referenced]:
    """Return the secrets inside `value` that are fetched when they are asked for."""
    found: list[Referenced] = []
    seen: set[int] = set()
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, Referenced):
            found.append(item)
        elif (isinstance(item, _HOLDERS) or is_dataclass(item)) and id(item) not in seen:
            seen.add(id(item))
            pending += _members(item)
    return found


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
