"""Copies of blocks: a saved block stays the saved block, and travels to other processes as a reference to it."""

import copyreg
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from typecase.blocks import storing
from typecase.blocks.dumping import holds_literal_secret, origin_of
from typecase.blocks.errors import InvalidBlock, UnsavedSecrets
from typecase.blocks.secrets.referring import copy_resolved

if TYPE_CHECKING:
    from typecase.blocks.block import Block

B = TypeVar("B", bound="Block")


def changed(block: B, update: Mapping[str, Any]) -> B:
    """Return a validated copy of `block` with `update`, that is no longer the saved block but remembers it."""
    values = {**vars(block), **update}
    try:
        copied = type(block).model_validate(values)
    except BaseException:
        del update, values
        raise
    object.__setattr__(copied, "_basis", origin_of(block) or getattr(block, "_basis", None))
    copy_resolved(block, copied)
    return copied


def same_origin(source: B, copied: B) -> B:
    """Let `copied` be the same saved block as `source`."""
    for name in ("_origin", "_basis"):
        known = getattr(source, name, None)
        if known is not None:
            object.__setattr__(copied, name, known)
    copy_resolved(source, copied)
    return copied


def reduced(block: "Block") -> tuple[Any, ...]:
    """Return what a pickle of `block` holds. Raises `UnsavedSecrets`."""
    origin = origin_of(block)
    if origin is not None:
        return storing.reload, (type(block), origin._replace(registry=""))
    if holds_literal_secret(block):
        message = f"This {type(block).__name__} holds secrets and is not saved, so it cannot be pickled."
        raise UnsavedSecrets(message, hint="Save it first: a saved block travels as a reference.")
    return copyreg.__newobj__, (type(block),), block.__getstate__()  # type: ignore[attr-defined] # not in typeshed


def frozen(block: "Block", name: str) -> InvalidBlock:
    """Return the error for setting the field `name`."""
    problem = (name, "frozen_instance", "a block cannot be changed")
    hint = "Make another one: block.model_copy(update={...})."
    return InvalidBlock.build(type(block).__name__, [problem], hint=hint)
