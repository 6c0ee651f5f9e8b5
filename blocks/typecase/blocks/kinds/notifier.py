"""The kind of blocks that tell people or systems something."""

from abc import abstractmethod
from typing import Any, ClassVar, Literal, TypeAlias

from typecase.blocks.block import Block
from typecase.blocks.kinds.refusals import not_supported
from typecase.blocks.storing import in_thread

Severity: TypeAlias = Literal["info", "warning", "error", "critical"]


class Notifier(Block):
    """A place where messages are sent."""

    __kind__: ClassVar[str] = "Notifier"

    @abstractmethod
    def notify(self, body: str, subject: str | None = None, severity: Severity = "info", **details: Any) -> None:
        """Send a message and return once the receiver accepted it. Raises `DeliveryFailed`."""

    def client(self) -> Any:
        """Return the vendor SDK's own client."""
        raise not_supported(self, "client", "Use `notify()`.")

    async def anotify(self, body: str, subject: str | None = None, severity: Severity = "info", **details: Any) -> None:
        """`notify` in a worker thread."""
        await in_thread(self.notify, body, subject, severity, **details)
