"""What clients send to a server, where it is not a record as it stands."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from typecase.blocks.stored import UNSET


class Request(BaseModel):
    """The body of a request. Unknown fields are refused, input is never shown."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    def given(self, *names: str) -> dict[str, Any]:
        """Return the fields of `names`, those that were left out as `UNSET`."""
        return {name: getattr(self, name) if name in self.model_fields_set else UNSET for name in names}


class DocumentFacts(Request):
    """What is known about a document, apart from its data. What is left out stays as it is."""

    description: str = Field("", max_length=10_000)
    tags: tuple[str, ...] = Field((), max_length=100)
    owner: str = Field("", max_length=1_000)
    expires_at: datetime | None = None


class DocumentChange(DocumentFacts):
    """A change to what is known about a document."""


class DocumentCopy(DocumentFacts):
    """A whole document: `data` is JSON with secrets in clear and references as `{"$block": ...}`."""

    type_slug: str
    schema_version: int = Field(ge=1)
    former_slugs: tuple[str, ...] = ()
    overwrite: bool = False
    data: Mapping[str, Any] = Field(repr=False)


class DocumentEdit(DocumentFacts):
    """What a form sends: in `data`, what is left out stays, null clears, masks keep their secrets.

    `schema_version`: the one to write with, null = that of the document.
    """

    schema_version: int | None = Field(None, ge=1, le=2**31 - 1)
    data: Mapping[str, Any] = Field(repr=False)


class NewDocument(DocumentFacts):
    """A document to make of what a form sends. `schema_version`: null = the newest of its type."""

    name: str
    type_slug: str
    schema_version: int | None = Field(None, ge=1, le=2**31 - 1)
    data: Mapping[str, Any] = Field(repr=False)


class NewName(Request):
    """Another name for a document."""

    name: str


class Restoring(Request):
    """The revision to write again as the newest."""

    revision: int


class NewWorkspace(Request):
    """A workspace to make."""

    name: str
    parent: str | None = None
    description: str = Field("", max_length=10_000)


class WorkspaceChange(Request):
    """A change to a workspace. What is left out stays as it is."""

    parent: str | None = None
    description: str = Field("", max_length=10_000)


class RuleChange(Request):
    """A change to a compatibility rule: null inherits it again, what is left out stays as it is."""

    mode: str | None = None
    policy: str | None = None


class Rotating(Request):
    """Which workspaces get a new data key, none = all; `retire` destroys the earlier keys then."""

    workspaces: tuple[str, ...] = ()
    retire: bool = False


class Retiring(Request):
    """Which workspaces' earlier data keys are destroyed, none = all."""

    workspaces: tuple[str, ...] = ()


class ChangingRootKey(Request):
    """The root key to wrap the data keys with, null = the first of the server's settings."""

    url: str | None = None
    create: bool = False
