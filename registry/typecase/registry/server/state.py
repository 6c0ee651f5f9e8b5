"""What the requests of one server process share."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from typecase.blocks.errors import SignInRequired

if TYPE_CHECKING:
    from typecase.registry.access.callers import Caller
    from typecase.registry.access.limiting import RequestLimit
    from typecase.registry.access.parts import Access
    from typecase.registry.audit.journal import Journal
    from typecase.registry.server.settings import ServerSettings
    from typecase.registry.sql import SqlRegistry


@dataclass(frozen=True)
class Server:
    """A registry with those who may ask it."""

    registry: "SqlRegistry"
    access: "Access"
    journal: "Journal"
    settings: "ServerSettings"

    def caller(self, token: str, *, address: str, request_id: str, flow: Mapping[str, str]) -> "Caller":
        """Return who `token` belongs to. Raises `SignInRequired`, `TooManyRequests`."""
        try:
            found = self.access.identities.caller_of_token(token, address)
        except SignInRequired:
            self.limit.count(address)
            raise
        self.limit.count(found.token or found.id)
        return replace(found, request_id=request_id, flow=flow)

    @cached_property
    def limit(self) -> "RequestLimit":
        """What counts requests, by token and, where nobody signed in, by address."""
        return self.access.request_limit(self.settings.requests_per_minute)
