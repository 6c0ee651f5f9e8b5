"""`typecase login`, `logout`, `whoami`: who one is to a registry server."""

import platform
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from typecase.registry.cli.session import Session

if TYPE_CHECKING:
    from pydantic import SecretStr

Server = Annotated[
    str | None, typer.Argument(metavar="[URL]", help="Address of the server; by default the registry's.")
]


def login(
    session: Session,
    server: Server = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Who signs in; asked for if not given.")
    ] = None,
    token: Annotated[
        bool, typer.Option("--token", help="Keep a token that you have; asked for, or read from a pipe.")
    ] = False,
) -> None:
    """Sign in to a registry server, with a password or a token. The token goes into the keyring of the system."""
    from typecase.blocks.remote.identity import sign_in, who_am_i
    from typecase.blocks.remote.logins import Login, remember

    address = _address(session, server)
    if token:
        text = _secret("Token")
        me = who_am_i(address, text)
        remember(Login(address, me.name, None), text)
        who = me.name
    else:
        who = name or typer.prompt("Name", err=True)
        made = sign_in(address, who, _secret("Password"), client=f"typecase login on {platform.node()}"[:100])
        who = made.token.principal
        remember(Login(address, who, made.token.expires_at), made.text)
    session.out.done(f"Signed in to {address} as {who}.", url=address, name=who)


def logout(session: Session, server: Server = None) -> None:
    """Forget the token for a server on this machine. `typecase access tokens revoke` ends it everywhere."""
    from typecase.blocks.remote.logins import forget

    address = _address(session, server)
    there = forget(address)
    session.out.done(
        f"Signed out of {address}." if there else f"Nobody was signed in to {address}.",
        url=address,
        was_signed_in=there,
    )


def whoami(session: Session, server: Server = None) -> None:
    """Say who the token for a server belongs to."""
    from typecase.blocks.remote.identity import who_am_i
    from typecase.blocks.remote.registry import token_at

    address = _address(session, server)
    me = who_am_i(address, token_at(address))
    session.out.done(f"{me.name} ({me.kind}) at {address}.", url=address, name=me.name, kind=me.kind)


def _address(session: Session, server: str | None) -> str:
    from typecase.blocks.errors import SettingsError
    from typecase.blocks.remote.registry import address_of

    if server is not None:
        return address_of(server)
    found = session.settings.url
    if found is None or not found.get_secret_value().startswith(("https://", "http://")):
        raise SettingsError("No server is named.", hint="Write `typecase login https://...`, or set TYPECASE_URL.")
    return address_of(found.get_secret_value())


def _secret(what: str) -> "SecretStr":
    from pydantic import SecretStr

    if not sys.stdin.isatty():
        return SecretStr(sys.stdin.readline().rstrip("\r\n"))
    return SecretStr(typer.prompt(what, hide_input=True, err=True))
