"""References from fields to secrets in stores: written, placed, resolved, cached."""

from typecase.blocks.secrets.placeholders import Referenced, ReferencedStr, Unresolved
from typecase.blocks.secrets.reference import SecretReference, secret

__all__ = ["Referenced", "ReferencedStr", "SecretReference", "Unresolved", "secret"]
