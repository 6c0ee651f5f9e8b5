"""References between documents in memory."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from typecase.blocks import refusals
from typecase.blocks.documents import find_references
from typecase.blocks.memory.state import State
from typecase.blocks.records import Dependent
from typecase.blocks.secrets.referring import MARK


def resolve_reference(state: State, path: str, target: Any, workspace: str) -> Mapping[str, Any]:
    """Return `target`, as written in a document of `workspace`, as an id. Raises `ReferenceNotFound`."""
    if isinstance(target, Mapping) and "id" in target:
        if target["id"] not in state.documents:
            raise refusals.reference_not_found(path, str(target["id"]))
        return {"id": target["id"]}
    wanted = target if isinstance(target, Mapping) else {"name": target}
    slug, _, name = str(wanted.get("name", "")).rpartition("/")
    chain = state.chain(str(wanted.get("workspace", workspace)))
    for place in chain:
        found = state.own(name, place.id)
        if found is not None and slug in ("", found.type_slug):
            return {"id": found.id}
    inside = {place.id for place in chain}
    names = [item.name for item in state.documents.values() if item.workspace_id in inside]
    raise refusals.reference_not_found(path, str(wanted.get("name", "")), names)


def show_reference(state: State, target: Any, workspace: str) -> Any:
    """Return the target of a stored reference as people write it in `workspace`."""
    document = state.documents.get(target["id"])
    if document is None:
        return dict(target)
    chain = state.chain(workspace)
    first = next((found for place in chain if (found := state.own(document.name, place.id))), None)
    if first is document:
        return document.name
    return {"workspace": state.workspace_by_id(document.workspace_id).name, "name": document.name}


def refuse_cycle(state: State, document_id: str, name: str, data: Mapping[str, Any]) -> None:
    """Raise `ReferenceCycle` if following the references in `data` leads back to the document itself."""
    pending: list[tuple[str, tuple[str, ...]]] = [(target["id"], (name,)) for _, target in find_references(data)]
    met: set[str] = set()
    while pending:
        target_id, way = pending.pop()
        if target_id == document_id:
            raise refusals.reference_cycle([*way, name])
        target = state.documents.get(target_id)
        if target is not None and target_id not in met:
            met.add(target_id)
            below = references_of(target.revisions[-1].text)
            pending.extend((further, (*way, target.name)) for further in below)


def find_dependents(state: State, document_id: str) -> Iterator[Dependent]:
    """Yield the documents whose current revision refers to this one."""
    for item in sorted(state.documents.values(), key=lambda item: item.name):
        for path, target in find_references(json.loads(item.revisions[-1].text)):
            if target["id"] == document_id:
                yield Dependent(
                    document_id=item.id,
                    workspace=state.workspace_by_id(item.workspace_id).name,
                    name=item.name,
                    type_slug=item.type_slug,
                    path=path,
                )


def references_of(text: bytes) -> list[str]:
    """Return the ids of the documents that a stored revision refers to."""
    refers = b'"$block"' in text or MARK in text
    return [target["id"] for _, target in find_references(json.loads(text))] if refers else []
