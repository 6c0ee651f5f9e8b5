"""Documents as JSON: references, validation, masking, comparison. Shared by every registry."""

from typecase.blocks.documents.comparison import compare_documents
from typecase.blocks.documents.editing import editable_document
from typecase.blocks.documents.masking import mask_document
from typecase.blocks.documents.merging import merge_document
from typecase.blocks.documents.references import (
    find_inline,
    find_newer_inline,
    find_references,
    pin_inline,
    replace_references,
)
from typecase.blocks.documents.validation import validate_document

__all__ = [
    "compare_documents",
    "editable_document",
    "find_inline",
    "find_newer_inline",
    "find_references",
    "mask_document",
    "merge_document",
    "pin_inline",
    "replace_references",
    "validate_document",
]
