"""Addresses of services that are not where AWS has them."""

from urllib.parse import urlsplit


def endpoint(url: str) -> str:
    """Return `url` if it is one of a service. Raises `ValueError`, which shows no part of it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or not url.isprintable() or " " in url:
        message = "it is not a URL of the form https://host:port"
        raise ValueError(message)
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        message = "it holds more than an address: credentials have fields of their own"
        raise ValueError(message)
    return url
