"""The kind of blocks that record experiments."""

# ruff: noqa: ARG002 - a kind names the arguments of what it cannot do

from abc import abstractmethod
from collections.abc import Mapping
from os import PathLike
from typing import Any, ClassVar

from typecase.blocks.block import Block
from typecase.blocks.kinds.refusals import not_supported


class ExperimentTracker(Block):
    """A record of experiments: parameters, metrics, artifacts, models."""

    __kind__: ClassVar[str] = "ExperimentTracker"

    @abstractmethod
    def client(self) -> Any:
        """Return the vendor SDK's own client, signed in."""

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record parameters of the current run."""
        raise not_supported(self, "log_params", "Use `client()`.")

    def log_metrics(self, metrics: Mapping[str, float], *, step: int | None = None) -> None:
        """Record measurements of the current run."""
        raise not_supported(self, "log_metrics", "Use `client()`.")

    def log_artifact(self, local: str | PathLike[str], path: str = "") -> None:
        """Keep a local file with the current run."""
        raise not_supported(self, "log_artifact", "Use `client()`.")
