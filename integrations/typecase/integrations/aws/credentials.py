"""Credentials of Amazon Web Services."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from pydantic import SecretStr, field_validator, model_validator

from typecase.blocks.block_type import BlockType
from typecase.blocks.checks import Check, Stage, Status
from typecase.blocks.fields import field
from typecase.blocks.kinds.credentials import Credentials
from typecase.blocks.kinds.refusals import not_supported
from typecase.blocks.kinds.sql_errors import raise_alone
from typecase.integrations.aws.failures import sign_in_error
from typecase.integrations.aws.reaching import check_of
from typecase.integrations.aws.sign_in import sign_out, signed_in
from typecase.integrations.aws.urls import endpoint
from typecase.integrations.aws.wire import quiet

if TYPE_CHECKING:
    import boto3


class AwsCredentials(Credentials):
    """How to sign in to Amazon Web Services, or to what speaks like it.

    Without any field the SDK looks where it always does: environment, profile, single sign-on, and the role of the pod,
    task, function or machine. A role is taken with whatever else is given, and taken again before it ends.

    Tested against: moto's server (STS, all ways to sign in but single sign-on and instance roles) and a server that
    plays faults; not against AWS, nor against EKS, ECS and EC2, where the SDK's own chain does the work.
    """

    __block__ = BlockType(slug="aws-credentials", title="AWS credentials", icon="amazonwebservices")

    region: str | None = field(
        None,
        pattern=r"^[a-z0-9-]+$",
        help="Region of the services. Empty = as the SDK finds it (`AWS_REGION`, profile).",
        example="eu-west-1",
        order=1,
    )
    profile: str | None = field(
        None, min_length=1, help="Profile in the shared AWS files of the machine.", group="Sign-in", order=2
    )
    access_key_id: str | None = field(
        None,
        pattern=r"^\w{3,128}$",
        help="Name of a static access key; a role is better.",
        example="AKIAIOSFODNN7EXAMPLE",
        group="Sign-in",
        order=3,
    )
    secret_access_key: SecretStr | None = field(None, help="The access key itself.", group="Sign-in", order=4)
    session_token: SecretStr | None = field(
        None, help="Session token, where the access key is a temporary one.", group="Sign-in", advanced=True
    )
    role_arn: str | None = field(
        None,
        pattern=r"^arn:[\w-]+:iam::\d*:role/.+$",
        help="Role to take with the identity above.",
        example="arn:aws:iam::123456789012:role/etl",
        group="Role",
        order=5,
    )
    external_id: SecretStr | None = field(None, help="External id that the role's trust asks for.", group="Role")
    role_session_name: str = field(
        "typecase",
        pattern=r"^[\w+=,.@-]{2,64}$",
        help="Name of the session in CloudTrail.",
        group="Role",
        advanced=True,
    )
    role_duration: int = field(
        3600, ge=900, le=43200, help="Seconds for which the role is taken each time.", group="Role", advanced=True
    )
    web_identity_token_file: str | None = field(
        None,
        min_length=1,
        help="File with an OpenID Connect token that is exchanged for the role. Read anew each time.",
        group="Role",
        advanced=True,
    )
    endpoint_url: str | None = field(
        None,
        help="Address of all services, for MinIO, LocalStack and the like. Empty = AWS.",
        example="http://localhost:4566",
        group="Network",
        advanced=True,
    )
    ca_bundle: str | None = field(
        None,
        help="Certificate authorities that may vouch for the services: PEM text or a path. Empty = the SDK's own.",
        group="Network",
        multiline=True,
        advanced=True,
    )
    verify_tls: bool = field(default=True, help="Prove who the services are.", group="Network", advanced=True)
    timeout: float = field(
        5.0,
        gt=0,
        help="Seconds to wait for a connection and for an answer, in each attempt.",
        group="Network",
        advanced=True,
    )
    attempts: int = field(3, ge=1, le=10, help="Attempts at most, also for throttling.", group="Network", advanced=True)

    @field_validator("endpoint_url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        return endpoint(url) if url is not None else None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        keys, web = self.access_key_id is not None, self.web_identity_token_file is not None
        role = self.role_arn is not None
        contradictions = (
            (keys != (self.secret_access_key is not None), "access_key_id and secret_access_key come together"),
            (self.session_token is not None and not keys, "session_token needs access_key_id and secret_access_key"),
            (self.profile is not None and keys, "profile and access_key_id are two ways to sign in: give one"),
            (web and not role, "web_identity_token_file needs role_arn"),
            (web and (keys or self.profile is not None), "web_identity_token_file replaces profile and access_key_id"),
            (self.external_id is not None and not role, "external_id needs role_arn"),
            (self.external_id is not None and web, "a role taken with a web identity has no external_id"),
            (self.ca_bundle is not None and not self.verify_tls, "ca_bundle is of no use while verify_tls is off"),
        )
        found = [sentence for wrong, sentence in contradictions if wrong]
        if found:
            raise ValueError("; ".join(found))
        return self

    def session(self) -> "boto3.Session":
        """Return a new boto3 session; all of equal blocks share one set of credentials, which renew themselves.

        A session has no endpoint and no certificates: `client()` sets them, clients of a session are told them.
        """
        __tracebackhide__ = True
        try:
            return signed_in(self).session()
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises has frames that hold keys
            problem = sign_in_error(self, error)
        return raise_alone(problem)

    def client(
        self,
        service: str = "sts",
        *,
        region: str | None = None,
        timeout: float | None = None,
        attempts: int | None = None,
    ) -> Any:
        """Return the boto3 client of `service`, one per process and block. Arguments take precedence over fields."""
        __tracebackhide__ = True
        try:
            return signed_in(self).client(
                service, region or self.region, timeout or self.timeout, attempts or self.attempts
            )
        except Exception as error:  # noqa: BLE001 - as in `session`
            problem = sign_in_error(self, error)
        return raise_alone(problem)

    def refresh(self) -> None:
        """Sign in again now: take the role again, read profile and environment again. Static keys cannot be renewed."""
        __tracebackhide__ = True
        if self.access_key_id is not None and self.role_arn is None:
            raise not_supported(self, "refresh", "Static keys do not change; load the block again after editing it.")
        sign_out(self)
        self._frozen()

    def expires_at(self) -> datetime | None:
        """Return when the temporary credentials in use end, signing in if that is not done yet; None = they do not."""
        return getattr(self._frozen(), "_expiry_time", None)

    def check(self) -> Check:
        """Reach STS and ask as whom this signs in."""
        return check_of(self.client, self._who, credentials=self, timeout=self.timeout)

    def _who(self, client: Any) -> Iterator[Stage]:
        yield Stage(name="auth", status=Status.READY, reason=f"signed in as {client.get_caller_identity()['Arn']}")

    def _frozen(self) -> Any:
        __tracebackhide__ = True
        try:
            with quiet():
                found = signed_in(self).load()
                if found is not None:
                    found.get_frozen_credentials()
                    return found
            problem = sign_in_error(self, None)
        except Exception as error:  # noqa: BLE001 - as in `session`
            problem = sign_in_error(self, error)
        return raise_alone(problem)
