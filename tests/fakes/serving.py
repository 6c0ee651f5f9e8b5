"""A registry server of this process, for tests: a real uvicorn on a port of its own."""

import socket
from contextlib import contextmanager
from threading import Thread

import uvicorn

from typecase.blocks.errors import SignInRequired
from typecase.registry.access.callers import Caller, Grant
from typecase.registry.access.parts import Access
from typecase.registry.access.permissions import Role
from typecase.registry.audit.journal import Journal
from typecase.registry.server.app import create_app
from typecase.registry.server.settings import ServerSettings
from typecase.registry.server.state import Server

ADMIN = Caller(id="1" * 32, name="ada", kind="person", grants=(Grant(role=Role.ADMIN),))


class KnownCallers(dict):
    """Callers by token, as the identities of a registry would find them."""

    def caller_of_token(self, token, address):
        if token not in self:
            raise SignInRequired("The token is not valid.", hint="Get another one.")
        return self[token]


class KnownAccess(Access):
    """Access of a registry to known callers."""

    def __init__(self, registry, callers):
        if registry is not None:
            super().__init__(registry.store, registry.data_keys)
        self.identities = KnownCallers(callers)


class Serving:
    """A running server; `show` makes it the server of a registry."""

    def __init__(self, listener):
        self.app = create_app(server_of(None))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def show(self, registry, callers=None, **settings):
        """Serve `registry` to `callers` from now on."""
        self.app.state.server = server_of(registry, callers, **settings)


def server_of(registry, callers=None, **settings):
    """Return what the requests of a server share."""
    return Server(
        registry=registry,
        access=KnownAccess(registry, {"admin": ADMIN} if callers is None else callers),
        journal=Journal(registry.store) if registry is not None else None,
        settings=ServerSettings(**settings),
    )


@contextmanager
def serving():
    """Run a server, which has no registry yet."""
    # With the protocol named, asyncio switches Nagle's algorithm off; without, each answer takes 40 ms longer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    found = Serving(listener)
    server = uvicorn.Server(uvicorn.Config(found.app, log_config=None, lifespan="off"))
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.should_exit = server.force_exit = True
        thread.join()
        listener.close()
