"""A registry in this process's memory: for tests, notebooks and trying things out."""

from typecase.blocks.memory.registry import MemoryRegistry

__all__ = ["MemoryRegistry"]
