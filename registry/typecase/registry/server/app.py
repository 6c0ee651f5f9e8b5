"""The web application: a registry under `/api/v1`, and what tells whether it lives."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI

from typecase.registry.server import health, problems
from typecase.registry.server.middleware import Gate
from typecase.registry.server.observing import API, Observed, Observer
from typecase.registry.server.openapi import describe
from typecase.registry.server.routes import api

if TYPE_CHECKING:
    from typecase.registry.server.state import Server


def create_app(server: "Server", *, observers: "Sequence[Observer]" = ()) -> FastAPI:
    """Return the application for `server`, watched by `observers`."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = server.settings.threads
        yield
        server.registry.close()

    app = FastAPI(
        title="Typecase",
        version="1",
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        # FastAPI's own would tell query strings and the words of exceptions.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.server = server
    app.include_router(health.router)
    app.include_router(api())
    problems.install(app)
    describe(app)
    app.add_middleware(Gate, settings=server.settings)
    if observers:
        app.add_middleware(Observed, observers=observers)
    return app


__all__ = ["API", "create_app"]
