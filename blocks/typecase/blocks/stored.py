"""What crosses between blocks and a registry on the load path. Apart from `records` for the sake of cold starts."""

from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple


class Unset(Enum):
    """The type of `UNSET`: an argument that was not given, where None has a meaning of its own."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


class Origin(NamedTuple):
    """Where a block was loaded from or saved to. `registry` is a URL without a password, empty in a pickle."""

    document_id: str
    workspace: str
    name: str
    revision: int
    registry: str = ""


class StoredBlock(NamedTuple):
    """One decrypted revision as the load path reads it. `data` is JSON text in UTF-8, secrets in clear."""

    document_id: str
    workspace: str
    name: str
    type_slug: str
    revision: int
    schema_version: int
    package: str
    data: bytes

    def __repr__(self) -> str:
        """Leave `data` out: it holds secrets."""
        return f"StoredBlock({self.workspace}/{self.name}, type={self.type_slug}, revision={self.revision})"


class Tree(NamedTuple):
    """A document together with every document that it refers to, by document id."""

    root: StoredBlock
    referenced: Mapping[str, StoredBlock]
