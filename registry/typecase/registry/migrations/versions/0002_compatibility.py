"""Compatibility rules, and which schema versions were forced."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table of rules; no version so far was forced."""
    op.create_table(
        "compatibility_rules",
        sa.Column("scope", NAME, nullable=False),
        sa.Column("mode", sa.Text),
        sa.Column("policy", sa.Text),
        sa.PrimaryKeyConstraint("scope", name="pk_compatibility_rules"),
    )
    op.add_column("schema_versions", sa.Column("forced", sa.Boolean, nullable=False, server_default=sa.false()))
