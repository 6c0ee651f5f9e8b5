"""The `typecase` command."""

from typecase.registry.cli.program import app, main

__all__ = ["app", "main"]
