"""Metrics for Prometheus, traces and metrics for OpenTelemetry: what is told, to whom, and what never."""

import subprocess
import sys

import httpx
import pytest
from fakes.served import Place, listening, served
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from typecase.blocks.records import Draft
from typecase.blocks.testing.samples import LOGIN, register_samples
from typecase.registry.server.telemetry import Telemetry

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
CANARY = "canary-of-telemetry"


@pytest.fixture
def place(tmp_path):
    found = Place(tmp_path)
    register_samples(found.registry)
    found.registry.documents.save(
        Draft(
            name="orders",
            workspace="default",
            type_slug=LOGIN,
            schema_version=1,
            data={"user": "ada", "password": CANARY},
        )
    )
    yield found
    found.registry.close()


@pytest.fixture
def token(place):
    return {"Authorization": f"Bearer {place.token()[0]}"}


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def reader():
    return InMemoryMetricReader()


@pytest.fixture
def telemetry(exporter, reader):
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    found = Telemetry(tracers, MeterProvider([reader]))
    yield found
    found.close()


def load(server, token, name="orders", **more):
    url = f"{server.url}/api/v1/workspaces/default/documents/{name}/load"
    return httpx.post(url, headers=token | more, params={"revision": 1})


def test_metrics_count_what_happened(place, token):
    with listening(place.registry) as server:
        assert load(server, token).status_code == 200
        assert load(server, {}).status_code == 401
        text = httpx.get(f"{server.url}/metrics").text
    route = "/api/v1/workspaces/{workspace}/documents/{name}/load"
    for line in (
        f'typecase_requests_total{{method="POST",route="{route}",status="200"}} 1.0',
        f'typecase_request_seconds_count{{method="POST",route="{route}"}} 2.0',
        "typecase_requests_in_flight 1.0",
        "typecase_loads_total 1.0",
        'typecase_denied_total{reason="sign-in"} 1.0',
        "typecase_audit_append_seconds_count 1.0",
        "typecase_sealed 0.0",
        "typecase_ready 1.0",
        'typecase_pool_connections{state="used"} 0.0',
    ):
        assert f"{line}\n" in text


def test_metrics_say_that_a_registry_is_sealed(place):
    with listening(place.registry) as server:
        place.key.unlink()
        place.registry._keys.forget()
        text = httpx.get(f"{server.url}/metrics").text
    assert "typecase_sealed 1.0\n" in text
    assert "typecase_ready 0.0\n" in text


def test_metrics_have_no_label_that_a_client_invents(place):
    with listening(place.registry) as server:
        httpx.request("INVENTED", f"{server.url}/invented")
        httpx.get(f"{server.url}/api/v1/workspaces/invented/documents")
        text = httpx.get(f"{server.url}/metrics").text
    assert "invented" not in text.lower()
    assert 'method="other",route="none",status="404"' in text


def metrics_status(place, headers=None, **settings):
    with listening(place.registry, **settings) as server:
        return httpx.get(f"{server.url}/metrics", headers=headers).status_code


def test_metrics_are_for_the_networks_that_the_settings_name(place):
    assert metrics_status(place, metrics_networks="127.0.0.0/8") == 200
    assert metrics_status(place, metrics_networks="10.0.0.0/8") == 403


def test_a_token_opens_metrics_from_anywhere(place):
    settings = {"metrics_networks": "", "metrics_token": "t" * 16}
    assert metrics_status(place, {"Authorization": f"Bearer {'t' * 16}"}, **settings) == 200
    assert metrics_status(place, {"Authorization": f"Bearer {'u' * 16}"}, **settings) == 403
    assert metrics_status(place, **settings) == 403


def test_who_comes_through_a_proxy_is_not_taken_for_a_neighbour(place):
    assert metrics_status(place, {"X-Forwarded-For": "203.0.113.9"}) == 403
    assert metrics_status(place, {"X-Forwarded-For": "203.0.113.9"}, trusted_proxies="127.0.0.0/8") == 403
    assert metrics_status(place, {"Forwarded": "for=203.0.113.9"}) == 403


def test_a_request_is_a_span_with_the_registry_and_the_audit_in_it(place, token, telemetry, exporter):
    with listening(place.registry, telemetry) as server:
        assert load(server, token).status_code == 200
    spans = {span.name: span for span in exporter.get_finished_spans()}
    whole = spans["POST /api/v1/workspaces/{workspace}/documents/{name}/load"]
    assert whole.attributes["http.response.status_code"] == 200
    assert whole.attributes["typecase.workspace"] == "default"
    for name in ("FileRegistry.load", "audit.append"):
        assert spans[name].parent.span_id == whole.context.span_id


def test_a_span_belongs_to_the_trace_of_its_client(place, token, telemetry, exporter):
    with listening(place.registry, telemetry) as server:
        load(server, token, traceparent=f"00-{TRACE}-{PARENT}-01")
    (whole,) = [span for span in exporter.get_finished_spans() if span.name.startswith("POST")]
    assert f"{whole.context.trace_id:032x}" == TRACE
    assert f"{whole.parent.span_id:016x}" == PARENT


def test_spans_tell_nothing_of_what_was_sent(place, token, telemetry, exporter, reader):
    with listening(place.registry, telemetry) as server:
        load(server, token)
        load(server, token, name="no-such-document")
        httpx.get(f"{server.url}/api/v1/workspaces/{CANARY}/documents", params={"search": CANARY}, headers=token)
    told = "".join(span.to_json() for span in exporter.get_finished_spans()) + reader.get_metrics_data().to_json()
    assert CANARY not in told
    assert "no-such-document" not in told
    assert token["Authorization"].partition(" ")[2] not in told


def test_durations_are_measured(place, token, telemetry, reader):
    with listening(place.registry, telemetry) as server:
        load(server, token)
    told = reader.get_metrics_data().to_json()
    assert "http.server.request.duration" in told


def test_nothing_is_imported_where_nothing_is_exported(place):
    script = (
        "import sys; from typecase.registry.server import serving;"
        "assert serving.telemetry_of_environment() is None;"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_collector_that_does_not_answer_keeps_the_server_neither_from_working_nor_from_ending(place, token):
    environment = {**place.environment, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    with served(environment) as server:
        assert load(server, token).status_code == 200
        assert server.end() == 0
