"""Secrets in Vault's key/value engine, versions 1 and 2."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from pydantic import SecretBytes, SecretStr

from typecase.blocks.errors import InvalidSecretKey, NotSupported, SecretError, SecretMalformed
from typecase.blocks.kinds import SecretValue
from typecase.integrations.hashicorp.answers import NoAnswer, Refused
from typecase.integrations.hashicorp.connection import Connection

SINGLE: Final = "value"

_ABSENT: Final = 404
_BAD_REQUEST: Final = 400


@dataclass(frozen=True, slots=True)
class KeyValue:
    """One mount of the engine."""

    connection: Connection
    mount: str
    version: int

    def read(self, key: str, version: str | None) -> SecretValue:
        """Return the fields as one JSON object, or the text that `put` stored under `value`."""
        path = self._path("data", key)
        if self.version == 1:
            if version is not None:
                raise NotSupported(
                    "Version 1 of Vault's key/value engine keeps no versions.", hint="Leave version out."
                )
            return SecretValue(_text(self.connection.send("GET", path).get("data")))
        if version is not None and (not version.isdecimal() or not version.isascii() or int(version) == 0):
            raise Refused(_ABSENT, (f"there is no version {version!r}: versions are numbers from 1",))
        answer = self.connection.send("GET", path, params={} if version is None else {"version": int(version)})
        found = answer.get("data")
        if not isinstance(found, dict) or not isinstance(facts := found.get("metadata"), dict):
            raise NoAnswer("malformed answer", "its answer is not that of a key/value engine, version 2")
        content, number = _text(found.get("data")), facts.get("version")
        return SecretValue(content, version=None if number is None else str(number), expires_at=_end(facts))

    def put(self, key: str, value: SecretStr | SecretBytes, *, cas: int | None, check_and_set: bool) -> None:
        """Store `value`. `cas`: only over this version; `check_and_set`: only over the version that is there now."""
        fields = fields_of(value)
        if self.version == 1:
            if cas is not None:
                raise NotSupported("Version 1 of Vault's key/value engine has no check-and-set.", hint="Leave cas out.")
            self.connection.send("POST", self._path("data", key), json=fields)
            return
        if cas is None and check_and_set:
            cas = self._newest(key)
        options = {} if cas is None else {"options": {"cas": cas}}
        try:
            self.connection.send("POST", self._path("data", key), json={"data": fields, **options})
        except Refused as refused:
            if refused.status != _BAD_REQUEST or not refused.says("check-and-set"):
                raise
            required = refused.says("required")
        else:
            return
        if required:
            message = f"{key!r} is written with check-and-set only."
            raise SecretError(message, hint="Give put() cas=, or set the block's check_and_set.", reason="conflict")
        message = f"Somebody else changed {key!r} meanwhile; nothing was written."
        raise SecretError(message, hint="Read it again, and put it again.", reason="conflict", expected=cas)

    def delete(self, key: str) -> None:
        """Delete `key` with all versions. Vault says yes for absent keys too, so it is looked up first."""
        path = self._path("metadata", key)
        self.connection.send("GET", path)
        self.connection.send("DELETE", path)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that start with `prefix`, asking for a folder when its keys are needed."""
        folder, slash, beginning = prefix.rpartition("/")
        if folder:
            check_key(folder)
        pending = [(folder + slash, beginning)]
        while pending:
            folder, beginning = pending.pop()
            folders = []
            for name in self._names(folder):
                if not name.startswith(beginning):
                    continue
                if name.endswith("/"):
                    folders.append((folder + name, ""))
                else:
                    yield folder + name
            pending += reversed(folders)

    def _names(self, folder: str) -> list[str]:
        path = f"{self.mount}/metadata/{quote(folder)}" if self.version > 1 else f"{self.mount}/{quote(folder)}"
        try:
            answer = self.connection.send("LIST", path)
        except Refused as refused:
            if refused.status == _ABSENT and not refused.says("no handler", "versioned", "invalid path"):
                return []
            raise
        found = answer.get("data")
        names = found.get("keys") if isinstance(found, dict) else None
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            raise NoAnswer("malformed answer", "its list of keys is not one")
        return names

    def _newest(self, key: str) -> int:
        try:
            found = self.connection.send("GET", self._path("metadata", key)).get("data")
        except Refused as refused:
            if refused.status != _ABSENT:
                raise
            return 0
        number = found.get("current_version") if isinstance(found, dict) else None
        if not isinstance(number, int):
            raise NoAnswer("malformed answer", "its metadata have no current version")
        return number

    def _path(self, part: str, key: str) -> str:
        check_key(key)
        return f"{self.mount}/{part}/{quote(key)}" if self.version > 1 else f"{self.mount}/{quote(key)}"


def check_key(key: str) -> None:
    """Refuse what no path in Vault can be. Raises `InvalidSecretKey`."""
    parts = key.split("/")
    if not key.isprintable() or any(part in {"", ".", ".."} or part != part.strip() for part in parts):
        hint = "Write a path such as prod/db: printable, without empty parts, '.' or '..'."
        raise InvalidSecretKey(f"Vault has no secret {key!r}: it is no path.", hint=hint, key=key)


def fields_of(value: SecretStr | SecretBytes) -> dict[str, Any]:
    """Return what is stored: the fields of a JSON object, or any other text as `value`. Raises `SecretMalformed`."""
    content = value.get_secret_value()
    text = _decoded(content) if isinstance(content, bytes) else content
    if text is None or _encoded(text) is None:
        raise SecretMalformed(
            "Vault's key/value engine holds text, and this is binary.",
            hint="Store it as base64, and decode it yourself.",
        )
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError):
        found = None
    # An object with `value` alone would be read back as its text.
    if isinstance(found, dict) and found and not _is_single(found):
        return found
    return {SINGLE: text}


def _text(data: object) -> bytes:
    if not isinstance(data, dict):
        raise SecretMalformed("The secret has no fields.", hint="Is the block's kv_version that of the mount?")
    text = data[SINGLE] if _is_single(data) else json.dumps(data, ensure_ascii=False)
    encoded = _encoded(text)
    if encoded is None:
        raise SecretMalformed("The secret is not Unicode text.", hint="Put it into Vault again.")
    return encoded


def _is_single(data: dict[str, Any]) -> bool:
    return data.keys() == {SINGLE} and isinstance(data[SINGLE], str)


def _end(facts: dict[str, Any]) -> datetime | None:
    """Return when the version deletes itself (`delete_version_after`), which Vault gives with nanoseconds."""
    seconds = str(facts.get("deletion_time") or "").removesuffix("Z").partition(".")[0]
    try:
        return datetime.fromisoformat(seconds).replace(tzinfo=UTC)
    except ValueError:
        return None


def _decoded(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _encoded(text: str) -> bytes | None:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else _refuse("a key twice")


def _refuse(what: str) -> Any:
    raise ValueError(what)
