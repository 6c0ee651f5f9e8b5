"""The way to a host of Azure: dns, tcp, tls."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from typecase.blocks.checks import Stage, Status
from typecase.blocks.probes import probe
from typecase.integrations.azure.transports import context_of, proxied


def way_to(url: str, *, ca_certificates: str | None, timeout: float) -> Iterator[Stage]:
    """Yield the stages up to the first that fails; none where a proxy of this environment goes the way."""
    if proxied(url):
        return
    parts = urlsplit(url)
    try:
        context = context_of(ca_certificates)
    except OSError as error:
        reason = f"`ca_certificates` cannot be used: {error.strerror or error}"
        step = "Put PEM text or the path of a PEM file into `ca_certificates`."
        yield Stage(name="tls", status=Status.ERROR, reason=reason, next_step=step)
        return
    yield from probe(parts.hostname or "", parts.port or 443, tls=context, timeout=timeout)
