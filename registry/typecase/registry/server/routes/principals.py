"""People, service accounts, their roles and tokens."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from typecase.blocks.records import Page
from typecase.blocks.remote.requests import Request
from typecase.registry.access.permissions import Permission, Role
from typecase.registry.access.records import GivenRole, Kind, NewLink, NewToken, Principal, Token
from typecase.registry.access.tokens import Limits
from typecase.registry.authorized.access import Me
from typecase.registry.server.asks import AsksFor
from typecase.registry.server.problems import described
from typecase.registry.server.routes.conditions import Cursor, Limit, Once

router = APIRouter(tags=["access"])

Name = Annotated[str, Path(description="Name of the person or service account.", examples=["ada"], max_length=200)]
Id = Annotated[str, Path(max_length=100, description="Id, as lists show it.")]


class NewPrincipal(Request):
    """A person or a service account to make."""

    name: str = Field(max_length=200, examples=["ada"])
    kind: Kind
    title: str = Field("", max_length=200)
    email: str = Field("", max_length=320)


class PrincipalChange(Request):
    """A change to a principal. What is left out stays."""

    title: str = Field("", max_length=200)
    email: str = Field("", max_length=320)


class NewGrant(Request):
    """A role to give: in a workspace, or everywhere; for one document or tag of it, or for all."""

    principal: str = Field(max_length=200, examples=["ada"])
    role: Role
    workspace: str | None = Field(None, max_length=200)
    document: str | None = Field(None, max_length=200)
    tag: str | None = Field(None, max_length=200)


class TokenRequest(Request):
    """A token to make. Null narrows nothing."""

    name: str = Field(max_length=200, examples=["nightly import"])
    permissions: frozenset[Permission] | None = None
    workspaces: frozenset[str] | None = Field(None, max_length=1000)
    networks: tuple[str, ...] | None = Field(None, max_length=100, examples=[["10.0.0.0/8"]])
    uses: int | None = Field(None, ge=1, le=2**31 - 1)
    expires_at: datetime | None = None


@router.get("/me", response_model=Me, responses=described())
def get_me(asks: AsksFor) -> Response:
    """Return who asks, and what they may do."""
    return asks.answer(Me, asks.access.me)


@router.get("/principals", response_model=Page[Principal], responses=described())
def list_principals(
    asks: AsksFor, kind: Annotated[Kind | None, Query()] = None, cursor: Cursor = None, limit: Limit = 100
) -> Response:
    """List people and service accounts by name."""
    return asks.answer(Page[Principal], lambda: asks.access.principals(kind=kind, cursor=cursor, limit=limit))


@router.post("/principals", response_model=Principal, status_code=201, responses=described())
def create_principal(asks: AsksFor, body: NewPrincipal, _: Once = None) -> Response:
    """Make a person or a service account that may do nothing yet."""
    return asks.answer(
        Principal,
        lambda: asks.access.create(body.name, kind=body.kind, title=body.title, email=body.email),
        status=201,
    )


@router.get("/principals/{name}", response_model=Principal, responses=described(404))
def get_principal(asks: AsksFor, name: Name) -> Response:
    """Return one person or service account."""
    return asks.answer(Principal, lambda: asks.access.principal(name))


@router.patch("/principals/{name}", response_model=Principal, responses=described(404))
def describe_principal(asks: AsksFor, name: Name, body: PrincipalChange, _: Once = None) -> Response:
    """Change title or e-mail."""
    return asks.answer(Principal, lambda: asks.access.describe(name, **body.given("title", "email")))


@router.post("/principals/{name}/disable", response_model=Principal, responses=described(404, 409))
def disable_principal(asks: AsksFor, name: Name, _: Once = None) -> Response:
    """End all sessions and tokens of a principal, for good, and let it in no more."""
    return asks.answer(Principal, lambda: asks.access.disable(name))


@router.post("/principals/{name}/enable", response_model=Principal, responses=described(404))
def enable_principal(asks: AsksFor, name: Name, _: Once = None) -> Response:
    """Let a disabled principal in again. It needs new tokens."""
    return asks.answer(Principal, lambda: asks.access.enable(name))


@router.delete("/principals/{name}", status_code=204, response_class=Response, responses=described(404, 409))
def delete_principal(asks: AsksFor, name: Name, _: Once = None) -> Response:
    """Remove a principal with its roles, tokens and sessions."""
    asks.access.delete(name)
    return Response(status_code=204)


@router.post("/principals/{name}/password-link", response_model=NewLink, responses=described(404))
def create_password_link(asks: AsksFor, name: Name) -> Response:
    """Make a one-time link that lets a person choose a password. Shown once."""
    return asks.answer(NewLink, lambda: asks.access.password_link(name))


@router.get("/principals/{name}/tokens", response_model=Page[Token], responses=described(404))
def list_tokens(asks: AsksFor, name: Name, cursor: Cursor = None, limit: Limit = 100) -> Response:
    """List the tokens of a principal, without what they are."""
    return asks.answer(Page[Token], lambda: asks.access.tokens(name, cursor=cursor, limit=limit))


@router.post("/principals/{name}/tokens", response_model=NewToken, status_code=201, responses=described(404))
def create_token(asks: AsksFor, name: Name, body: TokenRequest) -> Response:
    """Make a token. Its text is shown once."""
    limits = Limits(
        permissions=body.permissions,
        workspaces=body.workspaces,
        networks=body.networks,
        uses=body.uses,
        expires_at=body.expires_at,
    )
    return asks.answer(NewToken, lambda: asks.access.create_token(name, body.name, limits), status=201)


@router.delete("/tokens/{token_id}", response_model=Token, responses=described(404))
def revoke_token(asks: AsksFor, token_id: Id, _: Once = None) -> Response:
    """End a token, everywhere within a second."""
    return asks.answer(Token, lambda: asks.access.revoke_token(token_id))


@router.get("/grants", response_model=tuple[GivenRole, ...], responses=described(404))
def list_grants(
    asks: AsksFor,
    principal: Annotated[str | None, Query(max_length=200)] = None,
    workspace: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """List roles: of a principal, in a workspace, or all."""
    return asks.answer(tuple[GivenRole, ...], lambda: asks.access.grants(principal=principal, workspace=workspace))


@router.post("/grants", response_model=GivenRole, status_code=201, responses=described(404))
def create_grant(asks: AsksFor, body: NewGrant, _: Once = None) -> Response:
    """Give a role. Nobody gives what they do not hold."""
    return asks.answer(
        GivenRole,
        lambda: asks.access.grant(
            body.principal, body.role, workspace=body.workspace, document=body.document, tag=body.tag
        ),
        status=201,
    )


@router.delete("/grants/{grant_id}", response_model=GivenRole, responses=described(404, 409))
def delete_grant(asks: AsksFor, grant_id: Id, _: Once = None) -> Response:
    """Take a role away."""
    return asks.answer(GivenRole, lambda: asks.access.revoke(grant_id))
