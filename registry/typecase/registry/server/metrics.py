"""What Prometheus reads at `/metrics`. No label has unbounded values, and none names a workspace or a person."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hmac import compare_digest
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.pool import QueuePool

from typecase.blocks.errors import PermissionDenied, RegistrySealed, TypecaseError
from typecase.registry.access.networks import is_inside
from typecase.registry.server.asks import AsksFor
from typecase.registry.server.observing import Seen

if TYPE_CHECKING:
    from typecase.registry.server.settings import ServerSettings
    from typecase.registry.sql import SqlRegistry

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LOADS: Final = frozenset({"load_document", "load_document_by_id"})
_REFUSED: Final = {401: "sign-in", 403: "permission", 429: "rate"}
_OK: Final = 200


class Metrics:
    """The metrics of one server process."""

    def __init__(self, registry: "SqlRegistry") -> None:
        """Measure the server of `registry`."""
        self._own = own = CollectorRegistry()
        ProcessCollector(registry=own)
        own.register(_State(registry))
        labels = ("method", "route", "status")
        self._requests = Counter("typecase_requests", "Requests that were answered.", labels, registry=own)
        self._duration = Histogram(
            "typecase_request_seconds", "Time to an answer.", ("method", "route"), registry=own, buckets=_SECONDS
        )
        self._in_flight = Gauge("typecase_requests_in_flight", "Requests that are worked on.", registry=own)
        self._loads = Counter("typecase_loads", "Loads that revealed a document.", registry=own)
        self._denied = Counter("typecase_denied", "Requests that were refused.", ("reason",), registry=own)
        self._audit = Histogram(
            "typecase_audit_append_seconds", "Time to write audit events.", registry=own, buckets=_SECONDS
        )

    @contextmanager
    def request(self, seen: Seen) -> Iterator[None]:
        """Count a request."""
        self._in_flight.inc()
        try:
            yield
        finally:
            self._in_flight.dec()
            self._requests.labels(seen.method, seen.route, seen.status or "none").inc()
            self._duration.labels(seen.method, seen.route).observe(seen.seconds)
            if seen.operation in _LOADS and seen.status == _OK:
                self._loads.inc()
            if seen.status in _REFUSED:
                self._denied.labels(_REFUSED[seen.status]).inc()

    @contextmanager
    def append(self) -> Iterator[None]:
        """Time the writing of audit events."""
        started = perf_counter()
        try:
            yield
        finally:
            self._audit.observe(perf_counter() - started)

    def text(self) -> bytes:
        """Return all of them as Prometheus reads them."""
        return generate_latest(self._own)

    def router(self, settings: "ServerSettings") -> APIRouter:
        """Return the endpoint `/metrics`, for whom `settings` name."""
        router = APIRouter()

        @router.get("/metrics", include_in_schema=False)
        def metrics(_: Annotated[None, Depends(_allowed(settings))]) -> Response:
            """Return the metrics of this process."""
            return Response(self.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

        return router


class _State:
    """What is looked at when somebody asks."""

    def __init__(self, registry: "SqlRegistry") -> None:
        self._registry = registry

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the state of the registry and of its connections."""
        reason = _fault(self._registry)
        sealed = isinstance(reason, RegistrySealed)
        yield GaugeMetricFamily("typecase_ready", "1 when requests can be answered.", value=reason is None)
        yield GaugeMetricFamily("typecase_sealed", "1 while the root key opens nothing.", value=sealed)
        pool = self._registry.store.bare_engine().pool
        if isinstance(pool, QueuePool):
            found = GaugeMetricFamily("typecase_pool_connections", "Connections to the database.", labels=["state"])
            found.add_metric(["used"], pool.checkedout())
            found.add_metric(["idle"], pool.checkedin())
            yield found


def _fault(registry: "SqlRegistry") -> TypecaseError | None:
    try:
        registry.require_ready()
    except TypecaseError as error:
        return error
    return None


def _allowed(settings: "ServerSettings") -> Callable[[Request, AsksFor], None]:
    token = settings.metrics_token.get_secret_value() if settings.metrics_token is not None else None
    networks = [str(network) for network in settings.metrics_networks]

    def check(request: Request, asks: AsksFor) -> None:
        given = request.headers.get("Authorization", "").partition(" ")[2].strip()
        if token is not None and compare_digest(given.encode(), token.encode()):
            return
        # Behind a proxy that is not trusted everybody seems to come from it.
        client = request.client.host if request.client else ""
        hidden = asks.address == client and ("X-Forwarded-For" in request.headers or "Forwarded" in request.headers)
        if hidden or not is_inside(asks.address, networks):
            raise PermissionDenied(
                "Metrics are not for everybody.",
                hint="Ask from a network of TYPECASE_SERVER_METRICS_NETWORKS, or with TYPECASE_SERVER_METRICS_TOKEN.",
            )

    return check
