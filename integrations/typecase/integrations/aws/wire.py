"""What a client reads and what it logs: bounded answers, and no values in debug records."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

_LARGEST: Final = 8 * 1024 * 1024  # a page of a list is the largest answer that is asked for, and far below this
_CHUNK: Final = 64 * 1024
_QUIET: ContextVar[bool] = ContextVar("typecase-aws-quiet", default=False)


class _NoDebug(logging.Filter):
    """Drops debug records of calls that carry secrets: botocore writes whole requests and answers into them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record pass unless it is a debug record of a quiet call."""
        return record.levelno > logging.DEBUG or not _QUIET.get()


_NO_DEBUG: Final = _NoDebug()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what botocore logs at debug level inside this block, on this thread, out of every log."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("botocore"):
            logging.getLogger(name).addFilter(_NO_DEBUG)
    token = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(token)


def bound(client: Any, timeout: float) -> None:
    """Make `client` refuse an answer that is too large or takes longer than `timeout` seconds to arrive whole."""
    http = client._endpoint.http_session  # noqa: SLF001 - it has the proxies and certificates; no public way to it

    def send(request: "AWSPreparedRequest", **_: Any) -> "AWSResponse":
        request.stream_output = True
        response = http.send(request)
        response._content = _read(response, timeout)  # noqa: SLF001 - where botocore keeps what was read
        return response

    client.meta.events.register("before-send", send)


def _read(response: "AWSResponse", timeout: float) -> bytes:
    from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError
    from urllib3.exceptions import ReadTimeoutError as ReadTimedOut

    deadline, content, raw = monotonic() + timeout, bytearray(), response.raw
    try:
        while len(content) <= _LARGEST and monotonic() < deadline and (chunk := raw.read1(_CHUNK)):
            content += chunk
        whole = raw.closed
    except ReadTimedOut:
        raise ReadTimeoutError(endpoint_url=response.url, error="the answer stopped") from None
    except (HTTPError, OSError):
        raise ConnectionClosedError(endpoint_url=response.url) from None
    finally:
        raw.close()
    if len(content) > _LARGEST:
        message = "the answer is too large"
        raise ResponseParserError(message)
    if not whole:
        raise ReadTimeoutError(endpoint_url=response.url, error="the answer drips")
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and len(content) < int(declared):
        raise ConnectionClosedError(endpoint_url=response.url)
    return bytes(content)
