"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.String(32)
TIME = sa.DateTime(timezone=True)
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create every table."""
    create_types()
    create_workspaces()
    create_documents()


def create_types() -> None:
    """Create the registry's own row, block types and schema versions."""
    op.create_table(
        "registry",
        sa.Column("id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_registry"),
    )
    op.create_table(
        "block_types",
        sa.Column("slug", NAME, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("icon", sa.Text, nullable=False),
        sa.Column("docs", sa.Text, nullable=False),
        sa.Column("kinds", sa.JSON, nullable=False),
        sa.Column("package", sa.Text, nullable=False),
        sa.Column("form", sa.JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("slug", name="pk_block_types"),
    )
    op.create_table(
        "schema_versions",
        sa.Column("type_slug", NAME, nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("schema", sa.JSON, nullable=False),
        sa.Column("secret_paths", sa.JSON, nullable=False),
        sa.Column("kinds", sa.JSON, nullable=False),
        sa.Column("package", sa.Text, nullable=False),
        sa.Column("package_version", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("type_slug", "number", name="pk_schema_versions"),
        sa.UniqueConstraint("type_slug", "digest", name="uq_schema_versions_type_slug_digest"),
        sa.ForeignKeyConstraint(["type_slug"], ["block_types.slug"], name="fk_schema_versions_type_slug"),
    )


def create_workspaces() -> None:
    """Create workspaces and their data keys."""
    op.create_table(
        "workspaces",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("parent_id", ID),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workspaces"),
        sa.UniqueConstraint("name", name="uq_workspaces_name"),
        sa.ForeignKeyConstraint(["parent_id"], ["workspaces.id"], name="fk_workspaces_parent_id"),
    )
    op.create_index("ix_workspaces_parent_id", "workspaces", ["parent_id"])
    op.create_table(
        "data_keys",
        sa.Column("id", ID, nullable=False),
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("root_key", sa.Text, nullable=False),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("retired_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_data_keys"),
        sa.UniqueConstraint("workspace_id", "generation", name="uq_data_keys_workspace_id_generation"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_data_keys_workspace_id"),
    )


def create_documents() -> None:
    """Create documents, tags, revisions and reference edges."""
    op.create_table(
        "documents",
        sa.Column("id", ID, nullable=False),
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("type_slug", NAME, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_documents"),
        sa.UniqueConstraint("workspace_id", "name", name="uq_documents_workspace_id_name"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_documents_workspace_id"),
        sa.ForeignKeyConstraint(["type_slug"], ["block_types.slug"], name="fk_documents_type_slug"),
    )
    op.create_index("ix_documents_type_slug", "documents", ["type_slug"])
    op.create_table(
        "document_tags",
        sa.Column("document_id", ID, nullable=False),
        sa.Column("tag", NAME, nullable=False),
        sa.PrimaryKeyConstraint("document_id", "tag", name="pk_document_tags"),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name="fk_document_tags_document_id"),
    )
    op.create_index("ix_document_tags_tag_document_id", "document_tags", ["tag", "document_id"])
    op.create_table(
        "revisions",
        sa.Column("document_id", ID, nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("type_slug", NAME, nullable=False),
        sa.Column("schema_version", sa.Integer, nullable=False),
        sa.Column("key_id", ID, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("restored_from", sa.Integer),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("document_id", "number", name="pk_revisions"),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name="fk_revisions_document_id"),
        sa.ForeignKeyConstraint(["key_id"], ["data_keys.id"], name="fk_revisions_key_id"),
        sa.ForeignKeyConstraint(
            ["type_slug", "schema_version"],
            ["schema_versions.type_slug", "schema_versions.number"],
            name="fk_revisions_type_slug_schema_version",
        ),
    )
    op.create_index("ix_revisions_key_id", "revisions", ["key_id"])
    op.create_table(
        "revision_references",
        sa.Column("document_id", ID, nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("target_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("document_id", "number", "path", name="pk_revision_references"),
        sa.ForeignKeyConstraint(
            ["document_id", "number"],
            ["revisions.document_id", "revisions.number"],
            name="fk_revision_references_document_id_number",
        ),
    )
    op.create_index("ix_revision_references_target_id", "revision_references", ["target_id"])
