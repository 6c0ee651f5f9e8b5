"""Errors that only the command line knows."""

from typecase.blocks.errors import TypecaseError


class UsageFault(TypecaseError):
    """What was asked for cannot be done in this way; the hint says in which way it can."""


class ConfirmationNeeded(UsageFault):
    """A question would have to be answered, and nobody is there to answer it."""


class EditorFailed(UsageFault):
    """The editor could not be started, or ended with an error. Nothing was changed."""
