"""Where a package of blocks says that it stands: for each rule of a closed set done, todo, or exempt and why."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from typecase.blocks.errors import CatalogError, describe_near

FILE: Final = "quality.toml"

_UNSTATED: Final = "not stated"


class Rule(StrEnum):
    """What a package can promise. `meaning` says what `done` stands for, `evidence` what it names: a test, a file."""

    meaning: str
    evidence: str

    def __new__(cls, name: str, meaning: str, evidence: str = "") -> Self:
        """Attach `meaning` and `evidence` to `name`."""
        rule = str.__new__(cls, name)
        rule._value_ = name
        rule.meaning = meaning
        rule.evidence = evidence
        return rule

    CONFORMANCE = "conformance", "Each block type passes `BlockContract` in a test.", "test"
    DOCS = "docs", "A page says what the block is for, how it is set up and what it was tested against.", "file"
    EXAMPLES = "examples", "An example in the documentation runs as a test.", "test"
    CHECK_STAGES = "check-stages", "`check()` names the stage that fails, the reason and the next step, tested.", "test"
    TYPED = "typed", "The package ships `py.typed`, and a strict type checker accepts it."
    TESTED_AGAINST_REAL = "tested-against-real", "A test speaks with the real system, not with a stand-in.", "test"
    ASYNC = "async", "Each method that waits has an async twin which runs the same body."
    TIMEOUTS = "timeouts", "Every wait for a system ends after a time that a field sets."
    RETRIES = "retries", "Passing faults are tried again, a bounded number of times, where that does no harm."
    REDACTION = "redaction", "A test looks for the secrets in errors and logs of the methods and finds none.", "test"
    ICON = "icon", "The icon is a file in the package or a slug of Simple Icons."
    CHANGELOG = "changelog", "A file says what changed in each version.", "file"


class Standing(StrEnum):
    """How far a rule is kept. `exempt` means that it cannot apply."""

    DONE = "done"
    TODO = "todo"
    EXEMPT = "exempt"


_STANDINGS: Final = frozenset(Standing)
_SHAPES: Final = {"file": "file", "test": "file::test"}


class InvalidQuality(CatalogError, ValueError):
    """A quality file cannot be read or breaks the format. `problems` holds (rule, sentence), `path` the file."""

    path: str
    problems: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a package says of one rule: `evidence` for what is done, `reason` for the rest."""

    rule: Rule
    standing: Standing
    evidence: tuple[str, ...] = ()
    reason: str = ""

    @property
    def note(self) -> str:
        """The evidence or the reason."""
        return ", ".join(self.evidence) or self.reason


@dataclass(frozen=True, slots=True)
class Quality:
    """The claims of a package, one for each rule and in their order."""

    claims: tuple[Claim, ...]

    def __getitem__(self, rule: Rule) -> Claim:
        """Return the claim about `rule`."""
        return next(claim for claim in self.claims if claim.rule is rule)

    def unproven(self, root: Path) -> tuple[str, ...]:
        """Name the evidence that is not there, a sentence each; paths are relative to the project's folder `root`."""
        pairs = [(claim, named) for claim in self.claims for named in claim.evidence]
        return tuple(f"{claim.rule}: {problem}" for claim, named in pairs if (problem := _missing(root, named)))


def quality_of(target: str) -> Quality | None:
    """Return what the package of the block type at `target` (`module:Class`) states, None if it states nothing.

    Imports nothing of it. Raises `InvalidQuality`.
    """
    path = quality_file(target.partition(":")[0])
    return read_quality(path) if path is not None else None


def quality_file(module: str) -> Path | None:
    """Return the file that speaks for `module`: the nearest on the way up from it. Imports nothing.

    A folder has a `quality.toml` in it, a module in one file a `<module>.quality.toml` beside it.
    """
    from importlib.util import find_spec

    first, *others = module.split(".")
    try:
        spec = find_spec(first)
        folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec is not None else []
    except (ImportError, ValueError, AttributeError):
        return None
    found = [folder / FILE for folder in folders]
    if spec is not None and not folders and spec.has_location:
        found = [Path(str(spec.origin)).with_name(f"{first}.{FILE}")]
    for name in others:
        found += [path for folder in folders for path in (folder / f"{name}.{FILE}", folder / name / FILE)]
        folders = [folder / name for folder in folders]
    return next((path for path in reversed(found) if path.is_file()), None)


def read_quality(path: Path) -> Quality:
    """Read a quality file; a rule that it leaves out is to do. Raises `InvalidQuality`."""
    import tomllib

    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _invalid(path, [("", f"it cannot be read: {error}")]) from error
    problems = [problem for name, value in given.items() for problem in _problems(name, value)]
    if problems:
        raise _invalid(path, problems)
    return Quality(tuple(_claim(rule, given.get(rule)) for rule in Rule))


def _problems(name: str, value: Any) -> Iterator[tuple[str, str]]:
    import difflib

    rules = {str(rule): rule for rule in Rule}
    if name not in rules:
        near = describe_near(difflib.get_close_matches(name, rules, n=1))
        yield name, f"there is no such rule. {near}".rstrip()
        return
    standing, said = _parts(value)
    if standing not in _STANDINGS:
        yield name, 'use "done", "todo", { done = "file::test" }, { todo = "why" } or { exempt = "why" }'
    elif not all(isinstance(item, str) and item.strip() for item in said):
        yield name, f"what stands after {standing} is a text, and not an empty one"
    elif standing == Standing.EXEMPT and not said:
        yield name, 'say why it is exempt: { exempt = "why" }'
    elif standing == Standing.DONE and (shape := _SHAPES.get(rules[name].evidence)) and not _fits(said, shape):
        yield name, f'name the {rules[name].evidence} that shows it: {{ done = "{shape}" }}'


def _fits(evidence: tuple[str, ...], shape: str) -> bool:
    return bool(evidence) and all("::" in item for item in evidence if "::" in shape)


def _parts(value: Any) -> tuple[str, tuple[Any, ...]]:
    """Split a claim into its standing, empty where it is malformed, and what is said of it."""
    if isinstance(value, str):
        return value, ()
    if not isinstance(value, Mapping) or len(value) != 1:
        return "", ()
    ((standing, said),) = value.items()
    several = standing == Standing.DONE and isinstance(said, list) and said
    return str(standing), tuple(said) if several else (said,)


def _claim(rule: Rule, value: Any) -> Claim:
    if value is None:
        return Claim(rule=rule, standing=Standing.TODO, reason=_UNSTATED)
    name, said = _parts(value)
    standing = Standing(name)
    if standing is Standing.DONE:
        return Claim(rule=rule, standing=standing, evidence=said)
    return Claim(rule=rule, standing=standing, reason="".join(said))


def _missing(root: Path, evidence: str) -> str:
    """Say what of `file` or `file::name::name` is not there, empty if all is."""
    import re

    name, *parts = evidence.split("::")
    path = root / name
    if not path.exists():
        return f"there is no {name}"
    text = path.read_text(encoding="utf-8") if parts else ""
    absent = [part for part in parts if not re.search(rf"\b(?:def|class) {re.escape(part)}\b", text)]
    return f"{name} has no {absent[0]}" if absent else ""


def _invalid(path: Path, problems: list[tuple[str, str]]) -> InvalidQuality:
    lines = "".join(f"\n  {name}: {text}" if name else f"\n  {text}" for name, text in problems)
    hint = "\ndocs/reference/quality.md lists the rules and the format."
    return InvalidQuality(
        f"The quality file {path} is not valid:{lines}", hint=hint, path=str(path), problems=tuple(problems)
    )
