"""Data keys, for an admin of the server."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from typecase.blocks.errors import PermissionDenied
from typecase.blocks.records import DataKey, KeyEvent, KeyStatus, Rewrapping, Rotation
from typecase.blocks.registry import Keys
from typecase.registry.access.permissions import Permission
from typecase.registry.authorized.asking import About, Asking

if TYPE_CHECKING:
    from typecase.registry.sql import SqlRegistry

R = TypeVar("R")
READ, WRITE = Permission.KEYS_READ, Permission.KEYS_WRITE


class AuthorizedKeys(Keys):
    """The keys of a registry for one caller. Long work is written down when it begins and when it is done."""

    def __init__(self, inner: "SqlRegistry", asking: Asking) -> None:
        """Ask `inner`, for the caller of `asking`."""
        self._inner = inner
        self._asking = asking
        self._actor = asking.caller.name

    def status(self) -> KeyStatus:
        """See `Registry.key_status`."""
        self._asking.require(READ, About(action="key.read"))
        return self._inner.key_status()

    def plan(self, workspaces: Sequence[str] = ()) -> tuple[Rotation, ...]:
        """See `Keys.plan`."""
        self._asking.require(READ, About(action="key.read"))
        return self._inner.keys.plan(workspaces)

    def rotate(
        self,
        workspaces: Sequence[str] = (),
        *,
        retire: bool = False,
        actor: str = "",  # noqa: ARG002 - the actor is the caller
        watch: Callable[[int, int], None] | None = None,
    ) -> tuple[Rotation, ...]:
        """See `Keys.rotate`."""
        facts = {"workspaces": list(workspaces), "retire": retire}
        return self._told(
            About(action="key.rotate", facts=facts),
            lambda: self._inner.keys.rotate(workspaces, retire=retire, actor=self._actor, watch=watch),
        )

    def retire(self, workspaces: Sequence[str] = (), *, actor: str = "") -> tuple[DataKey, ...]:  # noqa: ARG002 - as above
        """See `Keys.retire`."""
        return self._told(
            About(action="key.retire", facts={"workspaces": list(workspaces)}),
            lambda: self._inner.keys.retire(workspaces, actor=self._actor),
        )

    def plan_rewrap(self, url: str | None = None) -> Rewrapping:
        """See `Keys.plan_rewrap`."""
        self._asking.require(READ, About(action="key.read"))
        return self._inner.keys.plan_rewrap(url)

    def rewrap(
        self,
        url: str | None = None,
        *,
        create: bool = False,
        actor: str = "",  # noqa: ARG002 - the actor is the caller
        watch: Callable[[int, int], None] | None = None,
    ) -> Rewrapping:
        """See `Keys.rewrap`. Only to a root key that the server's own settings name."""
        if url is not None and url not in self._inner.root_key_urls:
            raise PermissionDenied(
                "The server's settings do not name this root key.",
                hint="Add its URL to TYPECASE_KEY of the server first, beside the present one.",
            )
        return self._told(
            About(action="key.rewrap", facts={"create": create}),
            lambda: self._inner.keys.rewrap(url, create=create, actor=self._actor, watch=watch),
        )

    def events(self, *, limit: int = 20) -> tuple[KeyEvent, ...]:
        """See `Keys.events`."""
        self._asking.require(READ, About(action="key.read"))
        return self._inner.keys.events(limit=limit)

    def _told(self, about: About, work: Callable[[], R]) -> R:
        self._asking.require(WRITE, about)
        self._asking.note(About(action=f"{about.action}.begin", facts=about.facts))
        result = work()
        self._asking.note(about)
        return result
