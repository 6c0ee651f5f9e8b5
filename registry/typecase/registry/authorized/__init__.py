"""Registries as one caller has them: roles are asked, what happens is written down."""

from typecase.registry.authorized.asking import About, Asking
from typecase.registry.authorized.once import Answered, Once
from typecase.registry.authorized.registry import AuthorizedRegistry

__all__ = ["About", "Answered", "Asking", "AuthorizedRegistry", "Once"]
