"""`typecase serve`."""

import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from typecase.registry.cli.session import Session
from typecase.registry.cli.terminal import warn

if TYPE_CHECKING:
    from typecase.registry.server.settings import ServerSettings
    from typecase.registry.sql import SqlRegistry


def serve(
    session: Session,
    host: Annotated[str | None, typer.Option("--host", metavar="ADDRESS", help="By default 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", metavar="N", help="By default 8420; 0 takes a free one.")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", metavar="FILE", help="Certificate, and those that vouch for it.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="Key of the certificate.")] = None,
) -> None:
    """Serve the registry over HTTP, in one process. Its tables must be current; a sealed one is served as not ready."""
    from typecase.registry.access.parts import server_packages
    from typecase.registry.cli.addresses import masked_url, registry_url

    with server_packages():
        from typecase.registry.server import logs, serving
    from typecase.registry.server.settings import read_server_settings

    told = session.settings
    settings = read_server_settings(host=host, port=port, tls_cert=tls_cert, tls_key=tls_key)
    registry = serving.open_served(registry_url(told), key=told.key, settings=settings)
    telemetry = serving.telemetry_of_environment()
    running = serving.prepare(registry, settings, telemetry)
    listener = serving.listen(settings)
    _warn_of_state(registry)
    _warn_of_clear_text(settings)
    address = serving.address_of(listener, settings)
    shown = masked_url(registry.url)
    session.out.done(f"Serving {shown} at {address}", url=address, registry=shown)
    sys.stdout.flush()
    logs.configure(settings.log_level, settings.log_format)
    serving.run(running, listener, telemetry)


def _warn_of_state(registry: "SqlRegistry") -> None:
    from typecase.blocks.errors import TypecaseError
    from typecase.registry.access.authority import has_admin

    try:
        registry.require_ready()
    except TypecaseError as error:
        warn(f"warning: not ready: {error}")
    if not registry.store.read(has_admin):
        warn("There is no admin yet. On this machine: typecase access first-admin")


def _warn_of_clear_text(settings: "ServerSettings") -> None:
    if settings.tls_cert is None and not _is_loopback(settings.host) and not settings.public_url.startswith("https:"):
        warn(
            "warning: tokens and secrets travel in clear. Give --tls-cert and --tls-key; or, behind a proxy that ends"
            " TLS, set TYPECASE_SERVER_PUBLIC_URL to its https:// address."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
