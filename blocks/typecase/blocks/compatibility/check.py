"""Two schemas compared: what one writes, read by the other."""

from collections.abc import Collection, Mapping

from typecase.blocks.compatibility.budget import DEFAULT_STEPS, Budget, WorkExceeded
from typecase.blocks.compatibility.dialects import Schema
from typecase.blocks.compatibility.inclusion import Inclusion
from typecase.blocks.compatibility.nodes import Root
from typecase.blocks.compatibility.notes import Notes
from typecase.blocks.compatibility.rules import Difference, Direction, Policy, Rule


def check_compatibility(
    old: Schema,
    new: Schema,
    *,
    direction: Direction | str = Direction.BACKWARD,
    policy: Policy | str = Policy.LENIENT,
    kinds: Mapping[str, Collection[str]] | None = None,
    aliases: Mapping[str, str] | None = None,
    steps: int = DEFAULT_STEPS,
) -> tuple[Difference, ...]:
    """Return what keeps one schema's documents from being read with the other; empty when all are accepted.

    Backward: the new schema reads documents of the old one. Forward: the reverse. `kinds` says which kinds a block
    slug has, `aliases` what a slug is called now; both are needed only where fields hold blocks. The work is bounded
    by `steps`; what cannot be decided within it is refused as `undecidable`.

    Raises `InvalidBlockType` for a malformed schema.
    """
    direction, policy = Direction(direction), Policy(policy)
    budget = Budget(steps)
    try:
        writer, reader = (old, new) if direction is Direction.BACKWARD else (new, old)
        lenient = policy is Policy.LENIENT
        inclusion = Inclusion(
            Root(writer, writer=lenient, tagged=lenient),
            Root(reader, reader=lenient, tagged=lenient),
            budget=budget,
            kinds=kinds or {},
            aliases=aliases or {},
        )
        findings = inclusion.prove(literal=not lenient)
    except (WorkExceeded, RecursionError):
        return (_undecided(direction),)
    return tuple(finding.seen(direction) for finding in findings)


def compare_fields(old: Schema, new: Schema, *, steps: int = DEFAULT_STEPS) -> tuple[Difference, ...]:
    """Return which fields came, went, became secret, stopped being secret, or have another default.

    Only `stops-being-secret` is breaking. Raises `InvalidBlockType` for a malformed schema.
    """
    try:
        return tuple(Notes(Root(old), Root(new), Budget(steps)).found.values())
    except (WorkExceeded, RecursionError):
        return (_undecided(None),)


def _undecided(direction: Direction | None) -> Difference:
    sentence = "The schemas are too large or too deeply nested to be compared within the allowed work."
    return Difference(path="$", rule=Rule.UNDECIDABLE, direction=direction, sentence=sentence, breaking=True)
