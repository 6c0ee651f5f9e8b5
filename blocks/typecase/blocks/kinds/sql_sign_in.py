"""Sign-in of SQL databases whose credentials are in a secret store: every new connection uses them as they are now."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from typecase.blocks.errors import AuthenticationFailed
from typecase.blocks.secrets.fresh import with_fresh_secrets

if TYPE_CHECKING:
    from sqlalchemy import Dialect, Engine

    from typecase.blocks.kinds.sql import SqlDatabase

S = TypeVar("S", bound="SqlDatabase")
R = TypeVar("R")


def signed_in(block: S, connect: Callable[[S], R]) -> R:
    """Return what `connect` makes of `block` as its secrets are now; see `with_fresh_secrets`."""
    return with_fresh_secrets(
        block, connect, is_refusal=lambda error: issubclass(block.classify(error)[0], AuthenticationFailed)
    )


def sign_in_afresh(block: "SqlDatabase", engine: "Engine") -> None:
    """Let `engine` open its connections with `signed_in`."""
    from sqlalchemy import event

    @event.listens_for(engine, "do_connect")
    def connect(dialect: "Dialect", *_: Any) -> Any:
        def attempt(fresh: "SqlDatabase") -> Any:
            arguments, options = dialect.create_connect_args(fresh.url())
            return dialect.connect(*arguments, **{**options, **fresh.connect_args()})

        return signed_in(block, attempt)
