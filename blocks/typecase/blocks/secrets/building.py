"""Blocks from data with references: built in Python, loaded from documents, refreshed."""

import json
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from typecase.blocks.errors import SecretMalformed, TypecaseError, UnresolvedReference
from typecase.blocks.redaction import MASK, secret_values
from typecase.blocks.sanitizing import forgetful, invalid_block
from typecase.blocks.secrets.placeholders import no_fetching
from typecase.blocks.secrets.placing import Placing, new_token
from typecase.blocks.secrets.provenance import Resolved, Steps, same_kind
from typecase.blocks.secrets.reference import SecretReference, is_reference
from typecase.blocks.secrets.validators import taking_placeholders

if TYPE_CHECKING:
    from typecase.blocks.block import Block
    from typecase.blocks.loading import Loading
    from typecase.blocks.secrets.sources import StoreSource

B = TypeVar("B", bound="Block")


class Context:
    """What a validator is told while a block with references is built. `slots` are placeholders by token."""

    __slots__ = ("slots",)

    def __init__(self) -> None:
        self.slots: dict[str, Any] = {}


def build(cls: type[B], data: Any, validate: Callable[[Any, Any, Context], B]) -> B:
    """Build a block from Python `data` with references and fetch nothing.

    `validate` is given a validator, the data and the context.
    """

    def attempt(*, as_given: bool) -> B:
        context = Context()
        placing = Placing(cls, context.slots, as_given=as_given)
        block = validate(taking_placeholders(cls, checks=not as_given), placing.place(data), context)
        return _remembering(block, placing)

    return _unfetched(attempt)


def place(cls: type[B], data: Any, loading: "Loading") -> B:
    """Build a block from the JSON `data` of a document, in which texts stand for the references of `loading`.

    Raises `ValidationError`, `SecretError`.
    """
    source, tokens = loading.source, loading.tokens

    def attempt(*, as_given: bool) -> B:
        reads = source if loading.fetches else None
        placing = Placing(cls, loading.slots, source=reads, bound=source, tokens=tokens, as_given=as_given)
        placed = json.dumps(placing.place(data), default=_json)
        validator = taking_placeholders(cls, checks=not as_given)
        extra: Any = "ignore" if loading.fetches else None
        loading.unfit = None
        try:
            block: B = validator.validate_json(placed, extra=extra, by_name=True, context=loading)
        except ValidationError as error:
            loading.fetched += [*(hole.value for hole in placing.holes), *loading.slots.values()]
            if source is not None:
                loading.unfit = _unfit(cls, error, placing, source)
            raise
        return _remembering(block, placing)

    if not loading.fetches:
        return _unfetched(attempt)
    try:
        return attempt(as_given=False)
    except TypecaseError as error:
        # Inside a validator of pydantic's it would come out as a mere ValidationError.
        loading.failure = error
        raise


def _unfit(
    cls: type[BaseModel], error: ValidationError, placing: Placing, source: "StoreSource"
) -> TypecaseError | None:
    """Return the error about the first secret that its field refuses, None where other values are refused too."""
    refused = []
    for path in [item["loc"] for item in error.errors(include_url=False, include_input=False, include_context=False)]:
        met = [hole for hole in placing.holes if path[: len(hole.wanted.steps)] == hole.wanted.steps]
        if not met:
            return None
        refused.append((path, met[0]))
    problems = invalid_block(BaseModel, "", error, [hole.value for hole in placing.holes]).problems
    (path, hole), sentence = refused[0], problems[0][2]
    place = ".".join(map(str, path)) or "(block)"
    message = f"The secret does not fit {place!r} of {cls.__name__}: {sentence}."
    problem = SecretMalformed(message, hint="Correct it in the store, or refer to another one.", reason="unfit")
    return source.refusal(problem, hole.wanted.reference, field=".".join(map(str, hole.wanted.steps)))


def _unfetched(attempt: Callable[..., B]) -> B:
    """Build a block without fetching. What its own checks ask for in vain is checked when it is loaded."""
    with no_fetching():
        try:
            return attempt(as_given=False)
        except UnresolvedReference:
            pass
        return attempt(as_given=True)


@forgetful
def replaced(block: B) -> B:
    """Return `block` with its references followed anew, itself if they lead to the same values."""
    from typecase.blocks.secrets.sources import unbound

    resolved: Resolved | None = getattr(block, "_resolved", None)
    source: Any = resolved.source if resolved is not None else None
    values: Any = {name: _renewed(value) for name, value in vars(block).items()}
    for steps, reference in resolved.standing(block).items() if resolved is not None else ():
        values = _with_reference(values, steps, reference) if steps else reference
    context = Context()
    placing = Placing(type(block), context.slots, source=source or unbound(), bound=source)
    validator = taking_placeholders(type(block))
    problem: TypecaseError
    try:
        fresh: B = validator.validate_python(placing.place(values), extra="ignore", by_name=True, context=context)
    except ValidationError as error:
        # Under a name that is no field: a validator may have repeated what was fetched.
        given = {
            "": [*(hole.value for hole in placing.holes), *context.slots.values()],
            **(values if isinstance(values, Mapping) else {}),
        }
        problem = invalid_block(type(block), type(block).__name__, error, given)
    else:
        _remembering(fresh, placing)
        if fresh == block:
            return block
        for name in ("_origin", "_basis"):
            if (known := getattr(block, name, None)) is not None:
                object.__setattr__(fresh, name, known)
        return fresh
    raise problem


def tokenized(data: Any, tokens: dict[str, SecretReference], name_of: Callable[[str], str]) -> Any:
    """Return the JSON of a document with each reference as a text, which `tokens` then knows.

    `name_of` gives the name of a store's document by its id.
    """
    if is_reference(data):
        reference = SecretReference.from_json(data)
        if reference.store_id:
            reference = reference._replace(store=name_of(reference.store_id))
        token = new_token()
        tokens[token] = reference
        return token
    if isinstance(data, dict):
        return {key: tokenized(item, tokens, name_of) for key, item in data.items()}
    return [tokenized(item, tokens, name_of) for item in data] if isinstance(data, list) else data


def _remembering(block: B, placing: Placing) -> B:
    resolved = placing.resolved(block)
    if resolved is not None:
        object.__setattr__(block, "_resolved", resolved)
        for text in secret_values([found.value for found in resolved.places]):
            MASK.add(text)
    return block


def _renewed(value: Any) -> Any:
    """Return `value` with the blocks inside it refreshed."""
    from typecase.blocks.block import Block

    if isinstance(value, Block):
        return value.refreshed()
    if isinstance(value, Mapping):
        return {key: _renewed(item) for key, item in value.items()}
    return same_kind(value, map(_renewed, value)) if isinstance(value, list | tuple | deque) else value


def _with_reference(value: Any, steps: Steps, reference: SecretReference) -> Any:
    if not steps:
        return reference
    step = steps[0]
    if isinstance(value, BaseModel):
        value = dict(vars(value))
    if isinstance(value, Mapping):
        return {**value, step: _with_reference(value.get(step), steps[1:], reference)}
    if is_dataclass(value) and not isinstance(value, type):
        value = dict(vars(value))
        return {**value, step: _with_reference(value.get(step), steps[1:], reference)}
    if isinstance(value, list | tuple | deque) and isinstance(step, int) and step < len(value):
        return [_with_reference(item, steps[1:], reference) if at == step else item for at, item in enumerate(value)]
    return value


def _json(value: Any) -> str:
    """Return bytes that were fetched as a document holds them."""
    return b64encode(value).decode()
