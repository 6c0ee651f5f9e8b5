"""Who signs in to Google Cloud."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator, model_validator

from typecase.blocks.block_type import BlockType
from typecase.blocks.checks import Check, Stage, Status
from typecase.blocks.errors import AuthenticationFailed, ConnectionFailed, OperationFailed, TypecaseError
from typecase.blocks.fields import field
from typecase.blocks.kinds.credentials import Credentials
from typecase.blocks.kinds.private_files import private_file
from typecase.blocks.probes import probe
from typecase.integrations.gcp.channels import context_of
from typecase.integrations.gcp.faults import Fault, Meaning
from typecase.integrations.gcp.key_files import as_text, is_secure, read_federation, read_key
from typecase.integrations.gcp.tokens import end_of, principal_of, tokens_of

if TYPE_CHECKING:
    from google.auth.credentials import Credentials as GoogleCredentials

CLOUD_PLATFORM: Final = "https://www.googleapis.com/auth/cloud-platform"
_ACCOUNT: Final = r"^[a-zA-Z0-9][a-zA-Z0-9._-]*@[a-zA-Z0-9.-]+$"


class GcpCredentials(Credentials):
    """An identity in Google Cloud.

    With nothing filled in it is the one of the machine (Application Default Credentials): the service account of a
    GKE pod, a Cloud Run service or a virtual machine, `GOOGLE_APPLICATION_CREDENTIALS`, or a person's `gcloud` login.

    Tested against: token, federation, IAM and metadata endpoints of our own, which check what Google documents; not
    against Google.
    """

    __block__ = BlockType(
        slug="gcp-credentials",
        title="Google Cloud credentials",
        icon="googlecloud",
        example={"project": "acme-prod", "impersonate": "loader@acme-prod.iam.gserviceaccount.com"},
    )

    project: str | None = field(
        None, min_length=1, help="Project for what names none. Empty = the one of the identity.", example="acme-prod"
    )
    service_account_key: SecretStr | None = field(
        None,
        help="JSON key file of a service account. Prefer the machine's identity: a key does not end by itself.",
        group="Sign-in",
        multiline=True,
    )
    federation: SecretStr | None = field(
        None,
        help="Workload identity federation: the JSON of `gcloud iam workload-identity-pools create-cred-config`.",
        group="Sign-in",
        multiline=True,
    )
    impersonate: str | None = field(
        None,
        pattern=_ACCOUNT,
        help="Service account to act as; who signs in needs roles/iam.serviceAccountTokenCreator on it.",
        example="loader@acme-prod.iam.gserviceaccount.com",
        group="Impersonation",
    )
    delegates: tuple[str, ...] = field(
        (), help="Service accounts on the way to it, each allowed to act as the next.", group="Impersonation"
    )
    lifetime: int = field(
        3600, ge=60, le=43200, help="Seconds for which an impersonated token is valid.", group="Impersonation"
    )
    scopes: tuple[str, ...] = field(
        (CLOUD_PLATFORM,), min_length=1, help="OAuth scopes of the token; IAM decides the rest.", advanced=True
    )
    quota_project: str | None = field(None, help="Project that is billed and whose quota counts.", advanced=True)
    timeout: float = field(10.0, gt=0, help="Seconds to wait for one answer of a token endpoint.", advanced=True)
    attempts: int = field(3, ge=1, le=10, help="Attempts while a token endpoint fails or throttles.", advanced=True)
    iam_endpoint: str = field(
        "https://iamcredentials.googleapis.com", help="Where tokens for impersonation come from.", advanced=True
    )
    ca_certificates: str | None = field(
        None,
        help="Authorities that may vouch for token endpoints: PEM text or a path. Empty: the public ones.",
        advanced=True,
        multiline=True,
    )

    @field_validator("service_account_key", "federation", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return as_text(value)

    @field_validator("service_account_key")
    @classmethod
    def _key(cls, value: SecretStr | None) -> SecretStr | None:
        # A referenced secret is read when it is used.
        if type(value) is SecretStr:
            read_key(value.get_secret_value())
        return value

    @field_validator("federation")
    @classmethod
    def _federation(cls, value: SecretStr | None) -> SecretStr | None:
        if type(value) is SecretStr:
            read_federation(value.get_secret_value())
        return value

    @field_validator("iam_endpoint")
    @classmethod
    def _private(cls, value: str) -> str:
        if not is_secure(value):
            message = "it is not an https URL"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _one_identity(self) -> "GcpCredentials":
        if self.service_account_key is not None and self.federation is not None:
            message = "`service_account_key` and `federation` are two identities: fill in one"
            raise ValueError(message)
        if self.delegates and self.impersonate is None:
            message = "`delegates` lead to nobody: fill in `impersonate`"
            raise ValueError(message)
        return self

    def client(self) -> "GoogleCredentials":
        """Return google-auth's credentials object for Google's own libraries, the same one for equal blocks.

        Raises `AuthenticationFailed` where there are no credentials.
        """
        found: GoogleCredentials = self._told(lambda: tokens_of(self).credentials())
        return found

    def refresh(self) -> None:
        """Fetch a new token now. Raises `AuthenticationFailed`, `ConnectionFailed`."""
        self._told(lambda: tokens_of(self).signed_in(anew=True))

    def expires_at(self) -> datetime | None:
        """Return when the token ends, after fetching one if there is none. Raises as `refresh`."""
        return end_of(self._told(lambda: tokens_of(self).signed_in()))

    def check(self) -> Check:
        """Fetch a token and say as whom; of an identity in a file, reach its token endpoint first."""
        stages: list[Stage] = []
        try:
            url = self._token_url()
            if url is not None:
                parts = urlsplit(url)
                context = context_of(self.ca_certificates) if parts.scheme == "https" else None
                port = parts.port or (443 if context else 80)
                stages += probe(str(parts.hostname), port, tls=context, timeout=self.timeout)
            if all(stage.status is not Status.ERROR for stage in stages):
                found = self._told(lambda: tokens_of(self).signed_in(anew=True))
                reason = f"signed in as {principal_of(found)} until {end_of(found):%H:%M} UTC"
                stages.append(Stage(name="auth", status=Status.READY, reason=reason))
        except ConnectionFailed as error:
            stages.append(Stage(name="auth", status=Status.UNKNOWN, reason=error.message, next_step=error.hint))
        except (TypecaseError, ValueError, OSError) as error:
            step = getattr(error, "hint", "") or "Check the fields."
            reason = error.message if isinstance(error, TypecaseError) else "a field cannot be read"
            stages.append(Stage(name="auth", status=Status.ERROR, reason=reason, next_step=step))
        return Check(stages=tuple(stages))

    def authorities(self) -> str | None:
        """Return the file with the authorities of `ca_certificates`."""
        text = self.ca_certificates
        return private_file(text) if text is not None and "-----BEGIN" in text else text

    def _token_url(self) -> str | None:
        if self.service_account_key is not None:
            return str(read_key(self.service_account_key.get_secret_value())["token_uri"])
        if self.federation is not None:
            return str(read_federation(self.federation.get_secret_value())["token_url"])
        return None

    def _told(self, act: Any) -> Any:
        __tracebackhide__ = True
        try:
            return act()
        except Fault as fault:
            problem = problem_of(fault)
        raise problem


def problem_of(fault: Fault) -> OperationFailed:
    """Return the error for a sign-in that failed."""
    if fault.meaning is Meaning.REFUSED:
        hint = fault.hint or "Check the identity."
        return AuthenticationFailed(f"Google refused the sign-in: {fault.text}.", hint=hint)
    message = f"Signing in to Google failed: {fault.text}."
    return ConnectionFailed(message, hint="`check()` shows the stage that fails.", reason=fault.reason)
