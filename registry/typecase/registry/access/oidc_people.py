"""From a provider's claims to a person here, and the roles that their groups give."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, select, update

from typecase.blocks.errors import InvalidName, PrincipalExists, SignInRequired
from typecase.registry.access.authority import keeping_an_admin
from typecase.registry.access.oidc_provider import OidcSettings
from typecase.registry.access.principals import insert_principal
from typecase.registry.tables import grants, principals, workspaces

#: Begins what `grants.created_by` says of a role that a group gave. No name of a principal has a colon.
_BY_GROUP: Final = "group:"
_LONGEST: Final = 200


def admit(connection: Connection, settings: OidcSettings, claims: Mapping[str, Any], now: datetime) -> str:
    """Return the id of the person whom `claims` are about; the first time they are added.

    They are who they are by issuer and subject: an e-mail address may become another's. Raises `SignInRequired`.
    """
    email = claims.get("email") if claims.get("email_verified") is True else None
    email = email.strip() if isinstance(email, str) and "@" in email and email.isprintable() else ""
    if settings.domains and email.rpartition("@")[2].casefold() not in {item.casefold() for item in settings.domains}:
        raise _not_let_in("Your e-mail address is not one that this server lets in, or it is not verified.")
    same = principals.c.issuer == settings.issuer, principals.c.subject == claims["sub"]
    row = connection.execute(select(principals).where(*same)).first()
    facts = {"title": _text(claims.get("name")), "email": email[:_LONGEST]}
    if row is None:
        person = _add(connection, settings, claims, now, facts)
    elif row.disabled_at is not None:
        raise _not_let_in("You are disabled on this server.")
    else:
        person = row.id
        given = {key: value for key, value in facts.items() if value}
        if given:
            connection.execute(update(principals).where(principals.c.id == person).values(given))
    if settings.roles:
        _follow_groups(connection, settings, person, claims, now)
    return person


def _add(
    connection: Connection, settings: OidcSettings, claims: Mapping[str, Any], now: datetime, facts: Mapping[str, str]
) -> str:
    wanted = facts["email"] or claims.get("preferred_username") or claims["sub"]
    try:
        return insert_principal(
            connection,
            str(wanted).lower(),
            kind="person",
            now=now,
            issuer=settings.issuer,
            subject=claims["sub"],
            **facts,
        )
    except (InvalidName, PrincipalExists):
        pass
    # Never taken over: whoever the provider lets choose a name would become whom they like.
    raise _not_let_in("The name that the sign-in provider gives you is taken here, or is none.")


def _follow_groups(
    connection: Connection, settings: OidcSettings, person: str, claims: Mapping[str, Any], now: datetime
) -> None:
    said = claims.get(settings.groups_claim)
    groups = {said} if isinstance(said, str) else set(filter(_is_text, said)) if isinstance(said, list) else set()
    places = {row.name: row.id for row in connection.execute(select(workspaces.c.name, workspaces.c.id))}
    wanted = {
        (f"{_BY_GROUP}{item.group}", item.role.value, None if item.workspace is None else places[item.workspace])
        for item in settings.roles
        if item.group in groups and (item.workspace is None or item.workspace in places)
    }
    with keeping_an_admin(connection):
        query = select(grants).where(grants.c.principal_id == person, grants.c.created_by.startswith(_BY_GROUP))
        for row in connection.execute(query).all():
            held = (row.created_by, row.role, row.workspace_id)
            if held in wanted:
                wanted.discard(held)
            else:
                connection.execute(delete(grants).where(grants.c.id == row.id))
        for by, role, workspace_id in sorted(wanted, key=str):
            row_ = {"id": uuid4().hex, "principal_id": person, "role": role, "workspace_id": workspace_id}
            connection.execute(insert(grants).values(**row_, created_at=now, created_by=by))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _text(value: object) -> str:
    return value[:_LONGEST] if isinstance(value, str) and value.isprintable() else ""


def _not_let_in(reason: str) -> SignInRequired:
    return SignInRequired(reason, hint="Ask an admin of this server.")
