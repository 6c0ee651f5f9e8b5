"""What a flow imports: blocks, kinds, fields and errors."""

from typecase.blocks.block import Block
from typecase.blocks.block_type import BlockType
from typecase.blocks.checks import Check, Stage, Status
from typecase.blocks.fields import field
from typecase.blocks.kinds import (
    Credentials,
    Database,
    ExperimentTracker,
    MessageQueue,
    Notifier,
    ObjectStore,
    SecretStore,
)
from typecase.blocks.migrations import migration
from typecase.blocks.registries import current_registry, open_registry, use_registry
from typecase.blocks.secrets import SecretReference, secret

__all__ = [
    "Block",
    "BlockType",
    "Check",
    "Credentials",
    "Database",
    "ExperimentTracker",
    "MessageQueue",
    "Notifier",
    "ObjectStore",
    "SecretReference",
    "SecretStore",
    "Stage",
    "Status",
    "current_registry",
    "field",
    "migration",
    "open_registry",
    "secret",
    "use_registry",
]
