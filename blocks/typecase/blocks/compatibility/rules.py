"""What a compatibility check may find: a closed set of rules, and the difference that names one."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Direction(StrEnum):
    """Who reads whose documents."""

    BACKWARD = "backward"
    FORWARD = "forward"


class Policy(StrEnum):
    """Whether `additionalProperties` is read as our documents are used, or to the letter."""

    LENIENT = "lenient"
    STRICT = "strict"


class Rule(StrEnum):
    """Why two schemas differ; the value is what a report shows."""

    TYPE_CHANGED = "type-changed"
    VALUE_REMOVED = "value-removed"
    MINIMUM_RAISED = "minimum-raised"
    MAXIMUM_LOWERED = "maximum-lowered"
    MULTIPLE_OF_CHANGED = "multiple-of-changed"
    MIN_LENGTH_RAISED = "min-length-raised"
    MAX_LENGTH_LOWERED = "max-length-lowered"
    PATTERN_CHANGED = "pattern-changed"
    FORMAT_CHANGED = "format-changed"
    CONTENT_CHANGED = "content-changed"
    MIN_ITEMS_RAISED = "min-items-raised"
    MAX_ITEMS_LOWERED = "max-items-lowered"
    UNIQUE_ITEMS_ADDED = "unique-items-added"
    CONTAINS_CHANGED = "contains-changed"
    REQUIRED_ADDED = "required-added"
    PROPERTY_REFUSED = "property-refused"
    OPEN_PROPERTY_NARROWED = "open-property-narrowed"
    PROPERTY_NAMES_NARROWED = "property-names-narrowed"
    MIN_PROPERTIES_RAISED = "min-properties-raised"
    MAX_PROPERTIES_LOWERED = "max-properties-lowered"
    NO_ALTERNATIVE = "no-alternative"
    ALTERNATIVES_OVERLAP = "alternatives-overlap"
    EXCLUDED = "excluded"
    NOTHING_ACCEPTED = "nothing-accepted"
    KIND_NARROWED = "kind-narrowed"
    BLOCK_TYPE_CHANGED = "block-type-changed"
    KIND_LOST = "kind-lost"
    OWNER = "owner"
    STOPS_BEING_SECRET = "stops-being-secret"  # noqa: S105  a rule's name
    BECOMES_SECRET = "becomes-secret"  # noqa: S105  a rule's name
    FIELD_ADDED = "field-added"
    FIELD_REMOVED = "field-removed"
    DEFAULT_CHANGED = "default-changed"
    HISTORY_DIFFERS = "history-differs"
    UNDECIDABLE = "undecidable"


NOTES: Final = frozenset(
    {Rule.BECOMES_SECRET, Rule.FIELD_ADDED, Rule.FIELD_REMOVED, Rule.DEFAULT_CHANGED, Rule.HISTORY_DIFFERS}
)
"""Rules that never refuse a schema."""

SECRECY: Final = frozenset({Rule.STOPS_BEING_SECRET, Rule.UNDECIDABLE})
"""What a comparison of fields may find that refuses a schema: a secret is shown, or nobody can tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing in which two schemas differ.

    `path` is a JSON path in the data, such as `$.items[*].port`. `direction` is None for what concerns both.
    `version` is the earlier schema version that was compared with, where there is one.
    """

    path: str
    rule: Rule
    direction: Direction | None
    sentence: str
    breaking: bool
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A breaking difference on its way up: `steps` lead from where it is being looked at to where it is.

    `reads` says what the reading schema does, `writes` what documents of the writing one may hold.
    """

    rule: Rule
    reads: str
    writes: str
    steps: tuple[str, ...] = ()

    def under(self, step: str) -> "Finding":
        """Return the same finding seen from one level higher."""
        return Finding(self.rule, self.reads, self.writes, (step, *self.steps))

    def seen(self, direction: Direction) -> Difference:
        """Return the difference to report."""
        backward = direction is Direction.BACKWARD
        reader, writer = ("new", "Earlier") if backward else ("earlier", "New")
        sentence = f"The {reader} version {self.reads}. {writer} documents {self.writes}."
        return Difference(
            path="$" + "".join(self.steps), rule=self.rule, direction=direction, sentence=sentence, breaking=True
        )


def property_step(name: str) -> str:
    """Return the JSON path step to a property."""
    if name.isidentifier():
        return f".{name}"
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{escaped}']"
