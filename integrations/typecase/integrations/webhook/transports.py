"""HTTP connections of webhooks, pooled per block value and process."""

from typing import TYPE_CHECKING

from typecase.blocks.kinds.pools import Pool

if TYPE_CHECKING:
    import ssl

    from httpx import Client, HTTPTransport

    from typecase.integrations.webhook.receiver import Webhook


def _close(transport: "HTTPTransport") -> None:
    transport.close()


_TRANSPORTS: "Pool[HTTPTransport]" = Pool(close=_close)


def transport_of(block: "Webhook") -> "HTTPTransport":
    """Return the connections to the receiver. No httpx client is involved, as one logs each URL."""

    def build() -> "HTTPTransport":
        import httpx

        return httpx.HTTPTransport(verify=context_of(block), trust_env=False, proxy=_proxy(block))

    return _TRANSPORTS.get(block, build)


def client_of(block: "Webhook") -> "Client":
    """Return a client of its own for the caller."""
    import httpx

    headers = {name: value.get_secret_value() for name, value in block.headers.items()}
    return httpx.Client(headers=headers, timeout=block.timeout, verify=context_of(block))


def context_of(block: "Webhook") -> "ssl.SSLContext":
    """Return the TLS options."""
    import ssl

    if block.ca_cert is None:
        context = ssl.create_default_context()
    elif "-----BEGIN" in block.ca_cert:
        context = ssl.create_default_context(cadata=block.ca_cert)
    else:
        context = ssl.create_default_context(cafile=block.ca_cert)
    if not block.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _proxy(block: "Webhook") -> str | None:
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(block.url.get_secret_value())
    if proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")
