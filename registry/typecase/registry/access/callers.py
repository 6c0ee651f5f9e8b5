"""Who asks, and what they may do."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from typecase.blocks.errors import PermissionDenied
from typecase.registry.access.permissions import PERMISSIONS, SERVER_WIDE, Permission, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A role: in one workspace, or in all and for the server; of one document, or of those with a tag, or of all."""

    role: Role
    workspace: str | None = None
    document_id: str | None = None
    tag: str | None = None

    @property
    def narrow(self) -> bool:
        """Whether it holds for some documents only."""
        return self.document_id is not None or self.tag is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A document, for deciding about it."""

    workspace: str
    document_id: str = ""
    tags: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A principal with its grants, narrowed by the token that it came with, and where the request came from.

    `permissions` and `workspaces` are the token's; None narrows nothing. `flow` is what the client says of the flow
    that runs: `flow`, `run`, `engine`.
    """

    id: str
    name: str
    kind: str
    grants: tuple[Grant, ...] = ()
    permissions: frozenset[Permission] | None = None
    workspaces: frozenset[str] | None = None
    token: str = ""
    expires_at: datetime | None = None
    address: str = ""
    request_id: str = ""
    flow: Mapping[str, str] = field(default_factory=dict)

    def may(self, permission: Permission, workspace: str | None = None, subject: Subject | None = None) -> bool:
        """Tell whether this is allowed: for the server (no workspace), in a workspace, or with one document of it."""
        if self.permissions is not None and permission not in self.permissions:
            return False
        if self.workspaces is not None and (workspace is None or workspace not in self.workspaces):
            return False
        return any(_gives(grant, permission, workspace, subject) for grant in self.grants)

    def may_some(self, permission: Permission, workspace: str) -> bool:
        """Tell whether this is allowed for some documents of a workspace, perhaps for all."""
        return self.may(permission, workspace) or any(
            grant.narrow and self._reaches(grant, permission, workspace) for grant in self.grants
        )

    def may_anywhere(self, permission: Permission) -> bool:
        """Tell whether this is allowed somewhere."""
        if self.permissions is not None and permission not in self.permissions:
            return False
        return any(permission in PERMISSIONS[grant.role] for grant in self.grants)

    def narrowed(self, permission: Permission, workspace: str) -> tuple[frozenset[str], frozenset[str]]:
        """Return ids and tags of the documents of a workspace that grants name one by one."""
        found = [grant for grant in self.grants if grant.narrow and self._reaches(grant, permission, workspace)]
        ids = frozenset(grant.document_id for grant in found if grant.document_id is not None)
        return ids, frozenset(grant.tag for grant in found if grant.tag is not None and grant.document_id is None)

    def require(self, permission: Permission, workspace: str | None = None, subject: Subject | None = None) -> None:
        """Raise `PermissionDenied` unless `may` says yes. The same whether or not the workspace exists."""
        if not self.may(permission, workspace, subject):
            raise denied(self, permission, workspace)

    def _reaches(self, grant: Grant, permission: Permission, workspace: str) -> bool:
        if self.permissions is not None and permission not in self.permissions:
            return False
        if self.workspaces is not None and workspace not in self.workspaces:
            return False
        return grant.workspace in {None, workspace} and permission in PERMISSIONS[grant.role]


def denied(caller: Caller, permission: Permission, workspace: str | None) -> PermissionDenied:
    """Say what is not allowed, and who can change that."""
    where = "on this server" if workspace is None else f"in workspace {workspace!r}"
    return PermissionDenied(
        f"{caller.name} may not do this {where}: it needs {permission}.",
        hint="An admin grants roles: `typecase access grant`. A token may be narrower than who it belongs to.",
        permission=str(permission),
        workspace=workspace,
    )


def _gives(grant: Grant, permission: Permission, workspace: str | None, subject: Subject | None) -> bool:
    if permission not in PERMISSIONS[grant.role]:
        return False
    if workspace is None or permission in SERVER_WIDE:
        return grant.workspace is None and not grant.narrow
    if grant.workspace not in {None, workspace}:
        return False
    if not grant.narrow:
        return True
    if subject is None:
        return False
    return (grant.document_id is None or grant.document_id == subject.document_id) and (
        grant.tag is None or grant.tag in subject.tags
    )
