"""`typecase check`."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from typecase.registry.cli.exit_codes import ExitCode
from typecase.registry.cli.findings import Finding, examine, find_missing, next_steps, summarize, worst
from typecase.registry.cli.installed import find_installed
from typecase.registry.cli.output import Mode, Output, Table
from typecase.registry.cli.registering import refuse_absent
from typecase.registry.cli.session import Session
from typecase.registry.cli.terminal import warn

_TITLES = {
    ExitCode.INCOMPATIBLE: "Breaking change in",
    ExitCode.CONFLICT: "Another package's block type:",
}


class Format(StrEnum):
    """For whom the findings are."""

    TEXT = "text"
    GITHUB = "github"
    JSON = "json"


def check(
    session: Session,
    package: Annotated[
        str | None, typer.Option("--package", metavar="NAME", help="Check the block types of this package only.")
    ] = None,
    style: Annotated[
        Format, typer.Option("--format", help="For people, as GitHub annotations, or as one JSON document.")
    ] = Format.TEXT,
) -> None:
    """Compare the installed block types with the registry. Exit code 11 on a breaking change; writes nothing."""
    refuse_absent(session)
    installed = find_installed(package)
    registry = session.registry
    findings = [examine(registry, item) for item in installed] + find_missing(registry, installed)
    findings.sort(key=lambda item: (item.package, item.slug))
    packages = summarize(findings)
    code = worst(findings)
    if style is Format.GITHUB:
        for line in _annotations(findings, packages):
            typer.echo(line)
    else:
        out = Output(Mode.JSON) if style is Format.JSON else session.out
        _tell(out, findings, packages, code)
    if code is not ExitCode.OK:
        raise typer.Exit(code)


def _tell(out: Output, findings: Sequence[Finding], packages: list[dict[str, Any]], code: ExitCode) -> None:
    answer = {"breaking": code is ExitCode.INCOMPATIBLE, "items": [item.answer() for item in findings]}
    types = [[item.slug, item.outcome, item.version, item.bump, item.package] for item in findings]
    told = [[item.slug, sentence] for item in findings for sentence in (*item.reasons, *item.notes)]
    bumps = [[row["package"], row["registered"], row["version"], row["bump"] or "none"] for row in packages]
    out.answer(
        {**answer, "packages": packages},
        Table(("type", "outcome", "version", "bump", "package"), types, title="Block types"),
        *([Table(("type", "what differs"), told, title="Differences")] if told else []),
        Table(("package", "registered", "installed", "suggested bump"), bumps, title="Packages"),
    )
    if out.mode is not Mode.JSON:
        for step in next_steps(findings):
            warn(step)


def _annotations(findings: Sequence[Finding], packages: Sequence[dict[str, Any]]) -> Iterator[str]:
    for item in findings:
        what = _TITLES.get(item.exit_code, "Broken block type")
        title = f"{what} {item.slug} of {item.package}"
        for reason in item.reasons:
            yield _annotation("error", title, reason)
        for difference in item.differences:
            if difference.rule == "becomes-secret":
                sentence = f"{difference.path}: {difference.sentence}"
                yield _annotation("warning", f"Becomes secret in {item.slug} of {item.package}", sentence)
    for row in packages:
        since = f" since {row['registered']}, which the registry knows" if row["registered"] else ""
        bump = f"a {row['bump']} version bump" if row["bump"] else "no version bump for its schemas"
        sentence = f"{row['package']} {row['version']} needs {bump}{since}."
        yield _annotation("notice", f"Suggested bump for {row['package']}", sentence)


def _annotation(level: str, title: str, text: str) -> str:
    return f"::{level} title={_escaped(title, ':,')}::{_escaped(text)}"


def _escaped(text: str, more: str = "") -> str:
    """Return `text` as a workflow command carries it."""
    return "".join(f"%{ord(letter):02X}" if letter in f"%\r\n{more}" else letter for letter in text)
