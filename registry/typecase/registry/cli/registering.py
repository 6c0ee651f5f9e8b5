"""`typecase registry register`."""

from typing import Annotated

import typer

from typecase.registry.cli.exit_codes import ExitCode
from typecase.registry.cli.findings import examine, next_steps, worst
from typecase.registry.cli.installed import find_installed
from typecase.registry.cli.output import Mode
from typecase.registry.cli.session import Session, command
from typecase.registry.cli.terminal import warn

app = typer.Typer(help="Publish block types to the registry.", no_args_is_help=True)

_COLUMNS = ("type", "outcome", "version", "package", "problem")


@app.callback()
def _group() -> None:
    """Keep `register` a command of its own while it is the only one."""


def register(
    session: Session,
    package: Annotated[
        str | None, typer.Option("--package", metavar="NAME", help="Register the block types of this package.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Register the block types of every installed package.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Take breaking schemas too; later versions are compared from there on."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen and write nothing.")] = False,
) -> None:
    """Register installed block types and their schemas; a breaking one is refused and does not stop the others."""
    from typecase.registry.cli.errors import UsageFault

    if (package is None) is not everything:
        raise UsageFault("Which packages?", hint="Name one with --package, or say --all.")
    if dry_run:
        refuse_absent(session)
    registry = session.registry
    findings = [examine(registry, item, write=not dry_run, force=force) for item in find_installed(package)]
    session.out.items(
        _COLUMNS, [item.answer() for item in findings], empty="No block type is installed.", dry_run=dry_run
    )
    for item in findings:
        for reason in item.reasons[1:]:
            warn(f"{item.slug}: {reason}")
    if session.out.mode is not Mode.JSON:
        for step in next_steps(findings):
            warn(step)
    if (code := worst(findings)) is not ExitCode.OK:
        raise typer.Exit(code)


def refuse_absent(session: Session) -> None:
    """Raise `UsageFault` where asking the registry would make it."""
    from typecase.registry.cli.addresses import is_absent
    from typecase.registry.cli.errors import UsageFault

    if is_absent(session.settings):
        raise UsageFault("There is no registry yet.", hint="Make it with `typecase init`, or name another with --url.")


command(app, "register")(register)
