"""The keys of a memory registry: none, as it encrypts nothing."""

from collections.abc import Callable, Sequence

from typecase.blocks.memory.state import State
from typecase.blocks.records import DataKey, KeyEvent, Rewrapping, Rotation
from typecase.blocks.registry import Keys

ROOT_KEY = "none: nothing leaves memory"


class MemoryKeys(Keys):
    """Keys that are not there: every change of them is done at once."""

    def __init__(self, state: State) -> None:
        self._state = state

    def plan(self, workspaces: Sequence[str] = ()) -> tuple[Rotation, ...]:
        """See `Keys.plan`."""
        with self._state.lock:
            for name in workspaces:
                self._state.chain(name)
        return ()

    def rotate(
        self,
        workspaces: Sequence[str] = (),
        *,
        retire: bool = False,  # noqa: ARG002 - nothing to retire
        actor: str = "",  # noqa: ARG002 - nothing to note
        watch: Callable[[int, int], None] | None = None,  # noqa: ARG002 - nothing to watch
    ) -> tuple[Rotation, ...]:
        """See `Keys.rotate`."""
        return self.plan(workspaces)

    def retire(self, workspaces: Sequence[str] = (), *, actor: str = "") -> tuple[DataKey, ...]:  # noqa: ARG002 - as above
        """See `Keys.retire`."""
        self.plan(workspaces)
        return ()

    def plan_rewrap(self, url: str | None = None) -> Rewrapping:
        """See `Keys.plan_rewrap`."""
        return Rewrapping(root_key=ROOT_KEY, url=url or "", rewrapped=0, already=0)

    def rewrap(
        self,
        url: str | None = None,
        *,
        create: bool = False,  # noqa: ARG002 - there is no root key
        actor: str = "",  # noqa: ARG002 - nothing to note
        watch: Callable[[int, int], None] | None = None,  # noqa: ARG002 - nothing to watch
    ) -> Rewrapping:
        """See `Keys.rewrap`."""
        return self.plan_rewrap(url)

    def events(self, *, limit: int = 20) -> tuple[KeyEvent, ...]:  # noqa: ARG002 - there are none
        """See `Keys.events`."""
        return ()
