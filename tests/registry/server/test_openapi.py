"""The OpenAPI document says all that the server answers, and the server answers as it says."""

import os
import subprocess
import sys

import pytest
from fakes.serving import server_of, serving
from pydantic import SecretStr

from typecase.blocks.remote import RemoteRegistry
from typecase.blocks.testing.samples import login, register_samples
from typecase.registry.data_keys import DataKeys
from typecase.registry.file_registry import FileRegistry
from typecase.registry.server.app import create_app

EXAMPLES = 100 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 5
CHECKS = "not_a_server_error,response_schema_conformance,content_type_conformance,status_code_conformance"


@pytest.fixture(scope="module")
def document():
    return create_app(server_of(None)).openapi()


def operations(document):
    return [(path, name, item) for path, methods in document["paths"].items() for name, item in methods.items()]


def test_every_operation_says_what_it_does(document):
    assert [path for path, _, item in operations(document) if not item.get("description")] == []


def test_every_operation_of_the_api_names_its_problems(document):
    found = [item for path, _, item in operations(document) if path.startswith("/api/")]
    assert found
    for item in found:
        for status in ("401", "403", "422"):
            assert "application/problem+json" in item["responses"][status]["content"], item["operationId"]


def test_every_parameter_of_a_path_is_described(document):
    undescribed = {
        (item["operationId"], parameter["name"])
        for _, _, item in operations(document)
        for parameter in item.get("parameters", ())
        if parameter["in"] == "path" and not parameter.get("description")
    }
    assert undescribed == set()


@pytest.mark.parametrize("token", ["admin", "nobody"])
def test_generated_requests_find_no_fault_and_nothing_undocumented(tmp_path, token):
    registry = FileRegistry(tmp_path / "registry.db", DataKeys(f"file://{tmp_path}/root.key"))
    registry.init(create_key_if_missing=True)
    register_samples(registry)
    registry.documents.save(login("prod-db"))
    run = [sys.executable, "-m", "schemathesis.cli", "run", "--checks", CHECKS, "--phases", "examples,coverage,fuzzing"]
    run += ["--max-examples", str(EXAMPLES), "--suppress-health-check", "all", "--no-color", "--seed", "1"]
    with serving() as server:
        server.show(registry)
        run += ["-H", f"Authorization: Bearer {token}", f"{server.url}/api/v1/openapi.json"]
        done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path)
        after = RemoteRegistry(server.url, token=SecretStr("admin"))
        assert after.workspaces.get("default").name == "default"
        after.close()
    registry.close()
    assert done.returncode == 0, done.stdout[-8000:]
