"""What went wrong at Azure, told once, without the frames of the SDK that hold tokens and values."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from typecase.blocks.redaction import VendorError, clean_cause

Kind: TypeAlias = Literal["sign-in", "forbidden", "absent", "conflict", "refused", "unreachable"]

_SHOWN: Final = 400
_ANSWERED: Final[dict[int, tuple[Kind, str]]] = {
    401: ("sign-in", ""),
    403: ("forbidden", ""),
    404: ("absent", ""),
    408: ("unreachable", "timeout"),
    409: ("conflict", ""),
    429: ("unreachable", "throttled"),
}
# The chain of the default credentials keeps only the text of what its members raised.
_NETWORK: Final = re.compile(
    r"Max retries exceeded|Connection (aborted|refused|reset)|timed out|Failed to (resolve|establish)|NameResolution"
)
_THROTTLED: Final = re.compile(r"HTTP status: 429|temporarily_unavailable")
_TLS: Final = re.compile(r"SSLError|CERTIFICATE_VERIFY_FAILED|\[SSL|TLS CA certificate")


class AnswerTooLarge(Exception):
    """An answer is larger than anything that Azure has to say here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A request that Azure did not fulfil.

    `reason` says how Azure was unreachable, `code` is the service's own innermost error code. `again` = another try
    may succeed; `unsent` = the service did not act on it.
    """

    kind: Kind
    cause: VendorError
    reason: str = ""
    code: str = ""
    retry_after: float | None = None
    again: bool = False
    unsent: bool = False

    @property
    def advice(self) -> str:
        """What to do about a refused sign-in."""
        if "DefaultAzureCredential" in self.cause.message:
            return (
                "No identity was found here: set AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET, give the "
                "machine or pod an identity, run `az login`, or name `credentials`."
            )
        return "Check the tenant, the client, and that its secret or certificate is right and has not ended."

    @property
    def sentence(self) -> str:
        """What the SDK or the service said, on one line."""
        first = self.cause.message.strip().partition("\n")[0][:_SHOWN].rstrip(". ")
        return first or self.cause.vendor_type


def failure_of(error: Exception, secrets: Iterable[str | bytes]) -> Failure:
    """Classify what the SDK raised."""
    from azure.core.exceptions import HttpResponseError

    cause = clean_cause(error, secrets)
    links = tuple(_chain(error))
    if any(isinstance(link, AnswerTooLarge) for link in links):
        return Failure(kind="unreachable", reason="malformed answer", cause=cause)
    for link in links:
        response = getattr(link, "response", None)
        status = getattr(response, "status_code", None)
        if isinstance(link, HttpResponseError) and isinstance(status, int) and status >= 300:  # noqa: PLR2004 - HTTP's success ends there
            return _answered(link, status, response, cause)
    return _unanswered(links, cause)


def _answered(error: Any, status: int, response: Any, cause: VendorError) -> Failure:
    kind, reason = _ANSWERED.get(status) or _class_of(status)
    if kind == "refused" and "/oauth2/" in str(getattr(getattr(response, "request", None), "url", "")):
        kind = "sign-in"
    return Failure(
        kind=kind,
        reason=reason,
        code=_code(getattr(error, "error", None)),
        retry_after=_seconds(response.headers.get("Retry-After")),
        again=kind == "unreachable" and reason != "malformed answer",
        unsent=status in {429, 503},
        cause=cause,
    )


def _class_of(status: int) -> tuple[Kind, str]:
    if status >= 500:  # noqa: PLR2004 - HTTP's class of server errors
        return "unreachable", "failed"
    # A vault redirects nobody.
    return ("refused", "") if status >= 400 else ("unreachable", "malformed answer")  # noqa: PLR2004 - client errors


def _unanswered(links: tuple[BaseException, ...], cause: VendorError) -> Failure:
    from azure.core.exceptions import (
        ClientAuthenticationError,
        ServiceRequestError,
        ServiceRequestTimeoutError,
        ServiceResponseError,
        ServiceResponseTimeoutError,
    )

    def met(*types: type[BaseException]) -> bool:
        return any(isinstance(link, types) for link in links)

    text = str(cause)
    unsent = met(ServiceRequestError)
    if _TLS.search(text):
        reason = "tls"
    elif met(ServiceRequestTimeoutError, ServiceResponseTimeoutError):
        reason = "timeout"
    elif met(ServiceRequestError, ServiceResponseError):
        reason = "connection"
    elif not met(ClientAuthenticationError):
        reason = "malformed answer"
    elif _THROTTLED.search(text):
        reason, unsent = "throttled", True
    elif _NETWORK.search(text):
        reason, unsent = "connection", True
    else:
        return Failure(kind="sign-in", cause=cause)
    again = reason not in {"tls", "malformed answer"}
    return Failure(kind="unreachable", reason=reason, again=again, unsent=unsent, cause=cause)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _code(told: Any) -> str:
    """Return the innermost code of `{"error": {"code": ..., "innererror": {"code": ...}}}`."""
    code = getattr(told, "code", None)
    inner = getattr(told, "innererror", None)
    while isinstance(inner, dict):
        code = inner.get("code") or code
        inner = inner.get("innererror")
    return code if isinstance(code, str) else ""


def _seconds(header: str | None) -> float | None:
    text = (header or "").strip()
    return float(text) if text.isdecimal() else None
