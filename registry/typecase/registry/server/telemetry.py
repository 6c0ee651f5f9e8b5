"""Traces and metrics for OpenTelemetry. Nothing here is imported unless OTEL_EXPORTER_OTLP_ENDPOINT is set."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, Self

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from typecase.blocks.errors import TypecaseError
from typecase.registry.server.observing import Seen

if TYPE_CHECKING:
    from typecase.registry.sql import SqlRegistry

_SCOPE: Final = "typecase"
_PARTS: Final = frozenset({"documents", "keys", "sql_documents", "sql_types", "types", "workspaces"})
_FAILED: Final = 500
_FLUSH_SECONDS: Final = 3


class Telemetry:
    """Spans and measurements of one server process. It sets no provider of the whole process."""

    def __init__(self, tracers: TracerProvider, meters: MeterProvider) -> None:
        """Give spans to `tracers` and measurements to `meters`."""
        self._providers = (tracers, meters)
        self._tracer = tracers.get_tracer(_SCOPE)
        meter = meters.get_meter(_SCOPE)
        self._duration = meter.create_histogram(
            "http.server.request.duration", unit="s", description="Duration of HTTP server requests."
        )
        self._active = meter.create_up_down_counter("http.server.active_requests", unit="{request}")

    @classmethod
    def from_environment(cls) -> Self:
        """Export by OTLP over HTTP, as the variables `OTEL_*` say."""
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come first.
        resource = Resource({"service.name": _SCOPE}).merge(Resource.create())
        tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        return cls(tracers, MeterProvider([reader], resource=resource, shutdown_on_exit=False))

    @contextmanager
    def request(self, seen: Seen) -> Iterator[None]:
        """Trace a request, as part of the trace that its client is in."""
        carrier = {"traceparent": seen.traceparent, "tracestate": seen.tracestate}
        parent = TraceContextTextMapPropagator().extract(carrier)
        method = {"http.request.method": seen.method}
        self._active.add(1, method)
        with self._tracer.start_as_current_span(
            seen.method, parent, SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            finally:
                span.update_name(f"{seen.method} {seen.route}")
                facts: dict[str, str | int] = {
                    **method,
                    "http.route": seen.route,
                    "http.response.status_code": seen.status,
                }
                span.set_attributes({**facts, "typecase.request_id": seen.request_id})
                if seen.workspace:
                    span.set_attribute("typecase.workspace", seen.workspace)
                if not seen.status or seen.status >= _FAILED:
                    span.set_status(StatusCode.ERROR)
                self._active.add(-1, method)
                self._duration.record(seen.seconds, facts)

    @contextmanager
    def append(self) -> Iterator[None]:
        """Trace the writing of audit events."""
        with _span(self._tracer, "audit.append"):
            yield

    def traced(self, registry: "SqlRegistry") -> "SqlRegistry":
        """Return `registry` with a span around each call."""
        stand_in: Any = _Traced(registry, self._tracer)
        return stand_in  # type: ignore[no-any-return] # it has all that the registry has

    def close(self) -> None:
        """Export what is left. A collector that does not answer holds the end up for a moment only."""
        last = Thread(target=self._shut_down, daemon=True)
        last.start()
        last.join(_FLUSH_SECONDS)

    def _shut_down(self) -> None:
        for provider in self._providers:
            provider.shutdown()


class _Traced:
    """Something whose methods are traced, with its parts."""

    def __init__(self, inner: Any, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name in _PARTS:
            found = _Traced(found, self._tracer)
        elif inspect.ismethod(found):
            found = _traced(found, f"{type(self._inner).__name__}.{name}", self._tracer)
        setattr(self, name, found)
        return found


def _traced(method: Callable[..., Any], name: str, tracer: Tracer) -> Callable[..., Any]:
    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        with _span(tracer, name):
            return method(*args, **kwargs)

    return call


@contextmanager
def _span(tracer: Tracer, name: str) -> Iterator[None]:
    # Of an error only its class: its words may quote what was sent.
    with tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False) as span:
        try:
            yield
        except Exception as error:
            span.set_attribute("error.type", type(error).__name__)
            if not isinstance(error, TypecaseError):
                span.set_status(StatusCode.ERROR)
            raise
