"""The seven compatibility modes: which earlier versions a new one is compared with, in which direction."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from typecase.blocks.compatibility.check import check_compatibility, compare_fields
from typecase.blocks.compatibility.rules import NOTES, SECRECY, Difference, Direction, Policy, Rule


class Mode(StrEnum):
    """What a new version must be compatible with."""

    NONE = "none"
    BACKWARD = "backward"
    BACKWARD_TRANSITIVE = "backward-transitive"
    FORWARD = "forward"
    FORWARD_TRANSITIVE = "forward-transitive"
    FULL = "full"
    FULL_TRANSITIVE = "full-transitive"

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions that this mode looks in."""
        name = self.value.removesuffix("-transitive")
        return () if name == "none" else tuple(Direction) if name == "full" else (Direction(name),)

    @property
    def is_transitive(self) -> bool:
        """Whether every earlier version counts, not the newest alone."""
        return self.value.endswith("-transitive")


class Bump(StrEnum):
    """How the version number of a package should grow."""

    MAJOR = "major"
    MINOR = "minor"
    PATCH = "patch"


class Described(Protocol):
    """What is compared of a type: a `TypeDefinition` or a `SchemaVersion`."""

    @property
    def schema(self) -> Mapping[str, Any]:
        """Canonical JSON Schema."""
        ...

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that the type has."""
        ...


class Numbered(Described, Protocol):
    """An earlier version: a `SchemaVersion`."""

    @property
    def number(self) -> int:
        """Its place in the row of versions, from 1."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a mode says of a new version. `compared_with` are the numbers of the versions that were looked at."""

    mode: Mode
    policy: Policy
    compared_with: tuple[int, ...]
    differences: tuple[Difference, ...]
    bump: Bump

    @property
    def compatible(self) -> bool:
        """Whether nothing refuses the new version."""
        return not self.breaking

    @property
    def breaking(self) -> tuple[Difference, ...]:
        """The differences that refuse the new version."""
        return tuple(difference for difference in self.differences if difference.breaking)


def check_mode(
    versions: Sequence[Numbered],
    new: Described,
    *,
    mode: Mode | str = Mode.BACKWARD_TRANSITIVE,
    policy: Policy | str = Policy.LENIENT,
    kinds: Mapping[str, Collection[str]] | None = None,
    aliases: Mapping[str, str] | None = None,
) -> Report:
    """Compare `new` with the earlier `versions`, oldest first, as `mode` and `policy` ask.

    That a field stops being secret is refused in every mode, `none` included, whichever earlier version had it; a
    lost kind in those that look backward. `bump` follows from what the newest earlier version wrote, whatever the mode.
    """
    mode, policy = Mode(mode), Policy(policy)
    looked_at = versions if mode.is_transitive else versions[-1:]
    found: list[Difference] = []
    for version in looked_at:
        seen = list(_compare(version, new, mode=mode, policy=policy, kinds=kinds, aliases=aliases))
        notes = NOTES if version is not versions[-1] else frozenset[Rule]()
        found.extend(difference for difference in seen if difference.rule not in notes)
    exposed = {difference.path for difference in found if difference.rule in SECRECY}
    for version in reversed(versions[: len(versions) - len(looked_at)]):
        for difference in lost_secrecy(version, new):
            if difference.path not in exposed:
                exposed.add(difference.path)
                found.append(difference)
    bump = _bump(versions, new, found, policy=policy, kinds=kinds, aliases=aliases)
    numbers = tuple(version.number for version in looked_at)
    return Report(mode=mode, policy=policy, compared_with=numbers, differences=tuple(found), bump=bump)


def lost_secrecy(version: Numbered, new: Described) -> Iterator[Difference]:
    """Yield where `new` would show in clear what `version` keeps secret, also where that cannot be decided."""
    for difference in compare_fields(version.schema, new.schema):
        if difference.rule in SECRECY:
            yield replace(difference, version=version.number)


def _compare(
    version: Numbered,
    new: Described,
    *,
    mode: Mode,
    policy: Policy,
    kinds: Mapping[str, Collection[str]] | None,
    aliases: Mapping[str, str] | None,
) -> Iterator[Difference]:
    for direction in mode.directions:
        found = check_compatibility(
            version.schema, new.schema, direction=direction, policy=policy, kinds=kinds, aliases=aliases
        )
        yield from (replace(difference, version=version.number) for difference in found)
        if direction is Direction.BACKWARD:
            yield from _lost_kinds(version, new)
    for difference in compare_fields(version.schema, new.schema):
        yield replace(difference, version=version.number)


def _lost_kinds(version: Numbered, new: Described) -> Iterator[Difference]:
    for kind in version.kinds:
        if kind not in new.kinds:
            sentence = f"The type is no longer of kind {kind}. Flows and blocks that ask for a {kind} would fail."
            yield Difference(
                path="$",
                rule=Rule.KIND_LOST,
                direction=Direction.BACKWARD,
                sentence=sentence,
                breaking=True,
                version=version.number,
            )


def _bump(
    versions: Sequence[Numbered],
    new: Described,
    found: Sequence[Difference],
    *,
    policy: Policy,
    kinds: Mapping[str, Collection[str]] | None,
    aliases: Mapping[str, str] | None,
) -> Bump:
    if not versions:
        return Bump.MINOR
    newest = versions[-1]
    backward = _compare(newest, new, mode=Mode.BACKWARD, policy=policy, kinds=kinds, aliases=aliases)
    if any(difference.breaking for difference in (*found, *backward)):
        return Bump.MAJOR
    same = set(newest.kinds) == set(new.kinds) and not any(difference.rule in NOTES for difference in found)
    both = [
        difference
        for direction in Direction
        for difference in check_compatibility(
            newest.schema, new.schema, direction=direction, policy=Policy.STRICT, kinds=kinds, aliases=aliases
        )
    ]
    return Bump.PATCH if same and not both else Bump.MINOR
