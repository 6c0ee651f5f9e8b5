"""Block types, schema versions, workspaces, documents and what encrypts them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from typecase.registry.envelope import revision_context
from typecase.registry.tables.columns import Id, Name, UtcDateTime, metadata

registry = Table(
    "registry",
    metadata,
    Column("id", Id, primary_key=True),
    Column("created_at", UtcDateTime, nullable=False),
)

workspaces = Table(
    "workspaces",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Name, nullable=False, unique=True),
    Column("parent_id", Id, ForeignKey("workspaces.id"), index=True),
    Column("description", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

block_types = Table(
    "block_types",
    metadata,
    Column("slug", Name, primary_key=True),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("icon", Text, nullable=False),
    Column("docs", Text, nullable=False),
    Column("kinds", JSON, nullable=False),
    Column("package", Text, nullable=False),
    Column("form", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

schema_versions = Table(
    "schema_versions",
    metadata,
    Column("type_slug", Name, ForeignKey("block_types.slug"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False),
    Column("schema", JSON, nullable=False),
    Column("secret_paths", JSON, nullable=False),
    Column("kinds", JSON, nullable=False),
    Column("package", Text, nullable=False),
    Column("package_version", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("forced", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("type_slug", "digest"),
)

# `scope` is a slug, or empty for all types without a rule of their own; NULL = inherited.
compatibility_rules = Table(
    "compatibility_rules",
    metadata,
    Column("scope", Name, primary_key=True),
    Column("mode", Text),
    Column("policy", Text),
)

# `secret` is half of what opens the document's revisions, and goes with the row. NULL: all of them are of before it.
documents = Table(
    "documents",
    metadata,
    Column("id", Id, primary_key=True),
    Column("workspace_id", Id, ForeignKey("workspaces.id"), nullable=False),
    Column("name", Name, nullable=False),
    Column("type_slug", Name, ForeignKey("block_types.slug"), nullable=False, index=True),
    Column("revision", Integer, nullable=False),
    Column("description", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("secret", LargeBinary),
    UniqueConstraint("workspace_id", "name"),
)

document_tags = Table(
    "document_tags",
    metadata,
    Column("document_id", Id, ForeignKey("documents.id"), primary_key=True),
    Column("tag", Name, primary_key=True),
    Index(None, "tag", "document_id"),
)

# `settled_at`: nothing of the workspace is on an earlier key. `retired_at`: `wrapped` is empty, the key is gone.
data_keys = Table(
    "data_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("workspace_id", Id, ForeignKey("workspaces.id"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("root_key", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("retired_at", UtcDateTime),
    Column("settled_at", UtcDateTime),
    UniqueConstraint("workspace_id", "generation"),
)

# Rows are only ever added. A workspace stands by name: it may be gone.
key_events = Table(
    "key_events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("facts", JSON, nullable=False),
)

revisions = Table(
    "revisions",
    metadata,
    Column("document_id", Id, ForeignKey("documents.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("type_slug", Name, nullable=False),
    Column("schema_version", Integer, nullable=False),
    Column("key_id", Id, ForeignKey("data_keys.id"), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("author", Text, nullable=False),
    Column("restored_from", Integer),
    Column("created_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["type_slug", "schema_version"], ["schema_versions.type_slug", "schema_versions.number"]),
    # Rotation goes on where a batch ended, without looking at what it has moved already, and without jumping about in
    # the file: an index of SQLite ends in the row's place, one of PostgreSQL in what the index itself says.
    Index(None, "key_id", info={"only": "sqlite"}).ddl_if(dialect="sqlite"),
    Index(None, "key_id", "document_id", "number", info={"only": "postgresql"}).ddl_if(dialect="postgresql"),
)

# A target has no foreign key: deleting by force leaves references that lead nowhere, and they must show.
revision_references = Table(
    "revision_references",
    metadata,
    Column("document_id", Id, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("path", Text, primary_key=True),
    Column("target_id", Id, nullable=False, index=True),
    ForeignKeyConstraint(["document_id", "number"], ["revisions.document_id", "revisions.number"]),
)


class EncryptedColumn(NamedTuple):
    """A column of ciphertexts, and how one of them is found and opened.

    `document_id` and `number` are the table's primary key; the document gives workspace and secret. `context` makes
    the ciphertext's context of workspace, document and number.
    """

    table: Table
    payload: Column[Any]
    key_id: Column[Any]
    document_id: Column[Any]
    number: Column[Any]
    context: Callable[[str, str, int], tuple[bytes, ...]]


#: Every column that holds ciphertext. Rotation and retirement go through this list.
ENCRYPTED_COLUMNS: tuple[EncryptedColumn, ...] = (
    EncryptedColumn(
        table=revisions,
        payload=revisions.c.payload,
        key_id=revisions.c.key_id,
        document_id=revisions.c.document_id,
        number=revisions.c.number,
        context=revision_context,
    ),
)
