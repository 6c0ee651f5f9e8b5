"""The registry's tables, for SQLite and PostgreSQL."""

from typecase.registry.reading import VERSION_TABLE
from typecase.registry.tables.access import counters, grants, pending, principals, server_keys, sessions, tokens
from typecase.registry.tables.audit import audit_events, audit_head, usage
from typecase.registry.tables.columns import AnyRow, AnySelect, UtcDateTime, metadata
from typecase.registry.tables.documents import (
    ENCRYPTED_COLUMNS,
    EncryptedColumn,
    block_types,
    compatibility_rules,
    data_keys,
    document_tags,
    documents,
    key_events,
    registry,
    revision_references,
    revisions,
    schema_versions,
    workspaces,
)

__all__ = [
    "ENCRYPTED_COLUMNS",
    "VERSION_TABLE",
    "AnyRow",
    "AnySelect",
    "EncryptedColumn",
    "UtcDateTime",
    "audit_events",
    "audit_head",
    "block_types",
    "compatibility_rules",
    "counters",
    "data_keys",
    "document_tags",
    "documents",
    "grants",
    "key_events",
    "metadata",
    "pending",
    "principals",
    "registry",
    "revision_references",
    "revisions",
    "schema_versions",
    "server_keys",
    "sessions",
    "tokens",
    "usage",
    "workspaces",
]
