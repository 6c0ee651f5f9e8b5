"""`typecase stubs`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from typecase.registry.cli.completion import complete_workspaces
from typecase.registry.cli.exit_codes import ExitCode
from typecase.registry.cli.session import Session
from typecase.registry.cli.terminal import warn

if TYPE_CHECKING:
    from typecase.registry.stubs import KnownNames, Stubs

_COLUMNS = ("change", "name", "before", "after")


def stubs(
    session: Session,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write into.")] = Path("typings"),
    also: Annotated[
        list[str] | None,
        typer.Option(
            "--also",
            metavar="NAME",
            help="Another workspace that the code runs in: a document may be what it is in either. Repeatable.",
            autocompletion=complete_workspaces,
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 9 and what differs if the stubs are stale.")
    ] = False,
) -> None:
    """Write typing stubs: editors and type checkers then know what `Block.load("prod-db")` returns."""
    from typecase.registry.cli.addresses import is_absent
    from typecase.registry.cli.errors import UsageFault
    from typecase.registry.stubs import Stubs, read_names, write_stubs

    if is_absent(session.settings):
        raise UsageFault("There is no registry yet, so no document is known.", hint="Name one with TYPECASE_URL.")
    known = read_names(session.registry, [session.workspace, *(also or ())])
    made = Stubs(known)
    if check:
        _compare(session, made, out)
        return
    written = write_stubs(made, out)
    _warn_of_unknown(known)
    state = "Wrote" if written else "Up to date:"
    count = f"{known.documents} document{'' if known.documents == 1 else 's'}"
    session.out.done(
        f"{state} the stubs of {count} in {out}.",
        out=str(out),
        documents=known.documents,
        written=list(written),
        unknown=sorted(known.unknown),
        digest=made.digest,
    )


def _compare(session: Session, made: "Stubs", out: Path) -> None:
    from typecase.registry.stubs import differences

    found = differences(made, out)
    if not found:
        session.out.done(f"Up to date: {out}.", stale=False, items=[])
        return
    items = [{name: getattr(item, name) for name in _COLUMNS} for item in found]
    session.out.items(_COLUMNS, items, empty="", stale=True)
    warn(f"The stubs in {out} are stale: run `typecase stubs` again.")
    raise typer.Exit(ExitCode.CHECK_FAILED)


def _warn_of_unknown(known: "KnownNames") -> None:
    slugs = sorted({slug for found in known.unknown.values() for slug in found})
    if slugs:
        count = len(known.unknown)
        what = "1 document is" if count == 1 else f"{count} documents are"
        warn(f"warning: {what} left as `Block`, because no usable package here provides {', '.join(slugs)}.")
