"""What the secret stores of AWS have in common."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final, NoReturn

from pydantic import SecretStr

from typecase.blocks.block_type import type_of
from typecase.blocks.checks import Check, Stage, Status
from typecase.blocks.errors import AuthenticationFailed, InvalidSecretKey
from typecase.blocks.fields import field
from typecase.blocks.kinds.secret_store import SecretStore, SecretValue
from typecase.blocks.kinds.sql_errors import raise_alone
from typecase.blocks.redaction import secret_values
from typecase.integrations.aws.credentials import AwsCredentials
from typecase.integrations.aws.failures import malformed_answer, secret_error
from typecase.integrations.aws.faults import Meaning, fault_of
from typecase.integrations.aws.reaching import check_of, refused
from typecase.integrations.aws.sign_in import sign_out, signed_in
from typecase.integrations.aws.wire import quiet

_VALUES: Final = ("SecretString", "SecretBinary", "Value")


class AwsStore(SecretStore):
    """A secret store that is one service of AWS."""

    versioned: ClassVar[bool] = True

    service: ClassVar[str]
    """The SDK's name of the service."""
    listing: ClassVar[tuple[str, int]]
    """The operation that lists keys, and how many it may give in a page."""
    permissions: ClassVar[str]
    """What IAM must allow, a sentence."""
    naming: ClassVar[str]
    """What keys look like, a sentence."""

    credentials: AwsCredentials | None = field(
        None, help="How to sign in. Empty = as the SDK finds it: environment, profile, role.", order=1
    )
    region: str | None = field(
        None,
        pattern=r"^[a-z0-9-]+$",
        help="Region of the secrets. Empty = the one of the credentials.",
        example="eu-west-1",
        order=2,
    )
    timeout: float = field(
        5.0, gt=0, help="Seconds to wait for a connection, for an answer, and for all of it.", advanced=True
    )
    attempts: int = field(
        3, ge=1, le=10, help="Attempts at most, with growing random waits, also for throttling.", advanced=True
    )

    @property
    def title(self) -> str:
        """The store's name, for messages."""
        return type_of(type(self)).title

    @property
    def slug(self) -> str:
        """The block type, for facts of errors."""
        return type_of(type(self)).slug

    def get(self, key: str, version: str | None = None) -> SecretStr:
        """Return the secret under `key` as text. Raises as `SecretStore.get`."""
        return self.read(key, version).text()

    @abstractmethod
    def read(self, key: str, version: str | None = None) -> SecretValue:
        """Return the secret under `key` with its version. Raises as `SecretStore.get`."""

    def client(self) -> Any:
        """Return the boto3 client of the service, one per process and block."""
        return self._identity().client(self.service, region=self.region, timeout=self.timeout, attempts=self.attempts)

    def check(self) -> Check:
        """Reach the service and ask for one key, never for a value."""
        return check_of(self.client, self._listed, credentials=self._identity(), timeout=self.timeout)

    def call(
        self, operation: str, key: str, version: str | None = None, *, expects: str = "", **parameters: Any
    ) -> dict[str, Any]:
        """Call the SDK. Raises Typecase's errors only, from a frame that holds no parameters.

        An answer without the field `expects` is not from AWS; nor, where no field is, one that is a page.
        """
        __tracebackhide__ = True
        try:
            with quiet():
                answer: dict[str, Any] = getattr(self._client(), operation)(**parameters)
            content_type = str(answer["ResponseMetadata"]["HTTPHeaders"].get("content-type", ""))
            if expects in answer if expects else not content_type.startswith("text/"):
                return answer
            problem: Exception = malformed_answer(self, key)
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises has frames that hold parameters
            problem = self._problem(error, key, version, [parameters.get(name, "") for name in _VALUES])
        answer = {}
        del parameters
        return raise_alone(problem)

    def pages(self, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Ask for page after page of keys."""
        operation, size = self.listing
        pages: Iterator[dict[str, Any]] | None = None
        while True:
            try:
                with quiet():
                    if pages is None:
                        paginator = self._client().get_paginator(operation)
                        pages = iter(paginator.paginate(PaginationConfig={"PageSize": size}, **parameters))
                    page = next(pages, None)
            except Exception as error:  # noqa: BLE001 - as in `call`
                problem = self._problem(error, "", None)
            else:
                if page is None:
                    return
                yield page
                continue
            raise_alone(problem)

    def refuse_key(self, key: str) -> NoReturn:
        """Raise `InvalidSecretKey`."""
        raise InvalidSecretKey(
            f"{self.title} cannot have a secret under {key!r}.", hint=self.naming, store=self.slug, key=key
        )

    def _client(self) -> Any:
        """Return the client, or raise what the SDK raises."""
        identity = self._identity()
        return signed_in(identity).client(self.service, self.region or identity.region, self.timeout, self.attempts)

    def _identity(self) -> AwsCredentials:
        return self.credentials if self.credentials is not None else AwsCredentials()

    def _problem(
        self, error: Exception, key: str, version: str | None, hidden: Sequence[str | bytes] = ()
    ) -> Exception:
        problem = secret_error(self, error, key=key, version=version, hidden=hidden)
        if isinstance(problem, AuthenticationFailed):
            sign_out(self._identity())  # what a process remembers may be what was refused
        return problem

    def _listed(self, client: Any) -> Iterator[Stage]:
        operation, _ = self.listing
        action = f"{self.service}:{''.join(word.capitalize() for word in operation.split('_'))}"
        try:
            getattr(client, operation)(MaxResults=1)
        except Exception as error:  # noqa: BLE001 - a check raises nothing
            fault = fault_of(error, secret_values(self))
            if fault.meaning is not Meaning.FORBIDDEN:
                yield refused(error, self._identity())
                return
            yield Stage(name="auth", status=Status.READY, reason="the service knows who asks")
            yield Stage(
                name="permission",
                status=Status.UNKNOWN,
                reason=f"{action} is not allowed, so only reading a secret shows whether it may be read: {fault.text}",
                next_step=f"Read one, or allow {action}.",
            )
            return
        yield Stage(name="auth", status=Status.READY, reason="the service knows who asks")
        yield Stage(name="permission", status=Status.READY, reason=f"{action} is allowed")
