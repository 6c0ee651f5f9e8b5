"""gRPC connections to Google's services, one per place and process."""

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from typecase.blocks.kinds.pools import Pool
from typecase.blocks.kinds.refusals import needs
from typecase.integrations.gcp.faults import Fault, unreadable
from typecase.integrations.gcp.tokens import headers_of

if TYPE_CHECKING:
    import ssl

    from grpc import Channel  # type: ignore[import-untyped] # it ships no types

    from typecase.integrations.gcp.credentials import GcpCredentials

_TLS_PORT: Final = 443
_LARGEST: Final = 4 * 1024 * 1024
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _LARGEST),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5000),
    # Retries are ours: counted, and of what may be repeated.
    ("grpc.enable_retries", 0),
)


class Place(NamedTuple):
    """A service: where it is, who vouches for it, who signs in, and how long to wait."""

    credentials: "GcpCredentials"
    address: str
    authorities: str | None
    timeout: float
    attempts: int

    @property
    def host(self) -> str:
        """The host of the address."""
        return urlsplit(f"//{self.address}").hostname or ""

    @property
    def port(self) -> int:
        """The port of the address."""
        return urlsplit(f"//{self.address}").port or _TLS_PORT


def address_of(text: str) -> str:
    """Return `text` if it is `host` or `host:port`. Raises `ValueError`."""
    try:
        parts = urlsplit(f"//{text}")
        fits = bool(parts.hostname) and parts.port != 0 and parts.netloc == text and "@" not in text
    except ValueError:
        fits = False
    if not fits or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("it is not an address of the form host or host:port")
    return text


def channel_of(place: Place) -> "Channel":
    """Return the connection to `place`; each call on it is signed."""
    return _CHANNELS.get(place, lambda: _opened(place))


def context_of(authorities: str | None) -> "ssl.SSLContext":
    """Return the TLS options for `authorities`: PEM text, a path, or None for the public ones."""
    import ssl

    if authorities is None:
        return ssl.create_default_context()
    if "-----BEGIN" in authorities:
        return ssl.create_default_context(cadata=authorities)
    return ssl.create_default_context(cafile=authorities)


def _opened(place: Place) -> "Channel":
    with needs("gcp"):
        import grpc

    class Signature(grpc.AuthMetadataPlugin):  # type: ignore[misc] # its base has no types
        """Signs each call, on a thread of gRPC's."""

        def __call__(self, _: Any, callback: Any) -> None:
            try:
                signed = tuple((name.lower(), value) for name, value in headers_of(place.credentials).items())
            except Fault as fault:
                error: Exception = ConnectionError(fault.text)
            except Exception as problem:  # noqa: BLE001 - the call waits for this callback
                error = ConnectionError(type(problem).__name__)
            else:
                callback(signed, None)
                return
            callback((), error)

    authorities = _pem(place.authorities)
    credentials = grpc.composite_channel_credentials(
        grpc.ssl_channel_credentials(root_certificates=authorities), grpc.metadata_call_credentials(Signature())
    )
    host = f"[{place.host}]" if ":" in place.host else place.host
    return grpc.secure_channel(f"{host}:{place.port}", credentials, options=_OPTIONS)


def _pem(authorities: str | None) -> bytes | None:
    if authorities is None or "-----BEGIN" in authorities:
        return None if authorities is None else authorities.encode()
    from pathlib import Path

    try:
        return Path(authorities).read_bytes()
    except OSError:
        fault = unreadable()
    raise fault


def _close(channel: "Channel") -> None:
    channel.close()


_CHANNELS: "Final[Pool[Channel]]" = Pool(close=_close)
