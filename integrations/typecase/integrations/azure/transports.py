"""HTTP connections of Azure clients: bounded answers, certificate authorities, proxies."""

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from typecase.blocks.kinds.private_files import private_file
from typecase.blocks.kinds.refusals import needs
from typecase.integrations.azure.failures import AnswerTooLarge

if TYPE_CHECKING:
    import ssl

    from azure.core.pipeline.transport import RequestsTransport

_LARGEST: Final = 2 * 1024 * 1024
_CHUNK: Final = 64 * 1024


def transport_of(*, timeout: float, ca_certificates: str | None) -> "RequestsTransport":
    """Return connections of their own, which read a whole answer within `timeout` seconds and no huge one."""
    with needs("azure"):
        import requests
        from azure.core.pipeline.transport import RequestsTransport
    session = requests.Session()
    session.hooks["response"].append(partial(_read_whole, within=timeout))
    return RequestsTransport(session=session, **connection_options(timeout, ca_certificates))


def connection_options(timeout: float, ca_certificates: str | None) -> dict[str, Any]:
    """Return the options that azure-core takes for connections."""
    verify = True if ca_certificates is None else ca_file(ca_certificates)
    return {"connection_timeout": timeout, "read_timeout": timeout, "connection_verify": verify}


def ca_file(certificates: str) -> str:
    """Return the path of `certificates`, PEM text or a path already."""
    return private_file(certificates) if "-----BEGIN" in certificates else certificates


def context_of(ca_certificates: str | None) -> "ssl.SSLContext":
    """Return the TLS options for a probe."""
    import ssl

    return ssl.create_default_context(cafile=None if ca_certificates is None else ca_file(ca_certificates))


def proxied(url: str) -> bool:
    """Say whether requests to `url` go through a proxy of this environment."""
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    return bool(proxies.get("https") or proxies.get("all")) and not proxy_bypass(urlsplit(url).netloc)


def _read_whole(response: Any, *, within: float, **_: object) -> None:
    """Read the body here: a timeout between two bytes alone would let a dripping answer go on for ever."""
    import requests
    from urllib3.exceptions import HTTPError, ReadTimeoutError

    ends = monotonic() + within
    body = bytearray()
    try:
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            body += chunk
            _check(len(body), ends)
    except ReadTimeoutError as error:
        response.close()
        raise requests.exceptions.ReadTimeout(str(error)) from None
    except HTTPError as error:
        response.close()
        raise requests.exceptions.ConnectionError(error) from None
    except BaseException:
        response.close()
        raise
    response._content = bytes(body)  # noqa: SLF001 - the one place where requests keeps a body that is already read
    response._content_consumed = True  # noqa: SLF001 - as above


def _check(size: int, ends: float) -> None:
    from requests.exceptions import ReadTimeout

    if size > _LARGEST:
        raise AnswerTooLarge(f"The answer is larger than {_LARGEST} bytes")
    if monotonic() > ends:
        raise ReadTimeout("The answer did not end in time")
