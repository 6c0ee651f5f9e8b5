"""What crosses between blocks and a registry when documents are written, listed and compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from typecase.blocks.stored import UNSET, Unset

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeDefinition:
    """A block type as its class declares it; what a registry stores when it first sees the type.

    `schema` is canonical JSON Schema; `digest` is the SHA-256 (hex) over schema, secret paths and kinds.
    `form` is the full JSON Schema with titles, help and examples; it travels with the type, not with the version.
    Documents of schema versions up to `migrates_through` are brought along by the class's migrations.
    """

    slug: str
    title: str
    description: str
    icon: str
    docs: str
    kinds: tuple[str, ...]
    package: str
    package_version: str
    schema: Mapping[str, Any]
    form: Mapping[str, Any]
    secret_paths: tuple[str, ...]
    digest: str
    migrates_through: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaVersion:
    """One numbered, immutable schema of a block type.

    `forced`: it was registered against its type's rule; later versions are compared from here on.
    """

    type_slug: str
    number: int
    digest: str
    schema: Mapping[str, Any]
    secret_paths: tuple[str, ...]
    kinds: tuple[str, ...]
    package: str
    package_version: str
    created_at: datetime
    forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeRecord:
    """A block type as a registry knows it. `version` is its newest schema version."""

    slug: str
    title: str
    description: str
    icon: str
    docs: str
    kinds: tuple[str, ...]
    package: str
    version: int
    form: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """An isolated set of documents. Names that it lacks are looked up in `parent`."""

    id: str
    name: str
    parent: str | None
    description: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A document about to be written.

    `data` is JSON with secrets in clear and references as `{"$block": ...}`. `UNSET` keeps what the document has.
    `expected_revision`: None = no expectation, 0 = must not exist, n = must be at revision n.
    A document of a type in `former_slugs` becomes one of `type_slug`; any other keeps its type.
    """

    name: str
    workspace: str
    type_slug: str
    schema_version: int
    data: Mapping[str, Any]
    overwrite: bool = False
    expected_revision: int | None = None
    description: str | Unset = UNSET
    tags: tuple[str, ...] | Unset = UNSET
    owner: str | Unset = UNSET
    expires_at: datetime | Unset | None = UNSET
    author: str = ""
    former_slugs: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Leave `data` out: it holds secrets."""
        return f"Draft({self.workspace}/{self.name}, type={self.type_slug})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A saved block as people see it: each secret in `data` is `{"$secret": {"set": true, "source": "literal"}}`."""

    id: str
    workspace: str
    name: str
    type_slug: str
    kinds: tuple[str, ...]
    revision: int
    schema_version: int
    description: str
    tags: tuple[str, ...]
    owner: str
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One immutable, numbered state of a document."""

    document_id: str
    workspace: str
    name: str
    number: int
    type_slug: str
    schema_version: int
    author: str
    restored_from: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A difference between two revisions. For a secret both values are None: only that it changed is known."""

    path: str
    action: str
    secret: bool
    before: Any = None
    after: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """A document whose current revision refers to another one, at `path`."""

    document_id: str
    workspace: str
    name: str
    type_slug: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFilter:
    """Which documents a list shows. Empty fields do not restrict. `expired_at`: only those expired at this time."""

    type_slug: str | None = None
    kind: str | None = None
    tag: str | None = None
    owner: str | None = None
    search: str | None = None
    expired_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A slice of a list. `cursor` continues it; None at the end."""

    items: tuple[T, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKey:
    """A wrapped data key of a workspace. No key material.

    `settled_at`: since then nothing of the workspace is on an earlier key; None while a rotation to it is unfinished.
    `retired_at`: since then the key is destroyed. `revisions` counts what is encrypted under it.
    """

    id: str
    workspace: str
    generation: int
    root_key: str
    created_at: datetime
    settled_at: datetime | None = None
    retired_at: datetime | None = None
    revisions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStatus:
    """What encrypts this registry. `sealed` = a data key does not open; `reason` says what is wrong with a root key.

    `root_key` is the first of the settings, empty when it cannot be had.
    """

    sealed: bool
    reason: str
    root_key: str
    data_keys: tuple[DataKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """The rotation of one workspace's data key: planned, or done.

    `revisions` are those to encrypt again, or encrypted again by this run. `unfinished`: an earlier run was stopped,
    and this one goes on with its key. `retired` are the generations that were, or could be, retired.
    """

    workspace: str
    from_generation: int
    to_generation: int
    revisions: int
    unfinished: bool
    retired: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrapping:
    """The change to another root key: how many data keys are, or would be, wrapped anew, and how many were already."""

    root_key: str
    url: str
    rewrapped: int
    already: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEvent:
    """What was done to keys: by whom, when, where (empty = the whole registry), with counts and key ids in `facts`."""

    at: datetime
    actor: str
    action: str
    workspace: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSummary:
    """What a backup holds: rows by table, and the root keys without which nothing in it opens."""

    tables: str
    created_at: datetime
    rows: Mapping[str, int]
    root_keys: tuple[str, ...]
