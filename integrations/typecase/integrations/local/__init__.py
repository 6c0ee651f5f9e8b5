"""Folders of this machine as object stores."""

from typecase.integrations.local.directory import LocalDirectory

__all__ = ["LocalDirectory"]
