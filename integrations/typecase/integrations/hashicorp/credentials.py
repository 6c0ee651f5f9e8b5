"""Credentials of Vault's database engine: made for this process, or rotated by Vault."""

import json
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from pydantic import SecretBytes

from typecase.blocks.errors import InvalidSecretKey, NotSupported
from typecase.blocks.kinds import SecretValue
from typecase.integrations.hashicorp.answers import NoAnswer
from typecase.integrations.hashicorp.connection import Connection
from typecase.integrations.hashicorp.lease import Lease
from typecase.integrations.hashicorp.leases import LEASES

_DYNAMIC: Final = "creds"
_STATIC: Final = "static-creds"
_HINT: Final = "Write {mount}/creds/ROLE or {mount}/static-creds/ROLE."


def is_credential(key: str, mount: str | None) -> bool:
    """Whether `key` is below the database engine's mount."""
    return mount is not None and (key == mount or key.startswith(f"{mount}/"))


def read_credential(connection: Connection, mount: str, key: str, version: str | None) -> SecretValue:
    """Return user name and password as JSON, with their end. Raises `InvalidSecretKey`, `NotSupported`."""
    if version is not None:
        raise NotSupported("A database credential has no versions.", hint="Leave version out.")
    engine, _, role = key.removeprefix(f"{mount}/").partition("/")
    if engine not in {_DYNAMIC, _STATIC} or not role.isprintable() or "/" in role or role.strip(". ") == "":
        raise InvalidSecretKey(f"{key!r} is no database credential.", hint=_HINT.format(mount=mount), key=key)
    path = f"{mount}/{engine}/{quote(role, safe='')}"
    if engine == _STATIC:
        return _static(connection.send("GET", path))
    return LEASES.issue(connection, path, lambda: _lease(connection, path))


def _static(answer: dict[str, Any]) -> SecretValue:
    data = _fields(answer)
    ttl = data.get("ttl")
    end = datetime.fromtimestamp(LEASES.clock() + ttl, UTC) if isinstance(ttl, int | float) else None
    return SecretValue(
        _content({name: data[name] for name in ("username", "password") if name in data}), expires_at=end
    )


def _lease(connection: Connection, path: str) -> Lease:
    asked = LEASES.clock()  # before the request: an end that comes a little early does no harm
    answer = connection.send("GET", path)
    data, name, ttl = _fields(answer), answer.get("lease_id"), answer.get("lease_duration")
    if not isinstance(name, str) or not name or not isinstance(ttl, int | float) or ttl <= 0:
        raise NoAnswer("malformed answer", "its answer holds no lease")
    return Lease(
        connection=connection,
        path=path,
        id=name,
        content=SecretBytes(_content(data)),
        ttl=float(ttl),
        due=asked + ttl * 2 / 3,
        end=asked + ttl,
        renewable=answer.get("renewable") is True,
    )


def _fields(answer: dict[str, Any]) -> dict[str, Any]:
    data = answer.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("username"), str):
        raise NoAnswer("malformed answer", "its answer holds no credential")
    return data


def _content(data: dict[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=True).encode("ascii")
