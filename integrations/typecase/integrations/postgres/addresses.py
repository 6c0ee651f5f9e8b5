"""Where a PostgreSQL server is: URLs, hosts, sockets."""

from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from typecase.blocks.checks import Stage, Status
from typecase.blocks.errors import InvalidBlock
from typecase.blocks.probes import knock, reach, resolve

_FIELDS: Final = {
    "application_name": "application_name",
    "connect_timeout": "connect_timeout",
    "dbname": "database",
    "host": "host",
    "options": "options",
    "password": "password",
    "port": "port",
    "sslcert": "ssl_cert",
    "sslkey": "ssl_key",
    "sslmode": "ssl_mode",
    "sslrootcert": "ssl_root_cert",
    "user": "username",
}


def fields_of(url: str) -> dict[str, Any]:
    """Return the fields of a PostgresDatabase that `url` gives. Raises `InvalidBlock`, which shows no part of it."""
    __tracebackhide__ = True
    found = _parsed(url)
    del url
    if found is None:
        sentence = "it is not a URL of the form postgresql://user:password@host:port/database"
        raise InvalidBlock.build("PostgresDatabase", [("url", "url_parsing", sentence)])
    return found


def _parsed(url: str) -> dict[str, Any] | None:
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        return None
    if parts.scheme not in {"postgres", "postgresql", "postgresql+psycopg"} or parts.fragment:
        return None
    user_info, _, addresses = parts.netloc.rpartition("@")
    username, _, password = user_info.partition(":")
    located = _located(addresses)
    if located is None:
        return None
    given = {
        **located,
        "database": unquote(parts.path.removeprefix("/")) or unquote(username),
        "username": unquote(username),
        "password": unquote(password),
        **{_FIELDS[name]: value for name, value in query.items() if name in _FIELDS},
    }
    further = {name: value for name, value in query.items() if name not in _FIELDS}
    fields = {name: value for name, value in given.items() if value != ""}
    return {**fields, "driver_options": further} if further else fields


def _located(addresses: str) -> dict[str, Any] | None:
    """Split `host:port` pairs; None where their ports differ, for which a block has one field."""
    hosts, ports = [], set()
    for address in addresses.split(",") if addresses else ():
        host, colon, port = address.rpartition(":")
        if not colon or port.endswith("]"):
            host, port = address, ""
        hosts.append(unquote(host).strip("[]"))
        ports.add(port)
    if len(ports) > 1:
        return None
    return {"host": ",".join(hosts), "port": next(iter(ports), "")}


def probe_hosts(hosts: Sequence[str], port: int, *, timeout: float) -> Iterator[Stage]:
    """Yield one dns and one tcp stage for all `hosts`: as good as the best of them, naming those that fail."""
    sockets = [host for host in hosts if host.startswith(("/", "@"))]
    names = [host for host in hosts if host not in sockets]
    resolved = {name: resolve(name, port, timeout=timeout) for name in names}
    if resolved:
        yield _best(list(resolved.values()))
    reached = [knock(f"{folder}/.s.PGSQL.{port}", timeout=timeout) for folder in sockets]
    for name, stage in resolved.items():
        if stage.status is not Status.ERROR:
            reached += reach(name, port, timeout=timeout)
    if reached:
        yield _best(reached)


def _best(stages: list[Stage]) -> Stage:
    order = (Status.READY, Status.UNKNOWN, Status.ERROR)
    ranked = sorted(stages, key=lambda stage: order.index(stage.status))
    best = ranked[0]
    reason = "; ".join(stage.reason for stage in ranked)
    return Stage(name=best.name, status=best.status, reason=reason, next_step=best.next_step)
