"""Workspaces behind a server."""

from typing import TYPE_CHECKING
from urllib.parse import quote

from typecase.blocks.records import Workspace
from typecase.blocks.registry import Workspaces
from typecase.blocks.remote.requests import NewWorkspace, WorkspaceChange
from typecase.blocks.remote.wire import encode
from typecase.blocks.stored import UNSET, Unset

if TYPE_CHECKING:
    from typecase.blocks.remote.client import Client


class RemoteWorkspaces(Workspaces):
    """The workspaces of a registry behind a server."""

    def __init__(self, client: "Client") -> None:
        """Speak to the server through `client`."""
        self._client = client

    def create(self, name: str, *, parent: str | None = None, description: str = "") -> Workspace:
        """See `Workspaces.create`."""
        content = encode(NewWorkspace(name=name, parent=parent, description=description))
        return self._client.get(Workspace, "POST", "/workspaces", content=content)

    def get(self, name: str) -> Workspace:
        """See `Workspaces.get`."""
        return self._client.get(Workspace, "GET", _path(name))

    def list(self) -> tuple[Workspace, ...]:
        """See `Workspaces.list`."""
        return self._client.get(tuple[Workspace, ...], "GET", "/workspaces")

    def update(self, name: str, *, parent: str | Unset | None = UNSET, description: str | Unset = UNSET) -> Workspace:
        """See `Workspaces.update`."""
        facts = {"parent": parent, "description": description}
        change = WorkspaceChange.model_validate({key: value for key, value in facts.items() if value is not UNSET})
        return self._client.get(Workspace, "PATCH", _path(name), content=encode(change))

    def delete(self, name: str) -> None:
        """See `Workspaces.delete`."""
        self._client.ask("DELETE", _path(name))


def _path(name: str) -> str:
    return f"/workspaces/{quote(name, safe='')}"
