"""Schema compatibility: whether documents written with one version of a schema are read with another."""

from typecase.blocks.compatibility.check import check_compatibility, compare_fields
from typecase.blocks.compatibility.modes import Bump, Mode, Report, check_mode, lost_secrecy
from typecase.blocks.compatibility.rules import Difference, Direction, Policy, Rule

__all__ = [
    "Bump",
    "Difference",
    "Direction",
    "Mode",
    "Policy",
    "Report",
    "Rule",
    "check_compatibility",
    "check_mode",
    "compare_fields",
    "lost_secrecy",
]
