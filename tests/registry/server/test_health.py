"""Whether it lives, whether it can work, and what a request is called."""

import logging
import re

import httpx
import pytest
from fakes.served import Place, listening, served

from typecase.registry.data_keys import DataKeys
from typecase.registry.server.serving import ServedFile


@pytest.fixture
def place(tmp_path):
    found = Place(tmp_path)
    yield found
    found.registry.close()


@pytest.fixture
def sealed(place):
    """The registry as a process sees it whose root key is gone."""
    place.key.rename(place.key.with_suffix(".away"))
    registry = ServedFile(place.path, DataKeys(place.key.as_uri()))
    yield registry
    registry.close()


def test_a_sealed_registry_is_served_as_not_ready(sealed):
    with listening(sealed) as server:
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        answer = httpx.get(f"{server.url}/readyz")
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:typecase:error:registry-sealed"
    assert "root key is missing or wrong" in answer.json()["detail"]


def test_it_is_ready_once_the_root_key_is_back(sealed, place):
    with listening(sealed) as server:
        assert httpx.get(f"{server.url}/readyz").status_code == 503
        place.key.with_suffix(".away").rename(place.key)
        assert httpx.get(f"{server.url}/readyz").json() == {"status": "ready"}


def test_a_sealed_registry_says_why_where_it_starts(place):
    place.key.unlink()
    with served(place.environment) as server:
        assert httpx.get(f"{server.url}/readyz").status_code == 503
        assert server.end() == 0
        assert "warning: not ready: The registry is sealed" in server.log
        assert str(place.key) in server.log


def test_readiness_tells_nobody_where_things_are(sealed, place, caplog):
    with listening(sealed) as server, caplog.at_level(logging.WARNING, "typecase.server"):
        told = httpx.get(f"{server.url}/readyz").text
    assert str(place.key.parent) not in told
    assert str(place.key) in caplog.text


def test_a_registry_whose_file_is_gone_is_not_ready(place):
    registry = ServedFile(place.path, DataKeys(place.key.as_uri()))
    with listening(registry) as server:
        assert httpx.get(f"{server.url}/readyz").status_code == 200
        for path in place.path.parent.glob("registry.db*"):
            path.unlink()
        registry.close()
        assert httpx.get(f"{server.url}/readyz").status_code == 503
    assert "CREATE TABLE" not in place.path.read_text(errors="replace")


@pytest.fixture
def server(place):
    with listening(place.registry, trusted_proxies=()) as found:
        yield found


def test_a_request_keeps_the_id_that_it_came_with(server):
    answer = httpx.get(f"{server.url}/healthz", headers={"X-Request-Id": "flow-42.step-7"})
    assert answer.headers["X-Request-Id"] == "flow-42.step-7"


@pytest.mark.parametrize("given", [None, "short", "x" * 101, "a b c d e f g", "id\u00e9\u00e9\u00e9\u00e9\u00e9"])
def test_a_request_gets_an_id_where_it_came_with_none_that_can_be_kept(server, given):
    headers = {} if given is None else {"X-Request-Id": given.encode()}
    answer = httpx.get(f"{server.url}/healthz", headers=headers)
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-Id"])


def test_a_fault_has_an_id_and_the_headers_of_every_answer(server, monkeypatch):
    monkeypatch.setattr("typecase.registry.sql.require_open", lambda *_: 1 / 0)
    answer = httpx.get(f"{server.url}/readyz", headers={"X-Request-Id": "flow-42.step-7"})
    assert (answer.status_code, answer.json()["request_id"]) == (500, "flow-42.step-7")
    assert answer.headers["X-Request-Id"] == "flow-42.step-7"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def address_told(place, headers, **settings):
    """Where the server thinks that a request came from."""
    token, _ = place.token()
    with listening(place.registry, **settings) as server:
        lines = [("Authorization", f"Bearer {token}"), *(("X-Forwarded-For", value) for value in headers)]
        answer = httpx.post(f"{server.url}/api/v1/workspaces", json={"name": "made"}, headers=lines)
        assert answer.status_code == 201
    return place.registry.audit.list(limit=1).items[0].facts["address"]


def test_a_made_up_forwarding_header_has_no_effect(place):
    assert address_told(place, ["203.0.113.9"]) == "127.0.0.1"


def test_a_trusted_proxy_says_where_a_request_comes_from(place):
    assert address_told(place, ["198.51.100.1, 203.0.113.9"], trusted_proxies="127.0.0.0/8") == "203.0.113.9"


def test_what_a_client_claims_does_not_count_beside_what_its_proxy_adds(place):
    assert address_told(place, ["198.51.100.1", "203.0.113.9"], trusted_proxies="127.0.0.0/8") == "203.0.113.9"
