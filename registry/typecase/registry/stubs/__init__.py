"""Typing stubs: what `Block.load("prod-db")` returns, written down for editors and type checkers."""

from typecase.registry.stubs.contents import Stubs
from typecase.registry.stubs.differences import Difference, differences
from typecase.registry.stubs.folder import StubsRefused, write_stubs
from typecase.registry.stubs.names import KnownNames, read_names

__all__ = ["Difference", "KnownNames", "Stubs", "StubsRefused", "differences", "read_names", "write_stubs"]
