"""What is told about principals, roles, tokens and sessions. No record holds a proof, a hash or a password."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["person", "service"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A person or a service account. `issuer` and `subject` are who they are to an OIDC provider."""

    id: str
    kind: Kind
    name: str
    title: str
    email: str
    has_password: bool
    issuer: str | None
    subject: str | None
    created_at: datetime
    disabled_at: datetime | None
    last_seen_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenRole:
    """A role that a principal holds: everywhere, in a workspace, for a document or for a tag."""

    id: str
    principal: str
    role: str
    workspace: str | None
    document_id: str | None
    tag: str | None
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token, without what it is: `start` is its first characters. None narrows nothing; `uses_left` None = any."""

    id: str
    principal: str
    name: str
    start: str
    permissions: tuple[str, ...] | None
    workspaces: tuple[str, ...] | None
    networks: tuple[str, ...] | None
    uses_left: int | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    last_used_from: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token that was just made. `text` is shown once: it cannot be had again."""

    token: Token
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLink:
    """A one-time link that was just made. `code` is what makes it work."""

    code: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session that was just begun. `cookie` is what the browser keeps, `csrf` what its forms send along."""

    cookie: str = field(repr=False)
    csrf: str = field(repr=False)
    expires_at: datetime
