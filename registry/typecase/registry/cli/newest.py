"""An old document as the installed class would save it today."""

import json
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from typecase.registry.cli.terminal import warn

if TYPE_CHECKING:
    from typecase.blocks import Block
    from typecase.blocks.records import SchemaVersion
    from typecase.blocks.registry import Registry
    from typecase.blocks.stored import Tree


class Newest(NamedTuple):
    """The fields of a document after its migrations: as they are shown, and as they would be stored."""

    shown: dict[str, Any]
    stored: dict[str, Any]
    ran: tuple[str, ...]


def bring_up_to_date(cls: "type[Block]", tree: "Tree", registry: "Registry", known: Mapping[str, Any]) -> Newest | None:
    """Return the document `tree` after its migrations; None where none runs, or it is not read all the same.

    `known` maps the JSON of a reference, as it is shown, to the one that is stored.
    """
    from typecase.blocks import Block
    from typecase.blocks.documents import mask_document, replace_references
    from typecase.blocks.dumping import Dump, unescape
    from typecase.blocks.errors import MigrationFailed, TypecaseError
    from typecase.blocks.schema import definition_of
    from typecase.registry.upgrading import Recording

    loading = Recording(tree, registry)
    try:
        block = loading.root(Block)
    except MigrationFailed as error:
        warn(f"warning: {error} The fields are shown as they were saved.")
        return None
    except TypecaseError:
        return None  # to be repaired by hand
    if not loading.ran:
        return None
    stored = Dump(block, lambda _: 1).document()
    masked = mask_document(stored, definition_of(cls).schema, schema_of=_schema_today)
    names = {target["id"]: json.loads(text) for text, target in known.items()}
    named = replace_references(masked, partial(_named, names))
    return Newest(unescape(named), unescape(stored), tuple(loading.ran))


def _named(names: Mapping[str, Any], _: str, target: Any) -> Any:
    return names.get(target["id"], target)


def _schema_today(slug: str, _: int | None) -> "SchemaVersion":
    from typecase.blocks.catalog import CATALOG
    from typecase.blocks.schema import definition_of

    return cast("SchemaVersion", definition_of(CATALOG.get(slug)))  # masking asks for the schema only
