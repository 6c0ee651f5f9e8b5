"""What a registry decides about a schema: the rule that holds, and what registering would do."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, TypeVar

from typecase.blocks.catalog import LOCAL, is_same_package
from typecase.blocks.compatibility import (
    Bump,
    Difference,
    Direction,
    Mode,
    Policy,
    Report,
    Rule,
    check_mode,
    lost_secrecy,
)
from typecase.blocks.errors import SettingsError
from typecase.blocks.records import SchemaVersion, TypeDefinition
from typecase.blocks.schema import ALIASES_KEY, BLOCK_KEY
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
    `owner` is the package that the type belongs to so far, empty for a new type; `package` the one that asks.
    `registered` is the version in which this package registered the newest schema, empty where it did not.
    """

    slug: str
    owner: str
    package: str
    outcome: Outcome
    number: int
    newest: int
    registered: str
    report: Report

    @property
    def refused(self) -> bool:
        """Whether only force registers it."""
        return self.outcome is Outcome.REFUSED

    @property
    def moves(self) -> bool:
        """Whether the type would go to another package."""
        return bool(self.owner) and self.owner != LOCAL and not is_same_package(self.owner, self.package)

    @property
    def handing_over(self) -> str:
        """How the type goes to another package."""
        by_command = f"`typecase registry register --package {self.package} --force`"
        how = "`types.register(definition, force=True)`" if self.package == LOCAL else by_command
        return f"If it moved to {self.package}, hand it over: {how}."

    @property
    def breaks(self) -> bool:
        """Whether the schema is what refuses it: forced, later versions are compared from here on."""
        return any(item.rule is not Rule.OWNER for item in self.report.breaking)


def judge(
    definition: TypeDefinition,
    versions: Sequence[SchemaVersion],
    *,
    rule: CompatibilityRule,
    kinds: Mapping[str, Collection[str]],
    owner: str = "",
) -> Verdict:
    """Say what registering `definition` would do where `versions`, oldest first, are registered.

    A forced version is where comparing begins: what came before it was given up on purpose. What a migration brings
    along need not be read as it is. Only lost secrecy is looked for before that too, where it was not given up as well.
    `kinds` are those of the registered types, by slug; `owner` is the package that the type belongs to.
    """
    newest = versions[-1].number if versions else 0
    same = next((item for item in versions if item.digest == definition.digest), None)
    if same is not None:
        report = Report(mode=rule.mode, policy=rule.policy, compared_with=(), differences=(), bump=Bump.PATCH)
        number = same.number
    else:
        first = max((place for place, item in enumerate(versions) if item.forced), default=0)
        known, aliases = {**kinds, definition.slug: definition.kinds}, former_slugs(definition.form)
        report = check_mode(
            versions[first:], definition, mode=rule.mode, policy=rule.policy, kinds=known, aliases=aliases
        )
        exposed = _exposed(versions[:first], versions[first:], definition)
        settled = (*(_migrated(item, definition) for item in report.differences), *exposed)
        report = replace(report, differences=settled, bump=Bump.MAJOR if exposed else report.bump)
        number = newest + 1
    verdict = Verdict(
        slug=definition.slug,
        owner=owner,
        package=definition.package,
        outcome=Outcome.UNCHANGED if same is not None else Outcome.NEW_VERSION if versions else Outcome.NEW_TYPE,
        number=number,
        newest=newest,
        registered=versions[-1].package_version if versions and _is_of(versions[-1], definition) else "",
        report=report,
    )
    found = (*report.differences, *_moved(verdict), *_counted(definition, number))
    report = replace(report, differences=found)
    return replace(verdict, report=report, outcome=verdict.outcome if report.compatible else Outcome.REFUSED)


def former_slugs(form: Mapping[str, Any]) -> dict[str, str]:
    """Return what the former slugs of the block types in the fields of `form` are called now."""
    found: dict[str, str] = {}
    pending: list[Any] = [form]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            if isinstance(value.get(BLOCK_KEY), str) and isinstance(value.get(ALIASES_KEY), list):
                found |= dict.fromkeys(value[ALIASES_KEY], value[BLOCK_KEY])
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    return found


def _exposed(
    before: Sequence[SchemaVersion], after: Sequence[SchemaVersion], definition: TypeDefinition
) -> tuple[Difference, ...]:
    """Return what `definition` shows in clear of the versions `before` a forced one, which did not do so itself."""
    found: list[Difference] = []
    for version in before:
        lost = tuple(lost_secrecy(version, definition))
        forced = (later for later in (*before, *after) if lost and later.forced and later.number > version.number)
        given_up = {item.path for later in forced for item in lost_secrecy(version, later)}
        given_up |= {item.path for item in found}
        found.extend(item for item in lost if item.path not in given_up)
    return tuple(found)


def _is_of(version: SchemaVersion, definition: TypeDefinition) -> bool:
    return is_same_package(version.package, definition.package)


def _moved(verdict: Verdict) -> Iterator[Difference]:
    if verdict.moves:
        sentence = f"The type belongs to package {verdict.owner}. {verdict.handing_over}"
        yield Difference(path="$", rule=Rule.OWNER, direction=None, sentence=sentence, breaking=True)


def _counted(definition: TypeDefinition, number: int) -> Iterator[Difference]:
    """Say where a registry counts fewer versions than the class does."""
    if definition.migrates_through >= number:
        sentence = (
            f"The class migrates from version {definition.migrates_through} on, but this registry counts its schema of "
            f"today as version {number}: it did not see all earlier ones. Migrations must leave newer data alone."
        )
        yield Difference(path="$", rule=Rule.HISTORY_DIFFERS, direction=None, sentence=sentence, breaking=False)


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
