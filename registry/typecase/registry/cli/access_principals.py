"""`typecase access people` and `typecase access services`."""

from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from typecase.registry.access.records import Kind
from typecase.registry.cli.access_session import access_of, actor, link_facts
from typecase.registry.cli.prompts import confirm
from typecase.registry.cli.session import Session, command
from typecase.registry.cli.terminal import warn

if TYPE_CHECKING:
    from typecase.registry.access.records import Principal

people = typer.Typer(help="People, who sign in.", no_args_is_help=True)
services = typer.Typer(help="Service accounts, for programs that come with a token.", no_args_is_help=True)

_APPS = {"person": people, "service": services}
_COLUMNS = ("name", "title", "email", "state", "created", "last_seen")

Who = Annotated[str, typer.Argument(metavar="NAME", help="As `ls` shows it.")]
Title = Annotated[str, typer.Option("--title", help="Full name, or what it is for.")]
Email = Annotated[str, typer.Option("--email", metavar="ADDRESS", help="Where to reach them.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def _declare(kind: Kind) -> None:
    app = _APPS[kind]

    def add(session: Session, name: Who, title: Title = "", email: Email = "") -> None:
        made = access_of(session).principals.create(actor(), name, kind=kind, title=title, email=email)
        session.out.done(f"Added {name}. They may do nothing until they have a role.", **_facts(made))

    def ls(session: Session) -> None:
        principals, cursor, items = access_of(session).principals, None, []
        while True:
            page = principals.list(kind=kind, cursor=cursor, limit=1000)
            items += [_facts(item) for item in page.items]
            cursor = page.cursor
            if cursor is None:
                break
        session.out.items(_COLUMNS, items, empty="There are none yet.")

    def disable(session: Session, name: Who) -> None:
        facts = _facts(access_of(session).principals.disable(actor(), name))
        session.out.done(f"Disabled {name}. All tokens and sessions have ended.", **facts)

    def enable(session: Session, name: Who) -> None:
        facts = _facts(access_of(session).principals.enable(actor(), name))
        session.out.done(f"Enabled {name}. Earlier tokens stay revoked.", **facts)

    def rm(session: Session, name: Who, yes: Yes = False) -> None:
        confirm(f"Remove {name} with all roles and tokens?", yes=yes)
        access_of(session).principals.delete(actor(), name)
        session.out.done(f"Removed {name}.", name=name)

    what = {"person": "a person", "service": "a service account"}[kind]
    add.__doc__ = f"Add {what}."
    ls.__doc__ = {"person": "List people by name.", "service": "List service accounts by name."}[kind]
    disable.__doc__ = f"Keep {what} out: tokens and sessions end at once, for good."
    enable.__doc__ = f"Let {what} in again."
    rm.__doc__ = f"Remove {what}."
    command(app, "add")(add)
    command(app, "ls")(ls)
    command(app, "disable")(disable)
    command(app, "enable")(enable)
    command(app, "rm")(rm)


def reset(
    session: Session,
    name: Who,
    server: Annotated[
        str | None, typer.Option("--server", metavar="URL", help="Where the server is reached: prints a whole link.")
    ] = None,
) -> None:
    """Print a one-time link with which a person sets a password. It works for a day."""
    link = access_of(session).links.for_password(actor(), name)
    warn(f"Give this to {name} and to nobody else. It works once.")
    sentence, facts = link_facts("set-password", link, server)
    session.out.done(sentence, **facts)


def _facts(principal: "Principal") -> dict[str, Any]:
    return {
        "name": principal.name,
        "title": principal.title,
        "email": principal.email,
        "state": "enabled" if principal.disabled_at is None else "disabled",
        "created": principal.created_at,
        "last_seen": principal.last_seen_at,
        "id": principal.id,
    }


for _kind in get_args(Kind):
    _declare(_kind)
command(people, "reset")(reset)
