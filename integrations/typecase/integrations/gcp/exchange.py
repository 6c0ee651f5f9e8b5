"""HTTP requests for google-auth: short, few, small, and never redirected."""

import json
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from typecase.integrations.gcp.faults import Fault, persist, sentence, unreachable, unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import requests

_LARGEST: Final = 256 * 1024
_FAILED: Final = frozenset({408, 429, 500, 502, 503, 504})
_ANSWERS: Final = frozenset({200, 400, 401, 403})
_OK: Final = 200
_THROTTLED: Final = 429


class Answer(NamedTuple):
    """What google-auth expects of a response."""

    status: int
    headers: "Mapping[str, str]"
    data: bytes


class Exchange:
    """Sends google-auth's requests. Raises `Fault`, which passes through the retries that google-auth has of its own.

    `lenient` is for finding out where this process runs, where no answer is an answer: google-auth's errors then.
    """

    def __init__(self, *, timeout: float, attempts: int, verify: bool | str, lenient: bool = False) -> None:
        """Open no connection yet."""
        import requests

        self._timeout = timeout
        self._attempts = attempts
        self._lenient = lenient
        self.session = requests.Session()
        # With each request: the session's own gives way to REQUESTS_CA_BUNDLE.
        self._verify = None if verify is True else verify
        # Without it, requests would add what ~/.netrc says about the host.
        self.session.auth = _unchanged

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: "Mapping[str, str] | None" = None,
        timeout: float | None = None,
        **_: Any,
    ) -> Answer:
        """Send a request; `timeout` counts where it is shorter than the block's."""
        limit = self._timeout if timeout is None else min(timeout, self._timeout)

        def attempt() -> Answer:
            return self._once(url, method=method, body=body, headers=headers, limit=limit)

        if not self._lenient:
            return persist(attempt, self._attempts)  # type: ignore[no-any-return] # it returns what `attempt` does
        try:
            return attempt()
        except Fault as fault:
            text = fault.text
        from google.auth import exceptions

        raise exceptions.TransportError(text)  # type: ignore[no-untyped-call] # google-auth has few types

    def close(self) -> None:
        """Close what is open."""
        self.session.close()

    def _once(
        self, url: str, *, method: str, body: bytes | str | None, headers: "Mapping[str, str] | None", limit: float
    ) -> Answer:
        import requests

        fault: Fault | None = None
        try:
            response = self.session.request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=limit,
                verify=self._verify,
                stream=True,
                allow_redirects=False,
            )
            with response:
                answer = Answer(response.status_code, response.headers, _body(response, monotonic() + limit))
        except Fault as problem:
            fault = problem.with_traceback(None)
        except requests.exceptions.RequestException as error:
            fault = _unsent(error, _host(url))
        except Exception as error:  # noqa: BLE001 - urllib3's own errors come from reading the body
            fault = unreachable("connection", f"{_host(url)} broke off its answer: {type(error).__name__}")
            if type(error) is OSError and "CA certificate bundle" in str(error):
                fault = unreadable()
        else:
            fault = _unfit(answer, method, _host(url))
            if fault is None:
                return answer
        raise fault


def _body(response: "requests.Response", end: float) -> bytes:
    data = b""
    # Whatever is there: a server that sends a byte now and then would otherwise be waited for without end.
    while part := response.raw.read1(65536, decode_content=True):
        data += part
        if len(data) > _LARGEST:
            raise unreachable("malformed answer", "the answer is larger than any token", again=False)
        if monotonic() > end:
            raise unreachable("timeout", "the answer did not end in time")
    expected = response.headers.get("Content-Length", "")
    if expected.isdecimal() and "Content-Encoding" not in response.headers and len(data) < int(expected):
        raise unreachable("connection", "the answer broke off")
    return data


def _unfit(answer: Answer, method: str, host: str) -> Fault | None:
    if answer.status in _FAILED:
        wait = answer.headers.get("Retry-After", "").strip()
        reason = "throttled" if answer.status == _THROTTLED else "failed"
        return unreachable(reason, f"{host} answered {answer.status}", wait=float(wait) if wait.isdecimal() else None)
    if method != "POST":
        return None
    if answer.status not in _ANSWERS:
        return unreachable("failed", f"{host} answered {answer.status}", again=False)
    if answer.status == _OK and not _is_object(answer.data):
        return unreachable("malformed answer", f"{host} did not answer with a JSON object", again=False)
    return None


def _unsent(error: "requests.exceptions.RequestException", host: str) -> Fault:
    import requests

    if isinstance(error, requests.exceptions.SSLError):
        return unreachable("tls", f"no TLS with {host}: {sentence(_cause(error))}", again=False)
    if isinstance(error, requests.exceptions.Timeout):
        return unreachable("timeout", f"{host} did not answer in time")
    if isinstance(error, requests.exceptions.ConnectionError):
        return unreachable("connection", f"no connection to {host}: {sentence(_cause(error))}")
    return unreachable("failed", f"{host}: {type(error).__name__}", again=False)


def _cause(error: BaseException) -> str:
    """Return the innermost words: those around them repeat the address, the URL and the objects' addresses."""
    inner: Any = error
    while causes := [part for part in (getattr(inner, "reason", None), *inner.args) if isinstance(part, BaseException)]:
        inner = causes[0]
    return str(getattr(inner, "strerror", None) or inner).rpartition(": ")[2] or type(inner).__name__


def _is_object(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict)
    except ValueError:
        return False


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(url).netloc.rpartition("@")[2]


def _unchanged(request: Any) -> Any:
    return request
