"""Requests about secrets: tried, told, and told apart."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pydantic import SecretStr

from typecase.blocks.errors import SecretNotFound
from typecase.integrations.azure.clients import Access, request, secret_client
from typecase.integrations.azure.failures import Failure
from typecase.integrations.azure.secret_errors import absent, problem_of

if TYPE_CHECKING:
    from azure.keyvault.secrets import DeletedSecret, SecretClient

R = TypeVar("R")


def ask(
    access: Access,
    action: Callable[["SecretClient"], R],
    *,
    hidden: SecretStr | None = None,
    again: Callable[[Failure], bool] = lambda failure: failure.again,
) -> R | Failure:
    """Return what `action` returns, or the failure after the last try; no text in it shows `hidden`."""
    secrets = (hidden.get_secret_value(),) if hidden is not None else ()
    return request(access, lambda: action(secret_client(access)), secrets=secrets, again=again)


def told(outcome: R | Failure, *, place: str, key: str = "") -> R:
    """Return `outcome`, or raise the error that a failure stands for."""
    __tracebackhide__ = True
    if isinstance(outcome, Failure):
        raise problem_of(outcome, place=place, key=key)
    return outcome


def missing(access: Access, *, place: str, key: str, version: str | None) -> SecretNotFound:
    """Say whether a secret that was not found is deleted and can be recovered, if this identity may know that."""
    found = ask(access, lambda client: client.get_deleted_secret(key, retry_total=0), again=lambda _: False)
    if isinstance(found, Failure):
        return absent(place=place, key=key, version=version)
    return absent(place=place, key=key, recoverable=_purged_on(found))


def purge(access: Access, name: str) -> Failure | None:
    """Destroy the deleted secret `name`. It takes the vault a moment until it can be: that long it is tried."""
    patient = replace(access, patience=replace(access.patience, attempts=1000))
    return ask(
        patient,
        lambda client: client.purge_deleted_secret(name, retry_total=0),
        again=lambda failure: failure.again or failure.kind in {"absent", "conflict"},
    )


def _purged_on(secret: "DeletedSecret") -> str:
    date = secret.scheduled_purge_date
    return f"{date:%Y-%m-%d}" if date is not None else "it is purged"
