"""The stages of a check: the way to a service, and what it answers."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from typecase.blocks.checks import Check, Stage, Status
from typecase.blocks.errors import TypecaseError
from typecase.blocks.probes import probe
from typecase.blocks.redaction import secret_values
from typecase.integrations.aws.faults import Meaning, fault_of
from typecase.integrations.aws.trust import verification
from typecase.integrations.aws.wire import quiet

if TYPE_CHECKING:
    import ssl

    from typecase.integrations.aws.credentials import AwsCredentials

_NEXT: "dict[Meaning, str]" = {
    Meaning.SIGN_IN: "Check the keys, the profile, or the role and whom it trusts; the clock matters too.",
    Meaning.NO_REGION: "Give the block a region, or set AWS_REGION.",
    Meaning.UNREACHABLE: "Try again; if it stays so, check network, proxy and endpoint.",
}


def check_of(
    client_of: Callable[[], Any],
    ask: Callable[[Any], Iterator[Stage]],
    *,
    credentials: "AwsCredentials",
    timeout: float,
) -> Check:
    """Make a client, go to its service, and `ask` it there. Raises nothing."""
    stages: list[Stage] = []
    try:
        client = client_of()
        stages += _way(client.meta.endpoint_url, credentials, timeout)
        if not any(stage.status is Status.ERROR for stage in stages):
            with quiet():
                stages += ask(client)
    except TypecaseError as error:
        stages.append(Stage(name="auth", status=Status.ERROR, reason=error.message, next_step=error.hint))
    except Exception as error:  # noqa: BLE001 - a check raises nothing
        stages.append(refused(error, credentials))
    return Check(stages=tuple(stages))


def refused(error: Exception, credentials: "AwsCredentials") -> Stage:
    """Return the auth stage of a call that failed."""
    fault = fault_of(error, secret_values(credentials))
    passing = fault.meaning is Meaning.UNREACHABLE
    status = Status.UNKNOWN if passing else Status.ERROR
    reason = f"{fault.text} ({fault.reason})" if passing else fault.text
    return Stage(name="auth", status=status, reason=reason, next_step=_NEXT.get(fault.meaning, "Read the reason."))


def _way(url: str, credentials: "AwsCredentials", timeout: float) -> Iterator[Stage]:
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme in getproxies() and not proxy_bypass(host):
        return  # the way leads through a proxy, which alone can say how far it comes
    secure = parts.scheme == "https"
    yield from probe(
        host, parts.port or (443 if secure else 80), tls=_context(credentials) if secure else None, timeout=timeout
    )


def _context(credentials: "AwsCredentials") -> "ssl.SSLContext":
    import os
    import ssl

    from botocore.httpsession import get_cert_path

    chosen = verification(credentials)
    if chosen is False:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    found = chosen or os.environ.get("AWS_CA_BUNDLE") or get_cert_path(verify=True)
    return ssl.create_default_context(cafile=str(found))
