"""Block types behind a server."""

from typing import TYPE_CHECKING
from urllib.parse import quote

from typecase.blocks.compatibility import Mode, Policy
from typecase.blocks.records import Page, SchemaVersion, TypeDefinition, TypeRecord
from typecase.blocks.registry import Types
from typecase.blocks.remote.requests import RuleChange
from typecase.blocks.remote.wire import encode
from typecase.blocks.stored import UNSET, Unset
from typecase.blocks.verdicts import CompatibilityRule, Verdict

if TYPE_CHECKING:
    from typecase.blocks.remote.client import Client


class RemoteTypes(Types):
    """The block types of a registry behind a server."""

    def __init__(self, client: "Client") -> None:
        """Speak to the server through `client`."""
        self._client = client

    def register(self, definition: TypeDefinition, *, force: bool = False) -> SchemaVersion:
        """See `Types.register`."""
        content = encode(definition, TypeDefinition)
        return self._client.get(SchemaVersion, "POST", "/types", query={"force": force or None}, content=content)

    def check(self, definition: TypeDefinition) -> Verdict:
        """See `Types.check`."""
        return self._client.get(Verdict, "POST", "/types/check", content=encode(definition, TypeDefinition))

    def list(self, *, search: str = "", cursor: str | None = None, limit: int = 100) -> Page[TypeRecord]:
        """See `Types.list`."""
        query = {"search": search or None, "cursor": cursor, "limit": limit}
        return self._client.get(Page[TypeRecord], "GET", "/types", query=query)

    def get(self, slug: str) -> TypeRecord:
        """See `Types.get`."""
        return self._client.get(TypeRecord, "GET", _path(slug))

    def version(self, slug: str, number: int) -> SchemaVersion:
        """See `Types.version`."""
        return self._client.get(SchemaVersion, "GET", _path(slug, f"/versions/{number}"))

    def versions(self, slug: str) -> tuple[SchemaVersion, ...]:
        """See `Types.versions`."""
        return self._client.get(tuple[SchemaVersion, ...], "GET", _path(slug, "/versions"))

    def compatibility(self, slug: str | None = None) -> CompatibilityRule:
        """See `Types.compatibility`."""
        return self._client.get(CompatibilityRule, "GET", _rule_path(slug))

    def set_compatibility(
        self,
        mode: Mode | str | Unset | None = UNSET,
        policy: Policy | str | Unset | None = UNSET,
        *,
        slug: str | None = None,
    ) -> CompatibilityRule:
        """See `Types.set_compatibility`."""
        given = {name: value for name, value in (("mode", mode), ("policy", policy)) if value is not UNSET}
        content = encode(RuleChange(**given))
        return self._client.get(CompatibilityRule, "PATCH", _rule_path(slug), content=content)


def _path(slug: str, more: str = "") -> str:
    return f"/types/{quote(slug, safe='')}{more}"


def _rule_path(slug: str | None) -> str:
    return "/compatibility" if slug is None else _path(slug, "/compatibility")
