"""How often one may ask: counted by token, and by address where nobody signed in."""

import httpx
import pytest
from fakes.serving import ADMIN, serving

from typecase.registry.data_keys import DataKeys
from typecase.registry.file_registry import FileRegistry


@pytest.fixture
def server(tmp_path):
    registry = FileRegistry(tmp_path / "registry.db", DataKeys(f"file://{tmp_path}/root.key"))
    registry.init(create_key_if_missing=True)
    with serving() as found, httpx.Client(base_url=f"{found.url}/api/v1") as client:
        found.show(registry, {"admin": ADMIN}, requests_per_minute=20)
        yield registry, client
    registry.close()


def statuses(client, token, number):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return [client.get("/workspaces", headers=headers).status_code for _ in range(number)]


def test_a_token_that_asks_too_often_is_told_when_to_come_back(server):
    _, client = server
    assert statuses(client, "admin", 21) == [200] * 20 + [429]
    answer = client.get("/workspaces", headers={"Authorization": "Bearer admin"})
    assert 0 < int(answer.headers["Retry-After"]) <= 60


@pytest.mark.parametrize("token", ["", "made-up"])
def test_an_address_that_guesses_is_stopped_and_fills_no_log(server, token):
    registry, client = server
    found = statuses(client, token, 25)
    assert found[:20] == [401] * 20
    assert found[20:] == [429] * 5
    assert registry.audit.list().items == ()


def test_who_guesses_does_not_stop_those_with_a_token_at_the_same_address(server):
    _, client = server
    statuses(client, "made-up", 25)
    assert statuses(client, "admin", 1) == [200]
