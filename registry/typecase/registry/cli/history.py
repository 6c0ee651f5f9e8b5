"""`typecase blocks history`, `diff` and `restore`."""

from typing import Annotated

import typer

from typecase.registry.cli.blocks import NameArgument
from typecase.registry.cli.output import Mode
from typecase.registry.cli.session import Session, command
from typecase.registry.cli.terminal import warn


def add(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    command(app, "history")(history)
    command(app, "diff")(diff)
    command(app, "restore")(restore)


def history(
    session: Session,
    name: NameArgument,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many at most.")] = 100,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where an earlier list ended.")] = None,
) -> None:
    """List the revisions of a document, newest first."""
    page = session.registry.documents.history(name, workspace=session.workspace, cursor=cursor, limit=limit)
    items = [
        {
            "revision": item.number,
            "created": item.created_at,
            "author": item.author,
            "schema_version": item.schema_version,
            "restored_from": item.restored_from,
        }
        for item in page.items
    ]
    columns = ("revision", "created", "author", "schema_version", "restored_from")
    session.out.items(columns, items, empty="There are no revisions.", cursor=page.cursor)
    if page.cursor is not None and session.out.mode is not Mode.JSON:
        warn(f"There are more: --cursor {page.cursor}")


def diff(
    session: Session,
    name: NameArgument,
    before: Annotated[
        int | None, typer.Argument(metavar="BEFORE", min=1, help="Revision; by default the one before AFTER.")
    ] = None,
    after: Annotated[
        int | None, typer.Argument(metavar="AFTER", min=1, help="Revision; by default the newest.")
    ] = None,
) -> None:
    """Compare two revisions by field; of secrets only that they changed."""
    documents, workspace = session.registry.documents, session.workspace
    if after is None:
        after = documents.get(name, workspace=workspace).revision
    if before is None:
        before = max(after - 1, 1)
    changes = documents.diff(name, workspace=workspace, before=before, after=after)
    items = [
        {
            "field": change.path,
            "action": change.action,
            "secret": change.secret,
            "before": "(secret)" if change.secret and change.action != "added" else change.before,
            "after": "(secret)" if change.secret and change.action != "removed" else change.after,
        }
        for change in changes
    ]
    empty = f"Revisions {before} and {after} of {name} are equal."
    session.out.items(("field", "action", "before", "after"), items, empty=empty, before=before, after=after)


def restore(
    session: Session,
    name: NameArgument,
    revision: Annotated[int, typer.Argument(metavar="REVISION", min=1, help="The revision to write again.")],
) -> None:
    """Write an earlier revision again, as the newest."""
    from typecase.blocks.storing import author

    documents, workspace = session.registry.documents, session.workspace
    current = documents.get(name, workspace=workspace).revision
    written = documents.restore(
        name, workspace=workspace, revision=revision, expected_revision=current, author=author()
    )
    session.out.done(
        f"Restored revision {revision} of {written.workspace}/{name} as revision {written.number}.",
        workspace=written.workspace,
        name=written.name,
        restored_from=revision,
        revision=written.number,
    )
