"""Bodies that no form sends: each is refused in words, none is a fault."""

import json

import httpx
import pytest
from fakes.serving import serving

from typecase.blocks.testing.samples import LOGIN, PIPELINE, register_samples
from typecase.registry.data_keys import DataKeys
from typecase.registry.file_registry import FileRegistry


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    registry = FileRegistry(folder / "registry.db", DataKeys(f"file://{folder}/root.key"))
    registry.init(create_key_if_missing=True)
    register_samples(registry)
    with serving() as found:
        found.show(registry)
        headers = {"Authorization": "Bearer admin", "Content-Type": "application/json"}
        with httpx.Client(base_url=f"{found.url}/api/v1/workspaces/default/documents", headers=headers) as asking:
            yield asking
    registry.close()


def whole(slug, data):
    return json.dumps({"type_slug": slug, "schema_version": 1, "data": data, "overwrite": True})


@pytest.mark.parametrize(
    "login",
    [
        {"$type": {"a": 1}},
        {"$type": 5},
        {"$type": LOGIN, "$version": 2**70},
        {"$type": LOGIN, "$version": {"a": 1}},
        {"$type": LOGIN, "$version": "1"},
        {"$type": LOGIN, "$version": True},
    ],
)
def test_a_block_inside_of_no_type_or_version_is_refused(client, login):
    answer = client.put("/flow", content=whole(PIPELINE, {"login": login}))
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("body", [b"\xff\xfe{}", b'{"data": {"user": "\\ud800"}}', b'{"data": {"\\udc00": 1}}'])
def test_what_is_no_text_is_refused(client, body):
    answer = client.put("/db", content=body)
    assert (answer.status_code, answer.json()["facts"]["problems"][0][:2]) == (422, ["/body", "encoding"])


def test_what_only_looks_like_half_a_pair_is_taken(client):
    answer = client.put("/db", content=whole(LOGIN, {"user": "C:\\ud800 and \U0001f600", "password": "x"}))
    assert answer.status_code == 200, answer.text
