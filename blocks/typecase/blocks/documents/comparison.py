"""The difference between two revisions, field by field, without secret values."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from typecase.blocks.documents.masking import Node, Schema, SchemaOf, mask_value
from typecase.blocks.records import Change
from typecase.blocks.secrets.reference import is_reference

_ABSENT = object()


def compare_documents(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    schema_before: Schema,
    schema_after: Schema,
    schema_of: SchemaOf,
    newest: Iterable[Schema] = (),
) -> tuple[Change, ...]:
    """Return the changes from `before` to `after` by dotted path; of a secret only that it changed.

    A secret is what either schema says is one, or one of `newest`.
    """
    more = [(schema, schema) for schema in newest]
    nodes = [Node([(schema, schema), *more], schema_of) for schema in (schema_before, schema_after)]
    return tuple(_compare("", before, after, nodes))


def _compare(path: str, before: Any, after: Any, nodes: list[Node]) -> Iterator[Change]:
    if _same(before, after):
        return
    secret = any(node.secret for node in nodes)
    if not secret and not is_reference(before) and not is_reference(after):
        sides = [(before, nodes[0].entered(before)), (after, nodes[1].entered(after))]
        for kind in (Mapping, list):
            if isinstance(before, kind) and isinstance(after, kind):
                yield from _inside(path, sides)
                return
    values = [_shown(value, node, secret=secret) for value, node in zip((before, after), nodes, strict=True)]
    action = "added" if before is _ABSENT else "removed" if after is _ABSENT else "changed"
    yield Change(path=path, action=action, secret=secret, before=values[0], after=values[1])


def _shown(value: Any, node: Node, *, secret: bool) -> Any:
    """Return one side of a change: a reference, which is no secret, or the value if it is none."""
    if value is _ABSENT or (secret and not is_reference(value)):
        return None
    return mask_value(value, node)


def _inside(path: str, sides: list[tuple[Any, Node]]) -> Iterator[Change]:
    tables = [value if isinstance(value, Mapping) else dict(enumerate(value)) for value, _ in sides]
    for key in sorted({*tables[0], *tables[1]}, key=str):
        step = str(key)
        yield from _compare(
            f"{path}.{step}" if path else step,
            tables[0].get(key, _ABSENT),
            tables[1].get(key, _ABSENT),
            [node.below(step) for _, node in sides],
        )


def _same(before: Any, after: Any) -> bool:
    # Python calls 1 and True equal, also inside lists and dicts.
    if before is _ABSENT or after is _ABSENT:
        return before is after
    return json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
