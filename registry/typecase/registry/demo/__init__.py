"""The main job on real data, with every claim checked while it runs."""

from typecase.registry.demo.story import run

__all__ = ["run"]
