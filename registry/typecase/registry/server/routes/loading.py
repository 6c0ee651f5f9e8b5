"""Loading: the only endpoints that show secrets. An event is written before each answer."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel

from typecase.blocks.remote.trees import write_tree
from typecase.registry.server.asks import AsksFor
from typecase.registry.server.problems import described
from typecase.registry.server.routes.conditions import DocumentName, Number, WorkspaceName

router = APIRouter(tags=["loading"])


class LoadedDocument(BaseModel):
    """One decrypted revision, secrets in clear."""

    document_id: str
    workspace: str
    name: str
    type_slug: str
    revision: int
    schema_version: int
    package: str
    data: dict[str, Any]


class LoadedTree(BaseModel):
    """A document with every document that it refers to, by id."""

    root: LoadedDocument
    referenced: dict[str, LoadedDocument]


@router.post("/workspaces/{workspace}/documents/{name}/load", response_model=LoadedTree, responses=described(404))
def load_document(asks: AsksFor, workspace: WorkspaceName, name: DocumentName, revision: Number = None) -> Response:
    """Return a document, secrets in clear, and all that it refers to. Falls back to parent workspaces."""
    tree = asks.registry.load(name, workspace=workspace, revision=revision)
    return Response(write_tree(tree), media_type="application/json")


@router.post("/documents/{document_id}/load", response_model=LoadedTree, responses=described(404))
def load_document_by_id(
    asks: AsksFor,
    document_id: Annotated[str, Path(description="Id of the document.", max_length=100)],
    revision: Number = None,
) -> Response:
    """Return a document by its id, secrets in clear, and all that it refers to: what a pickled block carries."""
    tree = asks.registry.load_id(document_id, revision=revision)
    return Response(write_tree(tree), media_type="application/json")
