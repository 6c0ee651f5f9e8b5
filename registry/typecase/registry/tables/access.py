"""Who may do what: principals, their roles, and what they sign in with. No secret stands here, only what proves one."""

from sqlalchemy import (
    JSON,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from typecase.registry.tables.columns import Id, Name, UtcDateTime, metadata

# The server's own key, wrapped by the root key like a data key: it makes the proofs below.
server_keys = Table(
    "server_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("root_key", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

# `kind` is `person` or `service`. A person signs in by `password` (argon2id) or as `subject` of an OIDC `issuer`.
principals = Table(
    "principals",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Name, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("password", Text),
    Column("issuer", Text),
    Column("subject", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("disabled_at", UtcDateTime),
    Column("last_seen_at", UtcDateTime),
    UniqueConstraint("issuer", "subject"),
)

# Without a workspace the role holds in all of them and for the server. `document_id` or `tag` narrow it further.
grants = Table(
    "grants",
    metadata,
    Column("id", Id, primary_key=True),
    Column("principal_id", Id, ForeignKey("principals.id"), nullable=False, index=True),
    Column("role", Text, nullable=False),
    Column("workspace_id", Id, ForeignKey("workspaces.id"), index=True),
    Column("document_id", Id, index=True),
    Column("tag", Name),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", Text, nullable=False),
)

# `proof` is a keyed hash. `permissions` and `workspaces` narrow what the principal may do; NULL does not.
tokens = Table(
    "tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("principal_id", Id, ForeignKey("principals.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("start", Text, nullable=False),
    Column("proof", LargeBinary, nullable=False, unique=True),
    Column("permissions", JSON),
    Column("workspaces", JSON),
    Column("networks", JSON),
    Column("uses_left", Integer),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Column("last_used_from", Text, nullable=False),
)

# A browser that somebody signed in with. `id` is a keyed hash of what its cookie holds.
sessions = Table(
    "sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("principal_id", Id, ForeignKey("principals.id"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("address", Text, nullable=False),
)

# Links that set a password, sign-ins under way, requests that were answered. `facts` hold no secret.
pending = Table(
    "pending",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("content", LargeBinary),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Index(None, "purpose", "expires_at"),
)

# How often something happened in a window of time: what limits of rates and sign-ins count.
counters = Table(
    "counters",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)
