"""A server for the benchmark of remote loads: `python served.py FOLDER`. Prints its port and a token."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import uvicorn
from fastapi import Response

from typecase.blocks.records import Draft
from typecase.blocks.remote.trees import write_tree
from typecase.blocks.testing.samples import LOGIN, register_samples
from typecase.registry.access.authority import operator
from typecase.registry.access.parts import Access
from typecase.registry.access.permissions import Role
from typecase.registry.audit.journal import Journal
from typecase.registry.data_keys import DataKeys
from typecase.registry.file_registry import FileRegistry
from typecase.registry.server.app import create_app
from typecase.registry.server.settings import ServerSettings
from typecase.registry.server.state import Server


def main(folder: Path) -> None:
    """Serve one document, and its bytes without anything around them."""
    registry = FileRegistry(folder / "registry.db", DataKeys((folder / "root.key").as_uri()))
    registry.init(create_key_if_missing=True)
    register_samples(registry)
    data = {"user": "ada", "password": "x" * 50}
    registry.documents.save(
        Draft(name="db", workspace="default", type_slug=LOGIN, schema_version=1, data=data, author="bench")
    )
    access, setup = Access(registry.store, registry.data_keys), operator("bench")
    access.principals.create(setup, "flow", kind="service")
    access.grants.add(setup, "flow", Role.RUNNER)
    token = access.tokens.create(setup, "flow", "bench").text
    app = create_app(Server(registry, access, Journal(registry.store), ServerSettings(requests_per_minute=10**9)))
    content = write_tree(registry.load("db", workspace="default"))

    def bare() -> Response:
        return Response(content, media_type="application/json")

    app.add_api_route("/bare", bare)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    print(listener.getsockname()[1], token, flush=True)
    uvicorn.Server(uvicorn.Config(app, log_config=None)).run(sockets=[listener])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
