"""The endpoints under `/api/v1`, one module per noun."""

from fastapi import APIRouter

from typecase.registry.server.asks import SECURITY
from typecase.registry.server.routes import (
    audit,
    documents,
    editing,
    keys,
    loading,
    principals,
    sign_in,
    types,
    workspaces,
)

ROUTERS = (
    sign_in.router,
    workspaces.router,
    types.router,
    documents.router,
    editing.router,
    loading.router,
    audit.router,
    keys.router,
    principals.router,
)


def api() -> APIRouter:
    """Return all of them."""
    router = APIRouter(prefix="/api/v1", dependencies=SECURITY)
    for item in ROUTERS:
        router.include_router(item)
    return router


__all__ = ["api"]
