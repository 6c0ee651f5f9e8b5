"""One connection: how many there are, and how long a client may take."""

import asyncio
from typing import ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_FULL: Final = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Connection(H11Protocol):
    """Uvicorn's protocol with limits: `most` connections, `seconds` for whatever no request is working on.

    That is a head that does not end, and the rest of a body that was refused. Uvicorn itself waits for both forever.
    """

    most: ClassVar[int]
    seconds: ClassVar[float]
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Begin, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self.connections.discard(self)
            transport.write(_FULL)
            transport.close()
        else:
            self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what arrives."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.conn.their_state is h11.IDLE or self.conn.our_state is h11.DONE:
            self._wait()
        else:
            self._stop()

    def on_response_complete(self) -> None:
        """Go on with the next request, unless this one has not arrived whole, or only the beginning of the next has."""
        super().on_response_complete()
        unfinished = self.conn.their_state is h11.SEND_BODY or (
            self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]
        )
        if unfinished and not self.transport.is_closing():
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.seconds, self._late)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        # Uvicorn's events after an answer may have begun another request, from what had arrived before.
        if self.conn.our_state in {h11.IDLE, h11.DONE}:
            self.transport.close()


def connection_class(*, most: int, seconds: float) -> type[Connection]:
    """Return the protocol with these limits: uvicorn makes its instances itself."""
    return type("LimitedConnection", (Connection,), {"most": most, "seconds": seconds})
