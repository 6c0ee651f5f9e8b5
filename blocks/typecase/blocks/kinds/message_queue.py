"""The kind of blocks that carry messages between programs."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from typecase.blocks.block import Block
from typecase.blocks.kinds.refusals import not_supported
from typecase.blocks.storing import in_thread


@dataclass(frozen=True, slots=True)
class Message:
    """A message to publish. `key` decides the order or the partition where the queue knows such a thing."""

    body: bytes
    key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class ReceivedMessage(ABC):
    """A message that was received and is neither done nor given back yet."""

    message: Message

    @abstractmethod
    def ack(self) -> None:
        """Tell the queue that the message is done."""

    @abstractmethod
    def reject(self, *, requeue: bool = True) -> None:
        """Give the message back, or to the dead-letter queue if not `requeue`."""


class MessageQueue(Block):
    """A queue, topic or stream."""

    __kind__: ClassVar[str] = "MessageQueue"

    @abstractmethod
    def publish(self, messages: Iterable[Message]) -> None:
        """Send `messages` in order and return once the queue has all of them."""

    @abstractmethod
    def consume(self, *, limit: int | None = None, timeout: float | None = None) -> Iterator[ReceivedMessage]:
        """Iterate over messages, each to be acknowledged with `ack()`.

        Ends after `limit` messages or `timeout` seconds without one; None = never.
        """

    def client(self) -> Any:
        """Return the vendor SDK's own client."""
        raise not_supported(self, "client", "Use `publish()` and `consume()`.")

    async def apublish(self, messages: Iterable[Message]) -> None:
        """`publish` in a worker thread."""
        await in_thread(self.publish, messages)
