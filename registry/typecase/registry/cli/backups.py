"""`typecase backup` and `typecase restore`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from typecase.registry.cli.keys import progress
from typecase.registry.cli.session import Session

if TYPE_CHECKING:
    from typecase.blocks.records import BackupSummary


def backup(
    session: Session, file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; it must be new.")]
) -> None:
    """Write the whole registry, as it is at one moment, into a file. Others go on loading and saving.

    What is encrypted stays encrypted: back up the root key too, and in another place.
    """
    with progress("Writing") as watch:
        summary = _method(session, "backup")(file.absolute(), watch=watch)
    _tell(session, f"Wrote {file}", summary)


def restore(
    session: Session, file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `backup` wrote.")]
) -> None:
    """Fill an empty registry, on either database, from a backup: all of it or nothing."""
    with progress("Restoring") as watch:
        summary = _method(session, "restore_backup")(file.absolute(), watch=watch)
    _tell(session, f"Restored {file}", summary)


def _method(session: Session, name: str) -> Any:
    from typecase.blocks.errors import NotSupported

    method = getattr(session.registry, name, None)
    if method is None:
        raise NotSupported("This registry has no backups.", hint="Back up the database behind it where that runs.")
    return method


def _tell(session: Session, done: str, summary: "BackupSummary") -> None:
    documents, revisions = summary.rows.get("documents", 0), summary.rows.get("revisions", 0)
    sentence = (
        f"{done}: {documents} documents with {revisions} revisions, of {summary.created_at:%Y-%m-%d %H:%M:%S} UTC."
    )
    sentence += f"\nNothing in it opens without its root key: {', '.join(summary.root_keys)}."
    session.out.done(
        sentence,
        documents=documents,
        revisions=revisions,
        created_at=summary.created_at,
        root_keys=list(summary.root_keys),
    )
