"""Data keys behind a server. What takes long answers line by line: progress, then the result or a problem."""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from typecase.blocks.errors import RegistryUnreachable
from typecase.blocks.records import DataKey, KeyEvent, Rewrapping, Rotation
from typecase.blocks.registry import Keys
from typecase.blocks.remote.problems import error_of
from typecase.blocks.remote.requests import ChangingRootKey, Request, Retiring, Rotating
from typecase.blocks.remote.wire import encode, restored

if TYPE_CHECKING:
    from typecase.blocks.remote.client import Client

T = TypeVar("T")
Watch = Callable[[int, int], None]


class RemoteKeys(Keys):
    """The keys of a registry behind a server; who asks is who the token belongs to."""

    def __init__(self, client: "Client") -> None:
        """Speak to the server through `client`."""
        self._client = client

    def plan(self, workspaces: Sequence[str] = ()) -> tuple[Rotation, ...]:
        """See `Keys.plan`."""
        return self._client.get(
            tuple[Rotation, ...], "POST", "/keys/plan", content=encode(Retiring(workspaces=tuple(workspaces)))
        )

    def rotate(
        self,
        workspaces: Sequence[str] = (),
        *,
        retire: bool = False,
        actor: str = "",  # noqa: ARG002 - the server knows who asks
        watch: Watch | None = None,
    ) -> tuple[Rotation, ...]:
        """See `Keys.rotate`."""
        body = Rotating(workspaces=tuple(workspaces), retire=retire)
        return self._follow(tuple[Rotation, ...], "/keys/rotate", body, watch)

    def retire(
        self,
        workspaces: Sequence[str] = (),
        *,
        actor: str = "",  # noqa: ARG002 - the server knows who asks
    ) -> tuple[DataKey, ...]:
        """See `Keys.retire`."""
        return self._client.get(
            tuple[DataKey, ...], "POST", "/keys/retire", content=encode(Retiring(workspaces=tuple(workspaces)))
        )

    def plan_rewrap(self, url: str | None = None) -> Rewrapping:
        """See `Keys.plan_rewrap`."""
        return self._client.get(Rewrapping, "POST", "/keys/plan-rewrap", content=encode(ChangingRootKey(url=url)))

    def rewrap(
        self,
        url: str | None = None,
        *,
        create: bool = False,
        actor: str = "",  # noqa: ARG002 - the server knows who asks
        watch: Watch | None = None,
    ) -> Rewrapping:
        """See `Keys.rewrap`."""
        return self._follow(Rewrapping, "/keys/rewrap", ChangingRootKey(url=url, create=create), watch)

    def events(self, *, limit: int = 20) -> tuple[KeyEvent, ...]:
        """See `Keys.events`."""
        return self._client.get(tuple[KeyEvent, ...], "GET", "/keys/events", query={"limit": limit})

    def _follow(self, kind: type[T], path: str, body: Request, watch: Watch | None) -> T:
        for line in self._client.lines("POST", path, content=encode(body)):
            step = json.loads(line)
            if "problem" in step:
                raise error_of(step["problem"])
            if "result" in step:
                return restored(kind, step["result"])
            if watch is not None:
                watch(step["done"], step["of"])
        message = "The server ended the answer before the work was done."
        raise RegistryUnreachable(message, hint="Run it again: it goes on where it was.")
