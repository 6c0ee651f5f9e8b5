"""Loaded documents as they travel: the one place where secrets cross the network."""

import json
from typing import Any

from typecase.blocks.errors import RegistryUnreachable
from typecase.blocks.stored import StoredBlock, Tree

_NAMES = ("document_id", "workspace", "name", "type_slug", "revision", "schema_version", "package")


def write_tree(tree: Tree) -> bytes:
    """Return `tree` as JSON; the documents' own JSON is put in as it is."""
    referenced = b", ".join(
        b"%s: %s" % (json.dumps(key).encode(), _write(item)) for key, item in tree.referenced.items()
    )
    return b'{"root": %s, "referenced": {%s}}' % (_write(tree.root), referenced)


def read_tree(content: bytes) -> Tree:
    """Return the tree that `content` is. Raises `RegistryUnreachable` where it is none, without showing it."""
    try:
        found = json.loads(content)
        return Tree(_read(found["root"]), {key: _read(item) for key, item in found["referenced"].items()})
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    message = "The registry's answer is not a document."
    raise RegistryUnreachable(message, hint="Check that TYPECASE_URL leads to a Typecase server of this release.")


def _write(block: StoredBlock) -> bytes:
    facts = json.dumps({name: getattr(block, name) for name in _NAMES}).encode()
    return b'%s, "data": %s}' % (facts[:-1], block.data)


def _read(found: dict[str, Any]) -> StoredBlock:
    return StoredBlock(**{name: found[name] for name in _NAMES}, data=json.dumps(found["data"]).encode())
