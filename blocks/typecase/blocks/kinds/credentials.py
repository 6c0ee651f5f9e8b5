"""The kind of blocks that sign in somewhere."""

from abc import abstractmethod
from datetime import datetime
from typing import Any, ClassVar

from typecase.blocks.block import Block
from typecase.blocks.kinds.refusals import not_supported


class Credentials(Block):
    """What signs in to a vendor's services."""

    __kind__: ClassVar[str] = "Credentials"

    @abstractmethod
    def client(self) -> Any:
        """Return the vendor SDK's own client or credentials object, signed in."""

    def session(self) -> Any:
        """Return the vendor SDK's session, from which clients of many services are made."""
        raise not_supported(self, "session", "Use `client()`.")

    def refresh(self) -> None:
        """Fetch new temporary credentials now."""
        raise not_supported(self, "refresh", "These credentials do not change; load the block again after editing it.")

    def expires_at(self) -> datetime | None:
        """Return when the credentials end, None if they do not."""
        return None
