"""What a block can do: abstract blocks with few required methods, definable without any vendor's SDK."""

from typecase.blocks.kinds.credentials import Credentials
from typecase.blocks.kinds.database import Database
from typecase.blocks.kinds.experiment_tracker import ExperimentTracker
from typecase.blocks.kinds.message_queue import Message, MessageQueue, ReceivedMessage
from typecase.blocks.kinds.notifier import Notifier, Severity
from typecase.blocks.kinds.object_store import ObjectInfo, ObjectStore
from typecase.blocks.kinds.secret_store import SecretStore, SecretValue

__all__ = [
    "Credentials",
    "Database",
    "ExperimentTracker",
    "Message",
    "MessageQueue",
    "Notifier",
    "ObjectInfo",
    "ObjectStore",
    "ReceivedMessage",
    "SecretStore",
    "SecretValue",
    "Severity",
]
