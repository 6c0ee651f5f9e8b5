"""Opening registries by URL, and the one that a process uses by default."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from os import environ
from threading import Lock
from typing import Final

from typecase.blocks.errors import SettingsError
from typecase.blocks.plugins import declared
from typecase.blocks.registry import Registry

GROUP: Final = "typecase.registries"

_chosen: ContextVar[Registry | None] = ContextVar("typecase_registry", default=None)
_open: dict[str, Registry] = {}
_lock: Final = Lock()


def open_registry(url: str) -> Registry:
    """Return the registry behind `url`, found by its scheme in the entry-point group `typecase.registries`.

    No I/O happens before the first call. Raises `SettingsError` for an unknown scheme.
    """
    scheme = url.partition(":")[0].partition("+")[0]
    points = {point.name: point for point in declared(GROUP)}
    if scheme not in points:
        known = ", ".join(sorted(points))
        message = f"No installed package serves registries with the URL scheme {scheme!r}."
        raise SettingsError(message, hint=f"Set TYPECASE_URL to one of: {known}.", scheme=scheme)
    return points[scheme].load().from_url(url)  # type: ignore[no-any-return] # entry points are untyped


def current_registry() -> Registry:
    """Return the registry that blocks use here: the one of `use_registry`, else that of the settings.

    One per process and URL; the default is the embedded registry of this user.
    """
    chosen = _chosen.get()
    if chosen is not None:
        return chosen
    from typecase.blocks.settings import HOME, current_settings, default_paths

    secret_url = current_settings().url
    # Without a URL, what tells two places apart is the variable that moves them.
    key = f"~{environ.get(HOME, '')}" if secret_url is None else secret_url.get_secret_value()
    registry = _open.get(key)
    if registry is None:
        with _lock:
            registry = _open.get(key)
            if registry is None:
                url = f"sqlite:///{default_paths().database}" if secret_url is None else key
                registry = _open[key] = open_registry(url)
    return registry


def close_registries() -> None:
    """Close and forget the registries that `current_registry` opened; the next call opens anew."""
    with _lock:
        opened = list(_open.values())
        _open.clear()
    for registry in opened:
        registry.close()


def current_workspace() -> str:
    """Return the workspace of the settings."""
    from typecase.blocks.settings import current_settings

    return current_settings().workspace


@contextmanager
def use_registry(registry: Registry) -> Iterator[Registry]:
    """Make `registry` the current one inside the `with` block, in this thread or task."""
    token = _chosen.set(registry)
    try:
        yield registry
    finally:
        _chosen.reset(token)
