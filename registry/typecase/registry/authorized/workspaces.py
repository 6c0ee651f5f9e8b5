"""Workspaces, as far as the caller may see and change them."""

from typecase.blocks.records import Workspace
from typecase.blocks.registry import Workspaces
from typecase.blocks.stored import UNSET, Unset
from typecase.registry.access.callers import denied
from typecase.registry.access.permissions import Permission
from typecase.registry.authorized.asking import About, Asking

READ, WRITE = Permission.WORKSPACES_READ, Permission.WORKSPACES_WRITE


class AuthorizedWorkspaces(Workspaces):
    """The workspaces of a registry for one caller: those in which the caller has a role."""

    def __init__(self, inner: Workspaces, asking: Asking) -> None:
        """Ask `inner`, for the caller of `asking`."""
        self._inner = inner
        self._asking = asking
        self._caller = asking.caller

    def create(self, name: str, *, parent: str | None = None, description: str = "") -> Workspace:
        """See `Workspaces.create`. Needs an admin of the server."""
        about = About(action="workspace.create", workspace=name)
        self._asking.require(WRITE, about)
        return self._asking.change(
            lambda: self._inner.create(name, parent=parent, description=description), lambda *_: about, kind=Workspace
        )

    def get(self, name: str) -> Workspace:
        """See `Workspaces.get`."""
        if not self._caller.may_some(READ, name):
            self._asking.refuse(About(action="workspace.read", workspace=name))
            raise denied(self._caller, READ, name)
        return self._inner.get(name)

    def list(self) -> tuple[Workspace, ...]:
        """See `Workspaces.list`; those in which the caller has a role."""
        return tuple(item for item in self._inner.list() if self._caller.may_some(READ, item.name))

    def update(self, name: str, *, parent: str | Unset | None = UNSET, description: str | Unset = UNSET) -> Workspace:
        """See `Workspaces.update`. A parent must be one that the caller may see."""
        facts = {"parent": parent, "description": description}
        fields = [key for key, value in facts.items() if value is not UNSET]
        about = About(action="workspace.update", workspace=name, facts={"fields": fields})
        self._asking.require(WRITE, about, name)
        if isinstance(parent, str):
            self._asking.require(READ, about, parent)
        return self._asking.change(
            lambda: self._inner.update(name, parent=parent, description=description), lambda *_: about, kind=Workspace
        )

    def delete(self, name: str) -> None:
        """See `Workspaces.delete`. Needs an admin of the server."""
        about = About(action="workspace.delete", workspace=name)
        self._asking.require(WRITE, about)
        self._asking.change(lambda: self._inner.delete(name), lambda *_: about, kind=None)
