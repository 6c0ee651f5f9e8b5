"""Requests to one Vault: a bounded number of tries, a bounded time, a bounded answer."""

import random
import re
from collections.abc import Iterator
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin

from typecase.integrations.hashicorp.answers import NoAnswer
from typecase.integrations.hashicorp.places import Place, context_of

if TYPE_CHECKING:
    import ssl

    from requests import Response
    from requests.adapters import HTTPAdapter

LARGEST: Final = 8 * 1024 * 1024

_UNTOUCHED: Final = frozenset({429, 503})
_PASSING: Final = frozenset({412, 500, 502, 504})
_MOVED: Final = frozenset({307, 308})
_REPEATABLE: Final = frozenset({"GET", "LIST", "HEAD", "DELETE"})
_REPEATABLE_POST: Final = re.compile(r"/v1/(auth|sys)/")
_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 5.0
_PART: Final = 64 * 1024


class Transport:
    """What hvac takes for its `requests.Session`. hvac itself tries once, and waits as long as a server lets it."""

    cert = None
    verify = True

    def __init__(self, place: Place) -> None:
        import requests
        from requests.utils import get_environ_proxies

        self._place = place
        self.deadline = place.deadline
        self._session = requests.Session()
        # Else ~/.netrc signs in and REQUESTS_CA_BUNDLE replaces the authorities.
        self._session.trust_env = False
        self.proxies = get_environ_proxies(place.address, no_proxy=None)
        self._session.proxies = self.proxies
        adapter = _adapter(context_of(place) if place.secure else None, place.server_name)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def request(self, method: str, url: str, *, headers: dict[str, str] | None = None, **options: Any) -> "Response":
        """Send a request, again while that may help and does no harm. Raises `NoAnswer`."""
        method = method.upper()
        content = {name: options[name] for name in ("params", "json", "data") if options.get(name) is not None}
        sent = {"Accept-Encoding": "identity", **(headers or {})}
        end = monotonic() + self.deadline
        attempt = 1
        while True:
            outcome = self._try(method, url, headers=sent, content=content, end=end)
            wait = _wait(outcome, attempt)
            over = attempt >= self._place.attempts or monotonic() + wait >= end
            if over or not self._again(method, url, outcome):
                break
            sleep(wait)
            attempt += 1
        if isinstance(outcome, NoAnswer):
            raise outcome
        return outcome

    def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        self._session.close()

    def _again(self, method: str, url: str, outcome: "Response | NoAnswer") -> bool:
        if isinstance(outcome, NoAnswer):
            if outcome.reason not in {"timeout", "connection"} or not outcome.sent:
                return outcome.reason in {"timeout", "connection"}
        elif outcome.status_code in _UNTOUCHED:
            return True
        elif outcome.status_code not in _PASSING:
            return False
        return method in _REPEATABLE or self._place.repeats_posts or bool(_REPEATABLE_POST.search(url))

    def _try(
        self, method: str, url: str, *, headers: dict[str, str], content: dict[str, Any], end: float
    ) -> "Response | NoAnswer":
        response = self._once(method, url, headers=headers, content=content, end=end)
        target = "" if isinstance(response, NoAnswer) else urljoin(url, response.headers.get("Location", url))
        if isinstance(response, NoAnswer) or response.status_code not in _MOVED or target == url:
            return response
        # A standby sends its callers to the active node. The token goes along, so never from TLS to clear text.
        if url.startswith("https:") and not target.startswith("https:"):
            return NoAnswer("tls", "it redirects to an address without TLS")
        return self._once(method, target, headers=headers, content=content, end=end)

    def _once(
        self, method: str, url: str, *, headers: dict[str, str], content: dict[str, Any], end: float
    ) -> "Response | NoAnswer":
        from requests.exceptions import RequestException
        from urllib3.exceptions import HTTPError

        now = monotonic()
        limit = max(min(self._place.timeout, end - now), 0.001)
        response = None
        try:
            response = self._session.request(
                method, url, headers=headers, stream=True, allow_redirects=False, timeout=limit, **content
            )
            problem = self._read(response, until=now + limit)
        except (RequestException, HTTPError, OSError, ValueError) as error:
            problem = _told(error, limit)
        if problem is None and response is not None:
            response.raw.release_conn()
            return response
        if response is not None:
            response.close()
        return problem or NoAnswer("connection", "the connection failed")

    def _read(self, response: "Response", *, until: float) -> NoAnswer | None:
        data = bytearray()
        problem = None
        while problem is None and (part := response.raw.read1(_PART)):
            data += part
            if len(data) > LARGEST:
                problem = NoAnswer("malformed answer", f"its answer is larger than {LARGEST // 1024**2} MiB")
            elif monotonic() >= until:
                problem = NoAnswer("timeout", "its answer did not end in time")
        response._content = bytes(data)  # noqa: SLF001 - where requests keeps a body that was read
        return problem


