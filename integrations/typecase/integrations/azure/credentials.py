"""Who asks Azure."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from pydantic import SecretStr, model_validator

from typecase.blocks.block_type import BlockType
from typecase.blocks.checks import Check, Stage, Status
from typecase.blocks.errors import AuthenticationFailed, ConnectionFailed, OperationFailed, TypecaseError
from typecase.blocks.fields import field
from typecase.blocks.kinds.credentials import Credentials
from typecase.blocks.redaction import secret_values
from typecase.integrations.azure.attempts import Patience, attempt
from typecase.integrations.azure.failures import Failure
from typecase.integrations.azure.identities import identity_of
from typecase.integrations.azure.methods import SIGN_IN, Method, misfit
from typecase.integrations.azure.reaching import way_to
from typecase.integrations.azure.tokens import Holder, holder_of, scope_at

if TYPE_CHECKING:
    from typecase.integrations.azure.identities import Identity


class AzureCredentials(Credentials):
    """An identity in Microsoft Entra ID, for every Azure service.

    Without any field it is the identity of the place where the code runs: environment, workload identity, managed
    identity, then the developer's own sign-in.

    Tested against: azure-identity with a token authority of our own over TLS (client secret, certificate, workload
    identity, the environment) and an App Service identity endpoint of our own; not against Microsoft Entra ID.
    """

    __block__ = BlockType(
        slug="azure-credentials",
        title="Azure credentials",
        icon="azure",
        example={
            "method": "client-secret",
            "tenant_id": "72f988bf-0000-0000-0000-2d7cd011db47",
            "client_id": "1b730954-0000-0000-0000-0a2f7e2d5f10",
            "client_secret": "made-up-secret",
        },
    )

    method: Method = field(
        "default", help="How to sign in; `default` takes what the place offers.", group="Sign-in", order=1
    )
    tenant_id: str | None = field(
        None,
        min_length=1,
        help="Directory (tenant) of the application.",
        example="72f988bf-0000-0000-0000-2d7cd011db47",
        group="Sign-in",
        order=2,
    )
    client_id: str | None = field(
        None, min_length=1, help="Application, or user-assigned managed identity.", group="Sign-in", order=3
    )
    client_secret: SecretStr | None = field(
        None, min_length=1, help="A secret of the application.", group="Sign-in", order=4
    )
    certificate: SecretStr | None = field(
        None,
        min_length=1,
        help="Certificate of the application with its RSA key: PEM text, or the path of a PEM or PKCS #12 file.",
        group="Sign-in",
        order=5,
        multiline=True,
    )
    certificate_password: SecretStr | None = field(None, help="Passphrase of the key.", group="Sign-in", order=6)
    send_certificate_chain: bool = field(
        default=False, help="Send the chain, for sign-in by subject and issuer.", group="Sign-in", advanced=True
    )
    token_file: str | None = field(
        None,
        min_length=1,
        help="File with the workload's own token. Empty = `AZURE_FEDERATED_TOKEN_FILE`.",
        group="Sign-in",
        advanced=True,
    )
    authority: str | None = field(
        None,
        pattern=r"^(https://)?[A-Za-z0-9.-]+(:\d+)?/?$",
        help="Host that signs in. Empty = `AZURE_AUTHORITY_HOST`, or the public cloud's.",
        example="login.microsoftonline.us",
        group="Cloud",
        advanced=True,
    )
    disable_instance_discovery: bool = field(
        default=False,
        help="Do not ask Microsoft whether the authority is one: private clouds.",
        group="Cloud",
        advanced=True,
    )
    additionally_allowed_tenants: list[str] = field(
        default_factory=list, help="Further tenants that may ask for a token; `*` = all.", group="Cloud", advanced=True
    )
    scope: str | None = field(
        None,
        min_length=1,
        help="What `check()` and `expires_at()` ask a token for. Empty = Azure's management API.",
        example="https://vault.azure.net/.default",
        group="Cloud",
        advanced=True,
    )
    ca_certificates: str | None = field(
        None,
        help="Certificate authorities that may vouch for the authority, PEM text or a path. Empty = the public ones.",
        group="TLS",
        multiline=True,
        advanced=True,
    )
    timeout: float = field(10.0, gt=0, help="Seconds to wait for each answer.", group="Limits", advanced=True)
    attempts: int = field(3, ge=1, le=10, help="Tries of `check()` and `expires_at()`.", group="Limits", advanced=True)
    deadline: float = field(
        30.0, gt=0, help="Seconds after which they begin no further try.", group="Limits", advanced=True
    )

    @model_validator(mode="after")
    def _fields_of_the_method(self) -> Self:
        if problem := misfit(self.method, {name for name in SIGN_IN if getattr(self, name) is not None}):
            raise ValueError(problem)
        return self

    @property
    def place(self) -> str:
        """The host that signs in, for messages."""
        given = self.authority or os.environ.get("AZURE_AUTHORITY_HOST", "")
        return given.removeprefix("https://").rstrip("/") or "login.microsoftonline.com"

    def client(self) -> "Identity":
        """Return the object of azure-identity, which every client of an Azure SDK takes as `credential`.

        Equal blocks of a process share it. Raises `AuthenticationFailed` where a certificate or a token file is unfit.
        """
        __tracebackhide__ = True
        outcome = attempt(lambda: identity_of(self), self._patience, secrets=self._hidden())
        if isinstance(outcome, Failure):
            raise AuthenticationFailed(
                f"These Azure credentials cannot be used: {outcome.sentence}.",
                hint="Check certificate, passphrase and files, and which variables are set.",
            ) from outcome.cause
        return outcome

    def expires_at(self) -> datetime | None:
        """Return when the present token ends; the SDK fetches a new one before. Raises `AuthenticationFailed`."""
        __tracebackhide__ = True
        outcome = self._holder()
        if isinstance(outcome, Failure):
            raise self._problem(outcome) from outcome.cause
        return outcome.expires_at

    def check(self) -> Check:
        """Reach the authority, get a token and say whose it is and until when, never the token."""
        return Check(stages=tuple(self._stages()))

    def _stages(self) -> Iterator[Stage]:
        if self.method not in {"default", "managed-identity"}:
            way = way_to(f"https://{self.place}", ca_certificates=self.ca_certificates, timeout=self.timeout)
            for stage in way:
                yield stage
                if stage.status is Status.ERROR:
                    return
        try:
            outcome = self._holder()
        except TypecaseError as error:
            yield Stage(name="auth", status=Status.ERROR, reason=error.message, next_step=error.hint)
            return
        if isinstance(outcome, Failure):
            problem = self._problem(outcome)
            status = Status.UNKNOWN if outcome.kind == "unreachable" else Status.ERROR
            yield Stage(name="auth", status=status, reason=problem.message, next_step=problem.hint)
            return
        until = outcome.expires_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
        yield Stage(name="auth", status=Status.READY, reason=f"signed in {outcome.name} until {until}")

    def _holder(self) -> "Holder | Failure":
        client, scope = self.client(), self.scope or scope_at(self.place)
        return attempt(lambda: holder_of(client.get_token(scope)), self._patience, secrets=self._hidden())

    @property
    def _patience(self) -> Patience:
        return Patience(timeout=self.timeout, attempts=self.attempts, deadline=self.deadline)

    def _hidden(self) -> tuple[str | bytes, ...]:
        return tuple(secret_values(self))

    def _problem(self, failure: Failure) -> OperationFailed:
        if failure.kind == "unreachable":
            return ConnectionFailed(
                f"The authority at {self.place} cannot be reached ({failure.reason}): {failure.sentence}.",
                hint="Check network, proxy and `ca_certificates`; `check()` shows the stage that fails.",
            )
        return AuthenticationFailed(f"Azure refused the sign-in: {failure.sentence}.", hint=failure.advice)
