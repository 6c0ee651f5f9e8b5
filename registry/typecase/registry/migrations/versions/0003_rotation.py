"""Rotation of data keys, a secret for each document, and what was done to keys."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ID = sa.String(32)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Nothing was rotated so far, and no document has a secret: it gets one with its next revision or rotation."""
    op.add_column("documents", sa.Column("secret", sa.LargeBinary))
    op.add_column("data_keys", sa.Column("settled_at", TIME))
    op.execute("UPDATE data_keys SET settled_at = created_at")
    if op.get_context().dialect.name == "postgresql":
        op.drop_index("ix_revisions_key_id", "revisions")
        op.create_index("ix_revisions_key_id_document_id_number", "revisions", ["key_id", "document_id", "number"])
    op.create_table(
        "key_events",
        sa.Column("id", ID, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_key_events"),
    )
    op.create_index("ix_key_events_at", "key_events", ["at"])
