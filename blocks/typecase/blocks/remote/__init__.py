"""Registries behind a server: `TYPECASE_URL=https://...`."""

from typecase.blocks.remote.registry import RemoteRegistry

__all__ = ["RemoteRegistry"]
