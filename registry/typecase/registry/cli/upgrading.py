"""`typecase blocks upgrade`."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from typecase.registry.cli.completion import complete_names, complete_types
from typecase.registry.cli.exit_codes import ExitCode
from typecase.registry.cli.session import Session, command
from typecase.registry.cli.terminal import warn

if TYPE_CHECKING:
    from typecase.blocks.records import Document
    from typecase.registry.upgrading import Step, Upgrade

_COLUMNS = ("workspace", "name", "type", "from", "to", "outcome", "how")


def add(app: typer.Typer) -> None:
    """Add the command to `app`."""
    command(app, "upgrade")(upgrade)


def upgrade(
    session: Session,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Documents; by default all.", autocompletion=complete_names),
    ] = None,
    type_slug: Annotated[
        str | None,
        typer.Option("--type", metavar="TYPE", help="Only of this block type.", autocompletion=complete_types),
    ] = None,
    all_workspaces: Annotated[bool, typer.Option("--all-workspaces", help="In every workspace.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would change, by what, or why not.")] = False,
) -> None:
    """Save documents again at the newest schema version of their installed class.

    A document that is at the newest version is skipped, so a run that was stopped is simply run again. Each change
    is a new revision. Exit code 9 when a document could not be upgraded; the others are.
    """
    from typecase.registry.cli.errors import UsageFault
    from typecase.registry.upgrading import Outcome, Upgrade

    if names and all_workspaces:
        raise UsageFault("Names and --all-workspaces exclude each other.", hint="Give one of them.")
    work = Upgrade(session.registry, plan=plan)
    told: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    with _progress() as progress:
        for document in _chosen(session, work, names or (), type_slug, all_workspaces=all_workspaces):
            step = work.run(document)
            counts[step.outcome.value] += 1
            if step.outcome is not Outcome.CURRENT:
                told.append(_told(step))
            progress(step, counts)
    summary = {outcome.value: counts[outcome.value] for outcome in Outcome}
    looked_at = counts.total()
    empty = f"Nothing to upgrade: {looked_at} document{'' if looked_at == 1 else 's'} looked at."
    session.out.items(_COLUMNS, told, empty=empty, plan=plan, **summary)
    if counts[Outcome.FAILED.value]:
        raise typer.Exit(ExitCode.CHECK_FAILED)


def _chosen(
    session: Session, work: "Upgrade", names: Any, type_slug: str | None, *, all_workspaces: bool
) -> Iterator["Document"]:
    from typecase.registry.cli.errors import UsageFault

    if names:
        found = [session.registry.documents.get(name, workspace=session.workspace) for name in dict.fromkeys(names)]
        for document in found:
            if document.workspace != session.workspace:
                raise UsageFault(
                    f"{document.name!r} comes from the parent workspace {document.workspace!r}.",
                    hint=f"Add -w {document.workspace} to upgrade it there.",
                )
        yield from (document for document in found if type_slug in (None, document.type_slug))
        return
    places = [item.name for item in session.registry.workspaces.list()] if all_workspaces else [session.workspace]
    for place in places:
        yield from work.documents(place, type_slug=type_slug)


def _told(step: "Step") -> dict[str, Any]:
    return {
        "workspace": step.workspace,
        "name": step.name,
        "type": step.type_slug,
        "from": step.from_version,
        "to": step.to_version or None,
        "outcome": step.outcome.value,
        "how": step.reason,
    }


class _Progress(Protocol):
    def __call__(self, step: "Step", counts: Counter[str]) -> None: ...


@contextmanager
def _progress() -> Iterator[_Progress]:
    """Show how far the run is: one moving line on a terminal, a line for each change elsewhere."""
    if not sys.stderr.isatty():
        yield _tell_line
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Looking")

        def move(step: "Step", counts: Counter[str]) -> None:
            seen = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
            bar.update(task, description=f"{step.workspace}/{step.name}: {seen}")

        yield move


def _tell_line(step: "Step", counts: Counter[str]) -> None:
    from typecase.registry.upgrading import Outcome

    if step.outcome in (Outcome.UPGRADED, Outcome.FAILED):
        number = counts.total()
        warn(f"{number}: {step.workspace}/{step.name} {step.outcome.value} ({step.from_version} to {step.to_version})")
