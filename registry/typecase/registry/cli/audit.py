"""`typecase audit`: what happened, and whether the log of it is whole."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from typecase.registry.audit.events import ExportFormat
from typecase.registry.cli.exit_codes import ExitCode
from typecase.registry.cli.given import parse_time
from typecase.registry.cli.keys import progress
from typecase.registry.cli.output import Mode
from typecase.registry.cli.session import Session, command
from typecase.registry.cli.terminal import warn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typecase.registry.audit.events import AuditFilter
    from typecase.registry.audit.journal import Journal
    from typecase.registry.audit.verification import Anchor

app = typer.Typer(help="What happened in the registry: who, what, when, from where.", no_args_is_help=True)

_COLUMNS = ("number", "at", "principal", "action", "outcome", "workspace", "document", "facts")

Principal = Annotated[str | None, typer.Option("--principal", metavar="NAME", help="Of this person or account.")]
Action = Annotated[str | None, typer.Option("--action", help="This action only, such as document.load.")]
Outcome = Annotated[str | None, typer.Option("--outcome", metavar="done|denied|failed", help="That ended so.")]
Inside = Annotated[
    str | None, typer.Option("--in", metavar="WORKSPACE", help="In this workspace; by default everywhere.")
]
OfDocument = Annotated[str | None, typer.Option("--document", metavar="NAME", help="Of this document: name or id.")]
Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help="From this ISO 8601 time on.")]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Before this ISO 8601 time.")]


def list_events(
    session: Session,
    principal: Principal = None,
    action: Action = None,
    outcome: Outcome = None,
    inside: Inside = None,
    document: OfDocument = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many at most.")] = 100,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where an earlier list ended.")] = None,
) -> None:
    """List what happened, newest first."""
    where = _filter(principal, action, outcome, inside, document, since, until)
    page = _journal(session).list(where, cursor=cursor, limit=limit)
    items = [
        {**{name: getattr(item, name) for name in _COLUMNS}, "document_id": item.document_id} for item in page.items
    ]
    session.out.items(_COLUMNS, items, empty="Nothing is in the log.", cursor=page.cursor)
    if page.cursor is not None and session.out.mode is not Mode.JSON:
        warn(f"There are more: --cursor {page.cursor}")


def verify(
    session: Session,
    anchor: Annotated[
        Path | None,
        typer.Option("--anchor", metavar="FILE", help="What `audit anchor` or `audit export` wrote earlier."),
    ] = None,
) -> None:
    """Compare every event with the chain of hashes, and with an anchor. Exit code 9 when something does not fit."""
    journal, kept = _journal(session), None if anchor is None else _read_anchor(anchor)
    with progress("Verifying") as watch:
        found = journal.verify(kept, watch=watch)
    fault = found.fault
    if fault is None:
        said = f"All {found.sound} events are what was written"
        said += "." if kept is None else f", and the anchor of event {kept.number} holds."
    else:
        said = f"The log is not what was written. {fault.message} The {found.sound} events before fit."
    session.out.done(
        said,
        intact=fault is None,
        sound=found.sound,
        number=fault.number if fault else None,
        reason=str(fault.reason) if fault else None,
        message=fault.message if fault else None,
        anchor=kept.number if kept else None,
    )
    if fault is not None:
        raise typer.Exit(ExitCode.CHECK_FAILED)
    if kept is None and session.out.mode is Mode.TABLE:
        warn("A log that was cut or written anew as a whole shows only beside an anchor: --anchor FILE.")


def anchor(session: Session) -> None:
    """Print where the log ends, as one line of JSON: keep it where nobody who can change the database can change it."""
    sys.stdout.write(_journal(session).anchor().to_json() + "\n")


def export(
    session: Session,
    form: Annotated[ExportFormat, typer.Option("--format", help="JSON lines, or CSV.")] = ExportFormat.JSONL,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="A new file; by default to the output.")
    ] = None,
    principal: Principal = None,
    action: Action = None,
    outcome: Outcome = None,
    inside: Inside = None,
    document: OfDocument = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Write what happened, oldest first, and an anchor as the last line."""
    where = _filter(principal, action, outcome, inside, document, since, until)
    lines = _journal(session).export(form, where)
    if to is None:
        sys.stdout.writelines(lines)
    else:
        _write_file(to, lines)


def _journal(session: Session) -> "Journal":
    from typecase.blocks.errors import NotSupported

    journal: Journal | None = getattr(session.registry, "audit", None)
    if journal is None:
        raise NotSupported("This registry keeps no audit log.", hint="One on SQLite or PostgreSQL does.")
    return journal


def _filter(
    principal: str | None,
    action: str | None,
    outcome: str | None,
    inside: str | None,
    document: str | None,
    since: str | None,
    until: str | None,
) -> "AuditFilter":
    from typecase.registry.audit.events import AuditFilter

    return AuditFilter(
        principal=principal,
        action=action,
        outcome=outcome,
        workspaces=None if inside is None else (inside,),
        document=document,
        since=None if since is None else parse_time(since),
        until=None if until is None else parse_time(until),
    )


def _read_anchor(path: Path) -> "Anchor":
    from typecase.registry.audit.verification import Anchor
    from typecase.registry.cli.errors import UsageFault

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise UsageFault(f"{path} cannot be read: {reason}.", hint="Name what `typecase audit anchor` wrote.") from None
    return Anchor.from_text(text)


def _write_file(path: Path, lines: "Iterable[str]") -> None:
    from typecase.registry.cli.errors import UsageFault

    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageFault(f"{path} cannot be written: {error.strerror}.", hint="Name a new file.") from None
    try:
        file: TextIO
        with open(descriptor, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - pathlib opens no descriptors
            file.writelines(lines)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


command(app, "ls")(list_events)
command(app, "verify")(verify)
command(app, "anchor")(anchor)
command(app, "export")(export)
