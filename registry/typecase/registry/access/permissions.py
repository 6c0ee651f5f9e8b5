"""What may be done, and which role may do it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Permission(StrEnum):
    """What a principal may do. A token may be narrowed to some of these."""

    DOCUMENTS_READ = "documents:read"
    DOCUMENTS_LOAD = "documents:load"
    DOCUMENTS_CHECK = "documents:check"
    DOCUMENTS_WRITE = "documents:write"
    TYPES_READ = "types:read"
    TYPES_WRITE = "types:write"
    TYPES_ADMIN = "types:admin"
    WORKSPACES_READ = "workspaces:read"
    WORKSPACES_WRITE = "workspaces:write"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    ACCESS_READ = "access:read"
    ACCESS_WRITE = "access:write"
    AUDIT_READ = "audit:read"


class Role(StrEnum):
    """What a principal is in a workspace, or everywhere. Each may do what the one before it may."""

    VIEWER = "viewer"
    RUNNER = "runner"
    EDITOR = "editor"
    ADMIN = "admin"


_VIEWER: Final = frozenset({Permission.DOCUMENTS_READ, Permission.TYPES_READ, Permission.WORKSPACES_READ})
_RUNNER: Final = _VIEWER | {Permission.DOCUMENTS_LOAD}
_EDITOR: Final = _RUNNER | {Permission.DOCUMENTS_CHECK, Permission.DOCUMENTS_WRITE, Permission.TYPES_WRITE}
_ADMIN: Final = frozenset(Permission)

PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.VIEWER: _VIEWER,
    Role.RUNNER: _RUNNER,
    Role.EDITOR: _EDITOR,
    Role.ADMIN: _ADMIN,
}

#: What concerns the whole server: only a role that holds in every workspace gives it.
SERVER_WIDE: Final = frozenset({Permission.KEYS_READ, Permission.KEYS_WRITE, Permission.TYPES_ADMIN})