def _wait(outcome: "Response | NoAnswer", attempt: int) -> float:
    asked = None if isinstance(outcome, NoAnswer) else outcome.headers.get("Retry-After", "").strip()
    if asked and asked.isdecimal():
        return float(asked)
    longest: float = min(_FIRST_WAIT * 2.0**attempt, _LONGEST_WAIT)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - jitter, no secret


def _told(error: Exception, limit: float) -> NoAnswer:
    """Say what failed without the request: a vendor's text may quote its URL or its headers."""
    import ssl

    from requests.exceptions import Timeout
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
    from urllib3.exceptions import TimeoutError as PoolTimeout

    links = list(_links(error))
    refused = any(isinstance(link, NewConnectionError) for link in links)
    sent = not any(isinstance(link, ConnectTimeoutError) for link in links)
    for link in links:
        if isinstance(link, ssl.SSLError):
            reason = getattr(link, "verify_message", "") or (link.reason or type(link).__name__).replace("_", " ")
            return NoAnswer("tls", f"TLS failed: {reason.lower()}", sent=False)
    if not refused and any(isinstance(link, Timeout | PoolTimeout | TimeoutError) for link in links):
        return NoAnswer("timeout", f"it did not answer within {limit:g} s", sent=sent)
    for link in reversed(links):
        if isinstance(link, OSError) and link.strerror:
            return NoAnswer("connection", link.strerror, sent=sent)
    return NoAnswer("connection", f"the connection failed ({type(links[-1]).__name__})", sent=sent)


def _links(error: BaseException) -> Iterator[BaseException]:
    pending: list[object] = [error]
    seen: set[int] = set()
    while pending:
        link = pending.pop(0)
        if isinstance(link, BaseException) and id(link) not in seen:
            seen.add(id(link))
            yield link
            pending += [getattr(link, "reason", None), link.__cause__, link.__context__, *link.args]


def _adapter(context: "ssl.SSLContext | None", server_name: str | None) -> "HTTPAdapter":
    from requests.adapters import HTTPAdapter

    class Pinned(HTTPAdapter):
        """Leaves TLS to `context`: requests would add its own authorities to those that may vouch."""

        def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
            """Nothing: the context verifies."""

        def build_connection_pool_key_attributes(
            self, request: Any, verify: Any, cert: Any = None
        ) -> tuple[dict[str, Any], dict[str, Any]]:
            """Return where to connect, without TLS options."""
            place, _ = super().build_connection_pool_key_attributes(request, verify, cert)
            return place, {}

        def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
            """Return the connections through a proxy, with the same context."""
            return super().proxy_manager_for(proxy, **options, **tls)

    tls: dict[str, Any] = {} if context is None else {"ssl_context": context}
    if context is not None and server_name:
        tls["server_hostname"] = server_name
    adapter: HTTPAdapter = Pinned()
    adapter.init_poolmanager(4, 16, **tls)
    return adapter
