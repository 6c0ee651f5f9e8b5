"""The statements that a load runs, and what it makes of their rows. Imports no SQLAlchemy, for cold starts."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from typecase.blocks.stored import StoredBlock, Tree
from typecase.registry.envelope import open_sealed, revision_context

#: The newest migration in `migrations/versions`.
HEAD: Final = "0004"
VERSION_TABLE: Final = "typecase_version"
READ_VERSION: Final = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - a constant

#: How far a name is looked up through parent workspaces.
DEPTH: Final = 32

_COLUMNS: Final = """d.id, w.name, d.name, r.type_slug, r.number, r.schema_version, t.package,
       r.payload, w.id, r.key_id, d.secret"""

#: One document by workspace and name; parameters: name, revision or NULL, workspace.
ROOT_BY_NAME: Final = f"""
SELECT {_COLUMNS}
FROM workspaces w
JOIN documents d ON d.workspace_id = w.id AND d.name = ?
JOIN revisions r ON r.document_id = d.id AND r.number = coalesce(?, d.revision)
JOIN block_types t ON t.slug = r.type_slug
WHERE w.name = ?"""  # noqa: S608 - only constants are put in

#: One document by id; parameters: revision or NULL, id.
ROOT_BY_ID: Final = f"""
SELECT {_COLUMNS}
FROM documents d
JOIN workspaces w ON w.id = d.workspace_id
JOIN revisions r ON r.document_id = d.id AND r.number = coalesce(?, d.revision)
JOIN block_types t ON t.slug = r.type_slug
WHERE d.id = ?"""  # noqa: S608 - only constants are put in

#: All that a revision refers to, at any depth; parameters: document id, revision.
REFERENCED: Final = f"""
WITH RECURSIVE tree(id) AS (
  SELECT target_id FROM revision_references WHERE document_id = ? AND number = ?
  UNION
  SELECT e.target_id
  FROM tree
  JOIN documents d ON d.id = tree.id
  JOIN revision_references e ON e.document_id = d.id AND e.number = d.revision
)
SELECT {_COLUMNS}
FROM tree
JOIN documents d ON d.id = tree.id
JOIN workspaces w ON w.id = d.workspace_id
JOIN revisions r ON r.document_id = d.id AND r.number = d.revision
JOIN block_types t ON t.slug = r.type_slug"""  # noqa: S608 - only constants are put in

#: One wrapped data key; parameter: its id.
KEY: Final = "SELECT id, workspace_id, generation, root_key, wrapped FROM data_keys WHERE id = ?"

_TREE: Final = f"""
tree(id, number, is_root) AS (
  SELECT id, number, 1 FROM root
  UNION
  SELECT d.id, d.revision, 0
  FROM tree
  JOIN revision_references e ON e.document_id = tree.id AND e.number = tree.number
  JOIN documents d ON d.id = e.target_id
)
SELECT {_COLUMNS}, tree.is_root, k.id, k.workspace_id, k.generation, k.root_key, k.wrapped
FROM tree
JOIN documents d ON d.id = tree.id
JOIN workspaces w ON w.id = d.workspace_id
JOIN revisions r ON r.document_id = tree.id AND r.number = tree.number
JOIN block_types t ON t.slug = r.type_slug
JOIN data_keys k ON k.id = r.key_id"""  # noqa: S608 - only constants are put in

#: A document, found through parent workspaces, with all that it refers to; parameters: workspace, name, revision.
TREE_BY_NAME: Final = f"""
WITH RECURSIVE chain(id, parent_id, depth) AS (
  SELECT id, parent_id, 0 FROM workspaces WHERE name = :workspace
  UNION ALL
  SELECT w.id, w.parent_id, chain.depth + 1
  FROM chain
  JOIN workspaces w ON w.id = chain.parent_id
  WHERE chain.depth < {DEPTH}
),
root(id, number) AS (
  SELECT d.id, coalesce(CAST(:revision AS INTEGER), d.revision)
  FROM chain
  JOIN documents d ON d.workspace_id = chain.id AND d.name = :name
  ORDER BY chain.depth
  LIMIT 1
),{_TREE}"""  # noqa: S608 - only constants are put in

#: As `TREE_BY_NAME`; parameters: id, revision.
TREE_BY_ID: Final = f"""
WITH RECURSIVE root(id, number) AS (
  SELECT d.id, coalesce(CAST(:revision AS INTEGER), d.revision) FROM documents d WHERE d.id = :id
),{_TREE}"""  # noqa: S608 - only constants are put in

_SECRET: Final = 10
_IS_ROOT: Final = 11


class WrappedKey(NamedTuple):
    """A data key as the database keeps it. A retired one has lost what was wrapped: `wrapped` is empty."""

    id: str
    workspace_id: str
    generation: int
    root_key: str
    wrapped: bytes


def open_row(row: Sequence[Any], dek: bytes) -> StoredBlock:
    """Decrypt one row of the statements above. Raises `DecryptionFailed`."""
    document_id, workspace, name, type_slug, number, schema_version, package, payload, workspace_id = row[:9]
    context = revision_context(workspace_id, document_id, number)
    data = open_sealed(dek, payload, context=context, document_secret=row[_SECRET])
    return StoredBlock(document_id, workspace, name, type_slug, number, schema_version, package, data)


def open_tree(rows: Iterable[Sequence[Any]], open_key: Callable[[WrappedKey], bytes]) -> Tree | None:
    """Decrypt the rows of a `TREE_` statement; None when there are none."""
    root: StoredBlock | None = None
    referenced: dict[str, StoredBlock] = {}
    for row in rows:
        block = open_row(row, open_key(WrappedKey(*row[_IS_ROOT + 1 :])))
        if row[_IS_ROOT]:
            root = block
        else:
            referenced[block.document_id] = block
    return None if root is None else Tree(root, referenced)
