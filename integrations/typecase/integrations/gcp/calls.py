"""One call of a Google service: signed, bounded, repeated where that helps, and told without its frames.

Google's generated clients are not used here. They log requests and answers, payload included, at DEBUG.
"""

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from typecase.blocks.kinds.refusals import needs
from typecase.integrations.gcp.channels import Place, channel_of
from typecase.integrations.gcp.faults import Fault, Meaning, persist, sentence, unreachable
from typecase.integrations.gcp.tokens import forget, headers_of

_MEANINGS: Final = {
    "NOT_FOUND": Meaning.ABSENT,
    "ALREADY_EXISTS": Meaning.EXISTS,
    "PERMISSION_DENIED": Meaning.FORBIDDEN,
    "UNAUTHENTICATED": Meaning.REFUSED,
    "INVALID_ARGUMENT": Meaning.INVALID,
    "OUT_OF_RANGE": Meaning.INVALID,
}
_PASSING: Final = frozenset(
    {"ABORTED", "CANCELLED", "DEADLINE_EXCEEDED", "INTERNAL", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "UNAVAILABLE"}
    | {"UNKNOWN"}
)
_TLS: Final = re.compile(r"ssl|certificate", re.IGNORECASE)
_NETWORK: Final = re.compile(
    r"connect|reset|refused|socket|broken pipe|GOAWAY|dns|name resolution|unreachable|RST_STREAM", re.IGNORECASE
)
_DESTROYED: Final = re.compile(r"\s(?:in|is:?) DESTROY")
_NO_GRPC: Final = re.compile(r"deserializ|larger than max|http2 header|content-type|trying to connect an http1")


def call(
    place: Place,
    method: str,
    request: Any,
    answer: Any,
    *,
    about: str,
    changes: bool = False,
    check: Callable[[Any], None] | None = None,
    sent: bytes = b"",
) -> Any:
    """Call `method` (`/package.Service/Method`) and return what it answers, an `answer`. Raises `Fault`.

    `about` is the resource's name, by which Google routes; `check` is given the answer and may raise a `Fault`; `sent`
    is the secret in the request, should the service repeat it.
    """
    with needs("gcp"):
        import grpc  # type: ignore[import-untyped] # it ships no types

    def attempt() -> Any:
        try:
            found = invoke(request, timeout=place.timeout, metadata=metadata)
        except grpc.RpcError as error:
            fault = _fault_of(error, place.address, hidden)
            if fault.meaning is Meaning.REFUSED:
                forget(place.credentials)
        else:
            if check is not None:
                check(found)
            return found
        raise fault

    field = "parent" if method.endswith(("/ListSecrets", "/CreateSecret", "/AddSecretVersion")) else "name"
    metadata: Any = (("x-goog-request-params", f"{field}={quote(about, safe='')}"),)
    invoke = channel_of(place).unary_unary(
        method, request_serializer=type(request).serialize, response_deserializer=answer.deserialize
    )
    # Before the call: what is raised on gRPC's thread arrives as an outage of the service.
    signed = headers_of(place.credentials)
    hidden = [value.removeprefix("Bearer ") for name, value in signed.items() if name == "authorization"]
    hidden += [sent.decode("utf-8", "replace")] if sent else []
    return persist(attempt, place.attempts, changes=changes)


def damaged(what: str) -> Fault:
    """Return the fault of content whose checksum does not fit."""
    return unreachable("malformed answer", f"{what} was damaged on the way (CRC32C)")


def _fault_of(error: Any, address: str, hidden: list[str]) -> Fault:
    from google.api_core import exceptions

    code = error.code().name
    details = str(error.details() or code)
    text = sentence(details, hidden)
    vendor: Any = exceptions.from_grpc_error(error)  # type: ignore[no-untyped-call] # google-api-core has few types
    if code in _MEANINGS and "checksum" not in text:
        return Fault(_MEANINGS[code], text, hint=_enable(vendor))
    if code == "FAILED_PRECONDITION":
        return Fault(Meaning.DELETED if _DESTROYED.search(details) else Meaning.DISABLED, text)
    again = code in _PASSING
    if _NO_GRPC.search(text):
        reason, said, again = "malformed answer", f"{address} gave no answer of this service: {text}", False
    elif code == "DEADLINE_EXCEEDED":
        reason, said = "timeout", f"{address} did not answer in time"
    elif code == "RESOURCE_EXHAUSTED":
        reason, said = "throttled", f"{address} throttles: {text}"
    elif code in {"UNAVAILABLE", "CANCELLED"} and _NETWORK.search(text):
        again = _TLS.search(text) is None
        reason, said = ("connection" if again else "tls"), f"no connection to {address}: {text}"
    else:
        reason, said = "failed", f"{address} answered {code}: {text}"
    return unreachable(reason, said, again=again, wait=_wait(vendor))


def _wait(vendor: Any) -> float | None:
    """Return the seconds that the service asks to be left alone."""
    for detail in vendor.details:
        delay = getattr(detail, "retry_delay", None)
        if delay is not None:
            return float(delay.seconds) + float(delay.nanos) / 1e9
    return None


def _enable(vendor: Any) -> str:
    if getattr(vendor, "reason", None) != "SERVICE_DISABLED":
        return ""
    service = (getattr(vendor, "metadata", None) or {}).get("service", "secretmanager.googleapis.com")
    return f"Switch the API on: `gcloud services enable {service}`."
