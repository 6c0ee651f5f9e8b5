"""What happened, in a chain of hashes, and who uses what."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from typecase.registry.tables.columns import Id, UtcDateTime, metadata

# Rows are only ever added. Names stand as they were then: what they name may be gone. `facts` is JSON, byte by byte
# what the hash covers.
audit_events = Table(
    "audit_events",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("principal", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("document_id", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Index(None, "document_id", "number"),
    Index(None, "principal", "number"),
)

# One row: where the chain ends.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

# One row for each document, principal and flow.
usage = Table(
    "usage",
    metadata,
    Column("document_id", Id, primary_key=True),
    Column("principal", Text, primary_key=True),
    Column("flow", Text, primary_key=True),
    Column("run", Text, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("count", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
)
