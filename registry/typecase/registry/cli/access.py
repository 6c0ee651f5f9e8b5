"""`typecase access`: who may do what. Works on the database itself, as whoever holds its root key."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from typecase.registry.access.permissions import Role
from typecase.registry.cli.access_principals import people, services
from typecase.registry.cli.access_session import access_of, actor, link_facts
from typecase.registry.cli.access_tokens import tokens
from typecase.registry.cli.completion import complete_workspaces
from typecase.registry.cli.session import Session, command
from typecase.registry.cli.terminal import warn

if TYPE_CHECKING:
    from typecase.registry.access.records import GivenRole

app = typer.Typer(help="Who may do what on the server: people, service accounts, roles, tokens.", no_args_is_help=True)
app.add_typer(people, name="people")
app.add_typer(services, name="services")
app.add_typer(tokens, name="tokens")

_COLUMNS = ("principal", "role", "where", "id")

Who = Annotated[str, typer.Argument(metavar="NAME", help="Person or service account.")]
Everywhere = Annotated[bool, typer.Option("--everywhere", help="In all workspaces, and for the server itself.")]
Document = Annotated[str | None, typer.Option("--document", metavar="NAME", help="For this document only.")]
Tag = Annotated[str | None, typer.Option("--tag", metavar="TAG", help="For documents with this tag only.")]


def first_admin(
    session: Session,
    server: Annotated[
        str | None, typer.Option("--server", metavar="URL", help="Where the server is reached: prints a whole link.")
    ] = None,
) -> None:
    """Print a one-time link that makes the first admin. It works for an hour, and only while there is no admin."""
    link = access_of(session).links.for_first_admin(actor())
    warn("Whoever has this becomes admin of the server. It works once, within the hour.")
    sentence, facts = link_facts("first-admin", link, server)
    session.out.done(sentence, **facts)


def grant(
    session: Session,
    name: Who,
    role: Annotated[Role, typer.Argument(metavar="ROLE", help="viewer, runner, editor or admin.")],
    everywhere: Everywhere = False,
    document: Document = None,
    tag: Tag = None,
) -> None:
    """Give a role in the workspace that -w names, or everywhere."""
    workspace = None if everywhere else session.workspace
    given = access_of(session).grants.add(actor(), name, role, workspace=workspace, document=document, tag=tag)
    facts = _facts(given)
    session.out.done(f"{name} is {role.value} {facts['where']}.", **facts)


def revoke(
    session: Session,
    grant_id: Annotated[str, typer.Argument(metavar="ID", help="As `typecase access grants` shows it.")],
) -> None:
    """Take a role away."""
    facts = _facts(access_of(session).grants.remove(actor(), grant_id))
    session.out.done(f"{facts['principal']} is no longer {facts['role']} {facts['where']}.", **facts)


def grants(
    session: Session,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="By default everybody.")] = None,
    place: Annotated[
        str | None,
        typer.Option("--in", metavar="NAME", help="In this workspace only.", autocompletion=complete_workspaces),
    ] = None,
) -> None:
    """List who has which role."""
    items = [_facts(item) for item in access_of(session).grants.list(principal=name, workspace=place)]
    session.out.items(_COLUMNS, items, empty="Nobody has a role.")


def _facts(given: "GivenRole") -> dict[str, Any]:
    where = "everywhere" if given.workspace is None else f"in {given.workspace}"
    if given.document_id is not None:
        where += f", document {given.document_id}"
    if given.tag is not None:
        where += f", tag {given.tag}"
    return {
        "principal": given.principal,
        "role": given.role,
        "where": where,
        "id": given.id,
        "workspace": given.workspace,
        "document_id": given.document_id,
        "tag": given.tag,
    }


command(app, "first-admin")(first_admin)
command(app, "grant")(grant)
command(app, "revoke")(revoke)
command(app, "grants")(grants)
