"""What a registry decides about a schema: the rule that holds, and what registering would do."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeVar

from typecase.blocks.compatibility import Bump, Difference, Direction, Mode, Policy, Report, Rule, check_mode
from typecase.blocks.errors import SettingsError
from typecase.blocks.records import SchemaVersion, TypeDefinition
from typecase.blocks.stored import Unset

E = TypeVar("E", bound=StrEnum)

DEFAULT_MODE: Final = Mode.BACKWARD_TRANSITIVE
DEFAULT_POLICY: Final = Policy.LENIENT

_MARKS: Final = '"x-typecase-'


@dataclass(frozen=True, slots=True, kw_only=True)
class CompatibilityRule:
    """What new schema versions must be compatible with. `inherited`: nothing was set at this very place."""

    mode: Mode
    policy: Policy
    inherited: bool


class Outcome(StrEnum):
    """What registering a block type does."""

    NEW_TYPE = "new type"
    NEW_VERSION = "new version"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What registering a definition would do.

    `number` is the version that it has or would get, `newest` the newest registered one, 0 where there is none.
    `report` says what was compared, what differs and which version number the package should have next.
    """

    slug: str
    outcome: Outcome
    number: int
    newest: int
    report: Report

    @property
    def refused(self) -> bool:
        """Whether only force registers it."""
        return self.outcome is Outcome.REFUSED


def judge(
    definition: TypeDefinition,
    versions: Sequence[SchemaVersion],
    *,
    rule: CompatibilityRule,
    kinds: Mapping[str, Collection[str]],
) -> Verdict:
    """Say what registering `definition` would do where `versions`, oldest first, are registered.

    A forced version is where comparing begins: what came before it was given up on purpose. What a migration brings
    along need not be read as it is. `kinds` are those of the registered types, by slug.
    """
    newest = versions[-1].number if versions else 0
    same = next((item for item in versions if item.digest == definition.digest), None)
    if same is not None:
        report = Report(mode=rule.mode, policy=rule.policy, compared_with=(), differences=(), bump=Bump.PATCH)
        outcome, number = Outcome.UNCHANGED, same.number
    else:
        first = max((place for place, item in enumerate(versions) if item.forced), default=0)
        known = {**kinds, definition.slug: definition.kinds}
        report = check_mode(versions[first:], definition, mode=rule.mode, policy=rule.policy, kinds=known)
        settled = tuple(_migrated(item, definition) for item in report.differences)
        report = replace(report, differences=settled)
        accepted = Outcome.NEW_VERSION if versions else Outcome.NEW_TYPE
        outcome, number = (accepted if report.compatible else Outcome.REFUSED), newest + 1
    return Verdict(slug=definition.slug, outcome=outcome, number=number, newest=newest, report=report)


def _migrated(difference: Difference, definition: TypeDefinition) -> Difference:
    """Return `difference`, no longer breaking where a migration of the class takes care of it."""
    reached = difference.version is not None and difference.version <= definition.migrates_through
    if not reached or difference.direction is not Direction.BACKWARD or difference.rule is Rule.KIND_LOST:
        return difference
    sentence = f"{difference.sentence} A migration takes care of documents of version {difference.version}."
    return replace(difference, breaking=False, sentence=sentence)


def holds_blocks(definition: TypeDefinition) -> bool:
    """Tell whether fields of `definition` hold other blocks: only then do the kinds of other types matter."""
    return _MARKS in json.dumps(definition.schema)


def chosen(value: "E | str | Unset | None", kind: type[E], kept: E | None) -> E | None:
    """Return what a caller asks for: a member of `kind`, None = inherit, `UNSET` = `kept`. Raises `SettingsError`."""
    if isinstance(value, Unset):
        return kept
    if value is None:
        return None
    try:
        return kind(value)
    except ValueError:
        names = ", ".join(kind)
    raise SettingsError(f"{value!r} is no compatibility {kind.__name__.lower()}.", hint=f"There are: {names}.")
