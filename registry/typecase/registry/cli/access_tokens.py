"""`typecase access tokens create`, `ls`, `revoke`."""

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from typecase.registry.access.permissions import Permission
from typecase.registry.cli.access_session import access_of, actor
from typecase.registry.cli.completion import complete_workspaces
from typecase.registry.cli.session import Session, command
from typecase.registry.cli.terminal import warn

if TYPE_CHECKING:
    from typecase.registry.access.records import Token

tokens = typer.Typer(help="Tokens, which programs come with.", no_args_is_help=True)

_COLUMNS = ("name", "start", "state", "expires", "last_used", "from", "id")
_UNITS: Final = {"m": 60, "h": 3600, "d": 86400}
_SPAN: Final = re.compile(r"([1-9][0-9]{0,4})([mhd])")

Who = Annotated[str, typer.Argument(metavar="PRINCIPAL", help="Person or service account.")]


def create(
    session: Session,
    principal: Who,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the token is for.")],
    permissions: Annotated[
        list[Permission] | None,
        typer.Option("--permission", metavar="NAME", help="Only this, such as documents:load; repeatable."),
    ] = None,
    workspaces: Annotated[
        list[str] | None,
        typer.Option("--in", metavar="NAME", help="Only there; repeatable.", autocompletion=complete_workspaces),
    ] = None,
    networks: Annotated[
        list[str] | None, typer.Option("--from", metavar="NETWORK", help="Only from there: 10.1.0.0/16; repeatable.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="SPAN", help="Ends after 30m, 12h or 90d; by default never.")
    ] = None,
    uses: Annotated[int | None, typer.Option("--uses", metavar="NUMBER", help="For so many requests only.")] = None,
) -> None:
    """Make a token and print it, once: it cannot be shown again."""
    from typecase.registry.access.tokens import Limits

    limits = Limits(
        permissions=None if not permissions else frozenset(permissions),
        workspaces=None if not workspaces else frozenset(workspaces),
        networks=None if not networks else tuple(networks),
        uses=uses,
        expires_at=None if expires is None else datetime.now(UTC) + _span(expires),
    )
    made = access_of(session).tokens.create(actor(), principal, name, limits=limits)
    warn("Keep this token now: it cannot be shown again.")
    session.out.done(made.text, token=made.text, id=made.token.id)


def list_tokens(session: Session, principal: Who) -> None:
    """List the tokens of a person or a service account, never what they are."""
    found, cursor, items = access_of(session).tokens, None, []
    while True:
        page = found.list(principal, cursor=cursor, limit=1000)
        items += [_facts(item) for item in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    session.out.items(_COLUMNS, items, empty=f"{principal} has no token.")


def revoke(
    session: Session, token_id: Annotated[str, typer.Argument(metavar="ID", help="As `tokens ls` shows it.")]
) -> None:
    """End a token. Every server refuses it within a second."""
    facts = _facts(access_of(session).tokens.revoke(actor(), token_id))
    session.out.done(f"Revoked token {facts['name']} of {facts['principal']}.", **facts)


def _span(text: str) -> timedelta:
    from typecase.registry.cli.errors import UsageFault

    match = _SPAN.fullmatch(text)
    if match is None:
        raise UsageFault(f"{text!r} is no span of time.", hint="Write 30m, 12h or 90d.")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


def _facts(token: "Token") -> dict[str, Any]:
    return {
        "principal": token.principal,
        "name": token.name,
        "start": token.start,
        "state": _state(token),
        "expires": token.expires_at,
        "last_used": token.last_used_at,
        "from": token.last_used_from,
        "id": token.id,
        "permissions": token.permissions,
        "workspaces": token.workspaces,
        "networks": token.networks,
        "uses_left": token.uses_left,
    }


def _state(token: "Token") -> str:
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at is not None and token.expires_at <= datetime.now(UTC):
        return "expired"
    return "used up" if token.uses_left == 0 else "valid"


command(tokens, "create")(create)
command(tokens, "ls")(list_tokens)
command(tokens, "revoke")(revoke)
