"""The stages on the way to a vault's secrets."""

from collections.abc import Iterator

from typecase.blocks.checks import Stage, Status
from typecase.blocks.errors import TypecaseError
from typecase.integrations.azure.clients import Access
from typecase.integrations.azure.failures import Failure
from typecase.integrations.azure.reaching import way_to
from typecase.integrations.azure.secret_errors import problem_of
from typecase.integrations.azure.secret_requests import ask


def stages_of(access: Access, *, place: str) -> Iterator[Stage]:
    """Yield dns, tcp, tls, auth and permission, up to the first that fails. Behind a proxy the first three are its."""
    way = way_to(access.vault_url, ca_certificates=access.ca_certificates, timeout=access.patience.timeout)
    for stage in way:
        yield stage
        if stage.status is Status.ERROR:
            return
    try:
        # The names of one page: no value is part of it.
        outcome = ask(
            access,
            lambda client: bool(
                next(client.list_properties_of_secrets(max_page_size=1, retry_total=0).by_page(), None)
            ),
        )
    except TypecaseError as error:
        yield Stage(name="auth", status=Status.ERROR, reason=error.message, next_step=error.hint)
        return
    if isinstance(outcome, Failure):
        yield from _failed(outcome, place)
        return
    yield Stage(name="auth", status=Status.READY, reason=f"{place} accepts the token")
    yield Stage(name="permission", status=Status.READY, reason="may list secrets; reading one was not tried")


def _failed(failure: Failure, place: str) -> Iterator[Stage]:
    problem = problem_of(failure, place=place)
    if failure.kind != "forbidden":
        status = Status.UNKNOWN if failure.kind == "unreachable" else Status.ERROR
        yield Stage(name="auth", status=status, reason=problem.message, next_step=problem.hint)
        return
    walled = failure.code in {"ForbiddenByFirewall", "ForbiddenByConnection"}
    if not walled:
        yield Stage(name="auth", status=Status.READY, reason=f"{place} accepts the token")
    # Reading may be allowed where listing is not, and only reading a value would tell.
    status = Status.ERROR if walled else Status.UNKNOWN
    yield Stage(name="permission", status=status, reason=problem.message, next_step=problem.hint)
