"""The check of a Secret Manager, stage by stage."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from typecase.blocks.checks import Stage, Status
from typecase.blocks.errors import TypecaseError
from typecase.blocks.probes import probe
from typecase.integrations.gcp.channels import context_of
from typecase.integrations.gcp.faults import Fault, Meaning
from typecase.integrations.gcp.secret_calls import list_page
from typecase.integrations.gcp.tokens import end_of, principal_of, tokens_of

if TYPE_CHECKING:
    from typecase.integrations.gcp.secret_manager import GcpSecretManager


def stages_of(store: "GcpSecretManager") -> Iterator[Stage]:
    """Yield the stages dns, tcp, tls, auth and permission, up to the first that fails."""
    place = store.place
    try:
        context = context_of(store.ca_certificates)
    except (OSError, ValueError):
        step = "Give PEM text, or the path of a PEM file."
        yield Stage(name="tls", status=Status.ERROR, reason="`ca_certificates` cannot be read", next_step=step)
        return
    for stage in probe(place.host, place.port, tls=context, timeout=store.timeout):
        yield stage
        if stage.status is Status.ERROR:
            return
    try:
        found = tokens_of(place.credentials).signed_in()
        end = end_of(found)
        until = f" until {end:%H:%M} UTC" if end is not None else ""
        signed_in = Stage(name="auth", status=Status.READY, reason=f"signed in as {principal_of(found)}{until}")
    except (Fault, TypecaseError) as problem:
        yield _failed(problem)
        return
    yield from _permission(store, signed_in)


def _permission(store: "GcpSecretManager", signed_in: Stage) -> Iterator[Stage]:
    try:
        list_page(store.place, store.parent, "", "", size=1)
    except Fault as problem:
        fault = problem.with_traceback(None)
    except TypecaseError as problem:
        yield _failed(problem)
        return
    else:
        yield signed_in
        yield Stage(name="permission", status=Status.READY, reason=f"may list the secrets of {store.parent}")
        return
    if fault.meaning is Meaning.REFUSED:
        yield _failed(fault)
        return
    yield signed_in
    if fault.meaning is Meaning.FORBIDDEN and not fault.hint:
        reason = f"may not list the secrets of {store.parent}; whether it may read one shows when it does"
        step = "Nothing, if roles/secretmanager.secretAccessor is granted on the secrets that are needed."
        yield Stage(name="permission", status=Status.UNKNOWN, reason=reason, next_step=step)
    else:
        outage = fault.meaning is Meaning.UNREACHABLE
        status = Status.UNKNOWN if outage else Status.ERROR
        step = fault.hint or ("Try again." if outage else "Check the project.")
        yield Stage(name="permission", status=status, reason=fault.text, next_step=step)


def _failed(problem: Fault | TypecaseError) -> Stage:
    step = problem.hint or "Check the credentials."
    if isinstance(problem, Fault):
        outage = problem.meaning is Meaning.UNREACHABLE
        status = Status.UNKNOWN if outage else Status.ERROR
        return Stage(name="auth", status=status, reason=problem.text, next_step=step)
    return Stage(name="auth", status=Status.ERROR, reason=problem.message, next_step=step)
