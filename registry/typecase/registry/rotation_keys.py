"""The data keys of a SQL registry, as its users change them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from typecase.blocks.records import DataKey, KeyEvent, Rewrapping, Rotation
from typecase.blocks.registry import Keys
from typecase.registry.edge import guarded

if TYPE_CHECKING:
    from typecase.registry.data_keys import DataKeys
    from typecase.registry.store import Store

Watch = Callable[[int, int], None]


class SqlKeys(Keys):
    """The data keys of a SQL registry."""

    def __init__(self, store: "Store", keys: "DataKeys") -> None:
        self._store = store
        self._keys = keys

    @property
    def url(self) -> str:
        """The registry's URL, without a password."""
        return self._store.url

    @guarded
    def plan(self, workspaces: Sequence[str] = ()) -> tuple[Rotation, ...]:
        """Say what `rotate` would do, and write nothing."""
        from typecase.registry.rotation import plan_rotation

        return self._store.read(lambda connection: plan_rotation(connection, workspaces))

    @guarded
    def rotate(
        self, workspaces: Sequence[str] = (), *, retire: bool = False, actor: str = "", watch: Watch | None = None
    ) -> tuple[Rotation, ...]:
        """Give workspaces a new data key and encrypt every revision again."""
        from typecase.registry.rotation import Rotating

        return Rotating(self._store, self._keys, retire=retire, actor=actor, watch=watch).run(workspaces)

    @guarded
    def retire(self, workspaces: Sequence[str] = (), *, actor: str = "") -> tuple[DataKey, ...]:
        """Destroy every data key but the newest of each workspace, and return what was destroyed."""
        from typecase.registry.rotation_retirement import retire_keys

        return retire_keys(self._store, self._keys, workspaces, actor=actor)

    @guarded
    def plan_rewrap(self, url: str | None = None) -> Rewrapping:
        """Say what `rewrap` would do, and write nothing."""
        from typecase.registry.rotation_rewrap import plan_rewrap

        return plan_rewrap(self._store, self._keys, url)

    @guarded
    def rewrap(
        self, url: str | None = None, *, create: bool = False, actor: str = "", watch: Watch | None = None
    ) -> Rewrapping:
        """Wrap every data key with the root key at `url`, None = the first of the settings."""
        from typecase.registry.rotation_rewrap import Rewrap

        return Rewrap(self._store, self._keys, actor=actor, watch=watch).run(url, create=create)

    @guarded
    def events(self, *, limit: int = 20) -> tuple[KeyEvent, ...]:
        """Return what was done to keys, newest first."""
        from typecase.registry.rotation_events import read_events

        return self._store.read(lambda connection: read_events(connection, limit=limit))
