"""Stages of a check that need only the network: dns, tcp, tls."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from typecase.blocks.checks import Stage, Status

if TYPE_CHECKING:
    import socket
    import ssl


def probe(host: str, port: int, *, tls: "ssl.SSLContext | None" = None, timeout: float = 5.0) -> Iterator[Stage]:
    """Yield the stages on the way to `host`, in order, up to the first that fails; sends nothing but a handshake."""
    found = resolve(host, port, timeout=timeout)
    yield found
    if found.status is not Status.ERROR:
        yield from reach(host, port, tls=tls, timeout=timeout)


def resolve(host: str, port: int, *, timeout: float = 5.0) -> Stage:
    """Look the name up: the `dns` stage."""
    import socket
    from threading import Thread

    answers: list[str] = []
    problems: list[OSError | UnicodeError] = []

    def look_up() -> None:
        try:
            answers.extend(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            problems.append(error)

    # The system's resolver knows no timeout of ours.
    thread = Thread(target=look_up, name="typecase-dns", daemon=True)
    thread.start()
    thread.join(timeout)
    if answers:
        return Stage(name="dns", status=Status.READY, reason=f"{host} is {', '.join(dict.fromkeys(answers))}")
    if problems:
        reason = f"{host} has no address: {_reason(problems[0])}"
        return Stage(
            name="dns", status=Status.ERROR, reason=reason, next_step="Check the host name and this machine's DNS."
        )
    reason = f"the name server did not answer about {host} within {timeout:g} s"
    return Stage(name="dns", status=Status.UNKNOWN, reason=reason, next_step="Check this machine's DNS.")


def reach(host: str, port: int, *, tls: "ssl.SSLContext | None" = None, timeout: float = 5.0) -> Iterator[Stage]:
    """Open a connection and, with `tls`, shake hands: the `tcp` and `tls` stages."""
    import socket

    try:
        connection = socket.create_connection((host, port), timeout=timeout)
    except (OSError, UnicodeError) as error:
        reason = f"{host}:{port} does not accept connections: {_reason(error)}"
        step = "Check that the server runs there, the port, and firewalls on the way."
        yield Stage(name="tcp", status=Status.ERROR, reason=reason, next_step=step)
        return
    with connection:
        yield Stage(name="tcp", status=Status.READY, reason=f"{host}:{port} accepts connections")
        if tls is not None:
            yield _shake_hands(connection, host, tls)


def knock(path: str, *, timeout: float = 5.0) -> Stage:
    """Open a Unix socket: its `tcp` stage."""
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect("\0" + path[1:] if path.startswith("@") else path)
        except OSError as error:
            step = "Check that the server runs on this machine and where it puts its socket."
            return Stage(name="tcp", status=Status.ERROR, reason=f"{path}: {_reason(error)}", next_step=step)
    return Stage(name="tcp", status=Status.READY, reason=f"{path} accepts connections")


def _shake_hands(connection: "socket.socket", host: str, context: "ssl.SSLContext") -> Stage:
    import ssl

    try:
        with context.wrap_socket(connection, server_hostname=host) as secured:
            return Stage(name="tls", status=Status.READY, reason=f"{secured.version()}, certificate accepted")
    except ssl.SSLCertVerificationError as error:
        reason = f"the certificate of {host} is not accepted: {error.verify_message}"
        step = "Check the host name, or name the certificate authority that signed it."
    except (OSError, ValueError) as error:
        reason = f"{host} did not complete the TLS handshake: {_reason(error)}"
        step = "Check that this port speaks TLS."
    return Stage(name="tls", status=Status.ERROR, reason=reason, next_step=step)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
