"""People, service accounts, roles and tokens, as far as the caller may see and change them."""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from typecase.blocks.errors import PermissionDenied
from typecase.blocks.records import Page
from typecase.blocks.stored import UNSET, Unset
from typecase.registry.access.callers import Grant
from typecase.registry.access.permissions import Permission, Role
from typecase.registry.access.records import GivenRole, Kind, NewLink, NewToken, Principal, Token
from typecase.registry.access.tokens import Limits
from typecase.registry.authorized.asking import About, Asking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typecase.registry.access.parts import Access

R = TypeVar("R")
READ = Permission.ACCESS_READ


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Who asks. `permissions` and `workspaces` are what the token is narrowed to; null narrows nothing."""

    id: str
    name: str
    kind: str
    grants: tuple[Grant, ...]
    permissions: tuple[Permission, ...] | None
    workspaces: tuple[str, ...] | None


class AuthorizedAccess:
    """Access of a registry for one caller. Every change and every refusal is written down."""

    def __init__(self, inner: "Access", asking: Asking) -> None:
        """Ask `inner`, for the caller of `asking`."""
        self._inner = inner
        self._asking = asking
        self._caller = asking.caller

    def me(self) -> Me:
        """Return who asks, and what they may do."""
        caller = self._caller
        return Me(
            id=caller.id,
            name=caller.name,
            kind=caller.kind,
            grants=caller.grants,
            permissions=None if caller.permissions is None else tuple(sorted(caller.permissions)),
            workspaces=None if caller.workspaces is None else tuple(sorted(caller.workspaces)),
        )

    def principals(self, *, kind: Kind | None = None, cursor: str | None = None, limit: int = 100) -> Page[Principal]:
        """Return people and service accounts by name."""
        self._asking.require(READ, About(action="principal.read"))
        return self._inner.principals.list(kind=kind, cursor=cursor, limit=limit)

    def principal(self, name: str) -> Principal:
        """Return one."""
        self._require_self_or_read(name)
        return self._inner.principals.get(name)

    def create(self, name: str, *, kind: Kind, title: str, email: str) -> Principal:
        """Make a person or a service account."""
        return self._change(
            About(action="principal.create", facts={"name": name, "kind": kind}),
            lambda: self._inner.principals.create(self._caller, name, kind=kind, title=title, email=email),
            Principal,
        )

    def describe(self, name: str, *, title: str | Unset = UNSET, email: str | Unset = UNSET) -> Principal:
        """Change title or e-mail."""
        fields = [key for key, value in (("title", title), ("email", email)) if value is not UNSET]
        return self._change(
            About(action="principal.describe", facts={"name": name, "fields": fields}),
            lambda: self._inner.principals.describe(self._caller, name, title=title, email=email),
            Principal,
        )

    def disable(self, name: str) -> Principal:
        """End all sessions and tokens of a principal and let it in no more."""
        return self._change(
            About(action="principal.disable", facts={"name": name}),
            lambda: self._inner.principals.disable(self._caller, name),
            Principal,
        )

    def enable(self, name: str) -> Principal:
        """Let a disabled principal in again."""
        return self._change(
            About(action="principal.enable", facts={"name": name}),
            lambda: self._inner.principals.enable(self._caller, name),
            Principal,
        )

    def delete(self, name: str) -> None:
        """Remove a principal with all that it had."""
        self._change(
            About(action="principal.delete", facts={"name": name}),
            lambda: self._inner.principals.delete(self._caller, name),
            None,
        )

    def password_link(self, name: str) -> NewLink:
        """Make a one-time link that sets a password. Shown once."""
        return self._change(
            About(action="principal.password_link", facts={"name": name}),
            lambda: self._inner.links.for_password(self._caller, name),
            None,
        )

    def grants(self, *, principal: str | None = None, workspace: str | None = None) -> tuple[GivenRole, ...]:
        """Return roles: of a principal, in a workspace, or all."""
        if principal is not None and workspace is None:
            self._require_self_or_read(principal)
        else:
            self._asking.require(READ, About(action="grant.read", workspace=workspace or ""), workspace)
        return self._inner.grants.list(principal=principal, workspace=workspace)

    def grant(
        self, principal: str, role: Role, *, workspace: str | None, document: str | None, tag: str | None
    ) -> GivenRole:
        """Give a role."""
        facts = {"name": principal, "role": str(role), "tag": tag or ""}
        return self._change(
            About(action="grant.add", workspace=workspace or "", document=document or "", facts=facts),
            lambda: self._inner.grants.add(
                self._caller, principal, role, workspace=workspace, document=document, tag=tag
            ),
            GivenRole,
        )

    def revoke(self, grant_id: str) -> GivenRole:
        """Take a role away."""
        return self._change(
            About(action="grant.remove", facts={"grant": grant_id}),
            lambda: self._inner.grants.remove(self._caller, grant_id),
            GivenRole,
        )

    def tokens(self, principal: str, *, cursor: str | None = None, limit: int = 100) -> Page[Token]:
        """Return the tokens of a principal, without what they are."""
        self._require_self_or_read(principal)
        return self._inner.tokens.list(principal, cursor=cursor, limit=limit)

    def create_token(self, principal: str, name: str, limits: Limits) -> NewToken:
        """Make a token. Shown once: whoever sends the request again makes another one."""
        return self._change(
            About(action="token.create", facts={"name": principal, "token_name": name}),
            lambda: self._inner.tokens.create(self._caller, principal, name, limits=limits),
            None,
        )

    def revoke_token(self, token_id: str) -> Token:
        """End a token, everywhere within a second."""
        return self._change(
            About(action="token.revoke", facts={"revoked": token_id}),
            lambda: self._inner.tokens.revoke(self._caller, token_id),
            Token,
        )

    def _require_self_or_read(self, name: str) -> None:
        if name != self._caller.name:
            self._asking.require(READ, About(action="principal.read", facts={"name": name}))

    def _change(self, about: About, work: Callable[[], R], kind: Any) -> R:
        with self._refusals(about):
            return self._asking.change(work, lambda *_: about, kind=kind)

    @contextmanager
    def _refusals(self, about: About) -> "Iterator[None]":
        try:
            yield
        except PermissionDenied:
            self._asking.refuse(about)
            raise
