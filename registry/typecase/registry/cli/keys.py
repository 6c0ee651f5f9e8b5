"""`typecase keys`: what encrypts the registry, and how that is changed."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from typecase.registry.cli.completion import complete_workspaces
from typecase.registry.cli.exit_codes import ExitCode
from typecase.registry.cli.output import Facts, Table
from typecase.registry.cli.session import Session, command
from typecase.registry.cli.terminal import warn

if TYPE_CHECKING:
    from typecase.blocks.records import DataKey, Rotation
    from typecase.blocks.registry import Keys

app = typer.Typer(help="The keys that encrypt the registry.", no_args_is_help=True)

_DATA_KEYS = ("workspace", "generation", "state", "revisions", "created", "root_key")
_EVENTS = ("at", "actor", "action", "workspace", "about")
_ROTATIONS = ("workspace", "from", "to", "revisions", "unfinished", "retired")
_RETIRED = ("workspace", "generation", "id")

Workspaces = Annotated[
    list[str] | None,
    typer.Argument(metavar="[WORKSPACE]...", help="By default all.", autocompletion=complete_workspaces),
]
Plan = Annotated[bool, typer.Option("--plan", help="Only say what would be done.")]


def status(session: Session) -> None:
    """Say which keys encrypt the registry, what is under them and whether it is sealed. Exit code 6 when it is."""
    found = session.registry.key_status()
    about = {"sealed": found.sealed, "reason": found.reason, "root_key": found.root_key}
    newest = {key.workspace: key.generation for key in found.data_keys}
    keys = [
        {
            "workspace": key.workspace,
            "generation": key.generation,
            "state": _state(key, newest[key.workspace]),
            "revisions": key.revisions,
            "id": key.id,
            "root_key": key.root_key,
            "created": key.created_at,
        }
        for key in found.data_keys
    ]
    changes = getattr(session.registry, "keys", None)
    events = [
        {
            "at": event.at,
            "actor": event.actor,
            "action": event.action,
            "workspace": event.workspace,
            "about": ", ".join(f"{name} {value}" for name, value in event.facts.items() if name != "key"),
            "facts": event.facts,
        }
        for event in (changes.events(limit=10) if changes is not None else ())
    ]
    tables = [
        Table(columns, [[row[name] for name in columns] for row in rows], title=title)
        for columns, rows, title in ((_DATA_KEYS, keys, "Data keys"), (_EVENTS, events, "What was done, newest first"))
        if rows
    ]
    session.out.answer({**about, "data_keys": keys, "events": events}, Facts(about), *tables)
    if found.sealed:
        raise typer.Exit(ExitCode.SEALED)


def rotate(
    session: Session,
    workspaces: Workspaces = None,
    retire: Annotated[
        bool, typer.Option("--retire", help="Then destroy the earlier keys: what is under them opens no more.")
    ] = False,
    plan: Plan = False,
) -> None:
    """Give workspaces a new data key and encrypt every revision again, while others go on loading and saving.

    New writes use the new key at once. A run that was stopped is simply run again: it finishes what was begun.
    """
    from typecase.blocks.storing import author

    keys = changes_of(session)
    if plan:
        _tell(session, keys.plan(workspaces or ()), empty="Nothing to rotate.", plan=True)
        return
    with progress("Encrypting again") as watch:
        done = keys.rotate(workspaces or (), retire=retire, actor=author(), watch=watch)
    _tell(session, done, empty="Nothing to rotate.", plan=False)
    if any(item.unfinished for item in done):
        warn("An earlier rotation was unfinished; it is finished now. Run it again for a new key.")
    if done and not retire:
        warn("The earlier keys are still there. `typecase keys retire` destroys them.")


def retire(session: Session, workspaces: Workspaces = None) -> None:
    """Destroy every data key but the newest of each workspace. Refused while anything is encrypted under one."""
    from typecase.blocks.storing import author

    retired = changes_of(session).retire(workspaces or (), actor=author())
    items = [{"workspace": key.workspace, "generation": key.generation, "id": key.id} for key in retired]
    session.out.items(_RETIRED, items, empty="No key to retire: each workspace has its newest only.")


def rewrap(
    session: Session,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="URL", help="The new root key; by default the first that TYPECASE_KEY names."),
    ] = None,
    create_key: Annotated[
        bool, typer.Option("--create-key", help="Make the new root key if there is none in that place.")
    ] = False,
    plan: Plan = False,
) -> None:
    """Put the registry under another root key: every data key is wrapped by it, and no revision is touched.

    The present root key is needed once more. A run that was stopped is simply run again.
    """
    from typecase.blocks.storing import author

    keys = changes_of(session)
    if plan:
        found = keys.plan_rewrap(to)
    else:
        with progress("Wrapping data keys") as watch:
            found = keys.rewrap(to, create=create_key, actor=author(), watch=watch)
    facts = {"root_key": found.root_key, "rewrapped": found.rewrapped, "already": found.already, "plan": plan}
    said = "Data keys to wrap" if plan else "Data keys wrapped"
    sentence = f"{said} with {found.root_key}: {found.rewrapped}; under it already: {found.already}."
    if not plan:
        sentence += f"\nSet TYPECASE_KEY to {found.url} wherever this registry is used. Then back that key up."
    session.out.done(sentence, **facts)


def changes_of(session: Session) -> "Keys":
    """Return what changes the keys of this run's registry. Raises `NotSupported`."""
    from typecase.blocks.errors import NotSupported

    keys: Keys | None = getattr(session.registry, "keys", None)
    if keys is None:
        raise NotSupported("This registry does not let its keys be changed from here.", hint="Do it where it runs.")
    return keys


def progress(title: str) -> AbstractContextManager[Callable[[int, int], None] | None]:
    """Show a bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        return nullcontext()
    from typecase.registry.cli.progress import bar

    return bar(title)


def _tell(session: Session, rotations: "tuple[Rotation, ...]", *, empty: str, plan: bool) -> None:
    items: list[dict[str, Any]] = [
        {
            "workspace": item.workspace,
            "from": item.from_generation,
            "to": item.to_generation,
            "revisions": item.revisions,
            "unfinished": item.unfinished,
            "retired": list(item.retired),
        }
        for item in rotations
    ]
    session.out.items(_ROTATIONS, items, empty=empty, plan=plan)


def _state(key: "DataKey", newest: int) -> str:
    if key.retired_at is not None:
        return "retired"
    if key.generation != newest:
        return "replaced"
    return "current" if key.settled_at is not None else "rotating"


command(app, "status")(status)
command(app, "rotate")(rotate)
command(app, "retire")(retire)
command(app, "rewrap")(rewrap)
