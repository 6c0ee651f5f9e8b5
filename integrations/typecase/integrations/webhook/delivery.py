"""Attempts at delivering one message, told without the URL."""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass, replace
from time import sleep, time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from typecase.blocks.kinds.refusals import needs
from typecase.blocks.redaction import VendorError, clean_cause, secret_values
from typecase.integrations.webhook.transports import transport_of

if TYPE_CHECKING:
    from httpx import Request, Response

    from typecase.integrations.webhook.receiver import Webhook

RETRIED: Final = frozenset({429, 502, 503, 504})

_FIRST_WAIT: Final = 0.5
_READ: Final = 64 * 1024
_SHOWN: Final = 200
_TOKEN: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a message. `status` None = the receiver was not reached."""

    status: int | None
    reason: str = ""
    retry_after: float | None = None
    again: bool = False
    attempts: int = 1
    cause: VendorError | None = None

    @property
    def accepted(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and self.status // 100 == 2  # noqa: PLR2004 - HTTP's class of success


def as_json(message: dict[str, Any]) -> dict[str, Any]:
    """Return `message` as plain JSON values. Raises `TypeError` for what has no JSON form."""
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    try:
        plain: dict[str, Any] = to_jsonable_python(message)
    except PydanticSerializationError as error:
        reason = f"The details of a notification must be JSON: {error}."
    else:
        return plain
    raise TypeError(reason)


def deliver(block: "Webhook", message: dict[str, Any], key: str) -> Outcome:
    """Try up to `block.attempts` times. This frame and its callers hold neither URL nor payload."""
    attempt = 1
    while True:
        outcome = replace(_attempt(block, message, key), attempts=attempt)
        wait = outcome.retry_after
        if wait is None:
            wait = min(_FIRST_WAIT * 2 ** (attempt - 1), block.longest_wait)
        if not outcome.again or attempt >= block.attempts or wait > block.longest_wait:
            return outcome
        sleep(wait)
        attempt += 1


def _attempt(block: "Webhook", message: dict[str, Any], key: str) -> Outcome:
    with needs("webhook"):
        import httpx

    try:
        response = transport_of(block).handle_request(_request(block, message, key))
        try:
            text = _beginning(response)
        finally:
            response.close()
    except Exception as error:  # noqa: BLE001 - whatever is raised has frames that hold the URL
        cause = clean_cause(error, _secrets(block))
        again = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        return Outcome(status=None, reason=cause.message or cause.vendor_type, again=again, cause=cause)
    reason = clean_cause(ValueError(text), _secrets(block)).message.strip()[:_SHOWN]
    return Outcome(
        status=response.status_code,
        reason=reason,
        retry_after=_retry_after(response.headers.get("Retry-After")),
        again=response.status_code in RETRIED,
    )


def _request(block: "Webhook", message: dict[str, Any], key: str) -> "Request":
    import httpx
    from pydantic_core import to_json

    secrets = {name: value.get_secret_value() for name, value in block.secret_fields.items()}
    content = to_json({**block.extra, **secrets, **message})
    headers = httpx.Headers({"Content-Type": "application/json", "Idempotency-Key": key, "User-Agent": "typecase"})
    url = httpx.URL(block.url.get_secret_value())
    if url.userinfo:
        from base64 import b64encode

        headers["Authorization"] = "Basic " + b64encode(unquote(url.userinfo.decode()).encode()).decode()
        url = url.copy_with(userinfo=None)
    if block.signing_secret is not None:
        digest = hmac.new(block.signing_secret.get_secret_value().encode(), content, "sha256").hexdigest()
        headers[block.signature_header] = f"sha256={digest}"
    headers.update({name: value.get_secret_value() for name, value in block.headers.items()})
    timeout = httpx.Timeout(block.timeout).as_dict()
    return httpx.Request(block.method, url, headers=headers, content=content, extensions={"timeout": timeout})


def _beginning(response: "Response") -> str:
    data = b""
    for chunk in response.iter_bytes():
        data += chunk
        if len(data) > _READ:
            break
    return data.decode("utf-8", "replace")


def _secrets(block: "Webhook") -> Iterator[str | bytes]:
    yield from secret_values(block)
    parts = urlsplit(block.url.get_secret_value())
    # An error may quote a part of the URL, such as its path without the host.
    for text in (parts.path, parts.query, *parts.path.split("/"), *parts.query.replace("=", "&").split("&")):
        if len(text) >= _TOKEN:
            yield text


def _retry_after(value: str | None) -> float | None:
    """Read seconds or an HTTP date; None for neither."""
    from email.utils import parsedate_to_datetime

    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None
