"""What a registry says of installed block types: one finding for each type, one summary for each package."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typecase.registry.cli.exit_codes import ExitCode, code_of
from typecase.registry.cli.installed import Installed, is_package

if TYPE_CHECKING:
    from typecase.blocks.compatibility import Difference
    from typecase.blocks.errors import TypecaseError
    from typecase.blocks.registry import Registry

BROKEN = "broken"
FORCED = "forced"
HANDED_OVER = "handed over"
MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the registry says of one type. `outcome` is a `verdicts.Outcome`, or one of those above."""

    slug: str
    package: str
    package_version: str
    outcome: str
    version: int | None = None
    bump: str = ""
    registered: str = ""
    differences: "tuple[Difference, ...]" = ()
    problem: "TypecaseError | None" = None

    @property
    def exit_code(self) -> ExitCode:
        """How a command ends that found this."""
        if self.outcome == MISSING or (self.problem is not None and self._breaks()):
            return ExitCode.INCOMPATIBLE
        return code_of(self.problem) if self.problem is not None else ExitCode.OK

    @property
    def reasons(self) -> list[str]:
        """One sentence for each thing that is wrong."""
        if self.outcome == MISSING:
            hint = f"Bring it back, or remove its documents before {self.package} is released."
            return [f"The registry holds this type of {self.package}, which no longer declares it. {hint}"]
        taken = self.outcome in (FORCED, HANDED_OVER)
        broken = [_told(item) for item in self.differences if item.breaking and not (taken and item.rule == "owner")]
        return broken or ([self.problem.message] if self.problem is not None else [])

    @property
    def notes(self) -> list[str]:
        """One sentence for each thing to know that refuses nothing."""
        return [f"{item.path} ({item.rule}): {item.sentence}" for item in self.differences if not item.breaking]

    def _breaks(self) -> bool:
        return any(item.breaking and item.version is not None for item in self.differences)

    def answer(self) -> dict[str, Any]:
        """Return the finding as commands answer it in JSON."""
        return {
            "type": self.slug,
            "package": self.package,
            "package_version": self.package_version,
            "outcome": self.outcome,
            "version": self.version,
            "bump": self.bump,
            "differences": [difference_row(item) for item in self.differences],
            "problem": self.reasons[0] if self.reasons else "",
        }


def _told(item: "Difference") -> str:
    against = f", against version {item.version}" if item.version is not None else ""
    return f"{item.path} ({item.rule}{against}): {item.sentence}"


def difference_row(item: "Difference") -> dict[str, Any]:
    """Return a difference as commands answer it in JSON."""
    return {
        "path": item.path,
        "rule": str(item.rule),
        "direction": str(item.direction) if item.direction is not None else None,
        "breaking": item.breaking,
        "version": item.version,
        "sentence": item.sentence,
    }


def examine(registry: "Registry", installed: Installed, *, write: bool = False, force: bool = False) -> Finding:
    """Ask the registry about one installed type, and register it where `write` says so."""
    from typecase.blocks.errors import DuplicateBlockType, IncompatibleSchema
    from typecase.blocks.refusals import refused

    verdict = None
    problem = installed.problem
    forced = False
    if installed.definition is not None:
        try:
            verdict = registry.types.check(installed.definition)
            if write:
                registry.types.register(installed.definition, force=force)
            forced = verdict.refused and force
            if verdict.refused and not forced:
                problem = refused(verdict)
        except (DuplicateBlockType, IncompatibleSchema) as error:
            verdict, problem = error.verdict, error
    outcome = BROKEN if verdict is None else str(verdict.outcome)
    if forced and verdict is not None:
        outcome = FORCED if verdict.breaks else HANDED_OVER
    return Finding(
        slug=installed.slug,
        package=installed.package,
        package_version=installed.package_version,
        outcome=outcome,
        version=None if verdict is None else verdict.number,
        bump="" if verdict is None or outcome == "unchanged" else str(verdict.report.bump),
        registered="" if verdict is None else verdict.registered,
        differences=() if verdict is None else verdict.report.differences,
        problem=problem,
    )


def find_missing(registry: "Registry", installed: Sequence[Installed]) -> list[Finding]:
    """Return the registered types of the installed packages that these no longer declare."""
    declared = {slug for item in installed for slug in (item.slug, *item.aliases)}
    versions = {item.package: item.package_version for item in installed}
    return [
        Finding(
            slug=record.slug,
            package=package,
            package_version=versions[package],
            outcome=MISSING,
            version=record.version,
            bump="major",
        )
        for record in registry.types.all()
        for package in versions
        if record.slug not in declared and is_package(record.package, package)
    ]


def summarize(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return each package with the bump that its version needs since the one that registered its newest schemas."""
    from typecase.blocks.evolution import release

    order = ("major", "minor", "patch", "")
    packages: dict[str, dict[str, Any]] = {}
    for item in findings:
        start = {"package": item.package, "version": item.package_version, "registered": "", "bump": "", "types": 0}
        row = packages.setdefault(item.package, start)
        row["registered"] = max(row["registered"], item.registered, key=release)
        row["bump"] = min(row["bump"], item.bump, key=order.index)
        row["types"] += 1
    return [packages[name] for name in sorted(packages)]


def next_steps(findings: Sequence[Finding]) -> list[str]:
    """Return what to do about the problems, each said once; that of an owner stands in its sentence."""
    problems = [item.problem for item in findings if item.problem is not None]
    hints = [item.hint.strip() for item in problems if type(item).__name__ != "DuplicateBlockType"]
    return [hint for hint in dict.fromkeys(hints) if hint]


def worst(findings: Sequence[Finding]) -> ExitCode:
    """Return how the command ends: a breaking change counts before a broken package."""
    codes = {item.exit_code for item in findings} - {ExitCode.OK}
    return ExitCode.INCOMPATIBLE if ExitCode.INCOMPATIBLE in codes else min(codes, default=ExitCode.OK)
