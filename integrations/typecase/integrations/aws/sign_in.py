"""What a process holds for one value of AWS credentials: keys that renew themselves, and clients."""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

from typecase.blocks.errors import TypecaseError
from typecase.blocks.kinds.pools import Pool
from typecase.blocks.kinds.refusals import needs
from typecase.blocks.secrets.fresh import refers
from typecase.integrations.aws.trust import read_token, verification
from typecase.integrations.aws.wire import bound, quiet

if TYPE_CHECKING:
    import boto3
    from botocore.credentials import Credentials
    from botocore.session import Session

    from typecase.integrations.aws.credentials import AwsCredentials

_GLOBAL: Final = "aws-global"  # STS answers without a region
_SMALL: Final = frozenset({"kms", "secretsmanager", "ssm", "sts"})  # their answers are small; others stream


class SignIn:
    """The SDK's credentials of one block, shared by all sessions and clients made from it. Safe among threads."""

    METHOD = "typecase"
    CANONICAL_NAME = "Typecase"

    def __init__(self, block: "AwsCredentials") -> None:
        """Ask nobody yet."""
        self._block = block
        self._lock = RLock()
        self._credentials: Credentials | None = None
        self._clients: dict[tuple[Any, ...], Any] = {}

    def load(self) -> "Credentials | None":
        """Return the credentials, None if the chain found none: then it is asked again. botocore calls this."""
        with self._lock, quiet():
            if self._credentials is None:
                own = self._own()
                self._credentials = self._taken(own) if self._block.role_arn else own.get_credentials()
            return self._credentials

    def session(self) -> "boto3.Session":
        """Return a new session, because sessions are not safe among threads; it shares the credentials."""
        with needs("aws"):
            import boto3
            from botocore.credentials import CredentialResolver
        core = self._own(keys=False)
        core.register_component("credential_provider", CredentialResolver([self]))
        return boto3.Session(botocore_session=core)

    def client(self, service: str, region: str | None, timeout: float, attempts: int) -> Any:
        """Return the client of `service`, made once."""
        wanted = (service, region, timeout, attempts)
        with self._lock:
            if wanted not in self._clients:
                session = self.session()
                chosen = region or session.region_name or (_GLOBAL if service == "sts" else None)
                self._clients[wanted] = self._made(session, service, chosen, timeout=timeout, attempts=attempts)
            return self._clients[wanted]

    def close(self) -> None:
        """Close the clients."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _own(self, *, keys: bool = True) -> "Session":
        with needs("aws"):
            from botocore.session import Session

        block = self._block
        session = Session(profile=block.profile)
        session.register_component("data_loader", _loader())
        if block.region is not None:
            session.set_config_variable("region", block.region)
        if keys and block.access_key_id is not None and block.secret_access_key is not None:
            token = block.session_token.get_secret_value() if block.session_token is not None else None
            session.set_credentials(block.access_key_id, block.secret_access_key.get_secret_value(), token)
        return session

    def _made(self, session: Any, service: str, region: str | None, **limits: Any) -> Any:
        from botocore.config import Config

        timeout: float = limits["timeout"]
        config = Config(
            connect_timeout=timeout,
            read_timeout=timeout,
            retries={"mode": "standard", "total_max_attempts": limits["attempts"]},
            user_agent_extra="typecase",
            signature_version=limits.get("signature_version"),
        )
        create = getattr(session, "client", None) or session.create_client
        client = create(
            service,
            region_name=region,
            endpoint_url=self._block.endpoint_url,
            verify=verification(self._block),
            config=config,
        )
        if service in _SMALL:
            bound(client, timeout)
        return client

    def _taken(self, own: "Session") -> "Credentials":
        """Return credentials of the role, which are fetched on first use and again before they end."""
        from botocore.credentials import DeferredRefreshableCredentials

        block = self._block
        found = DeferredRefreshableCredentials(self._fetching(own), "assume-role")
        # The SDK's own 15 minutes would renew a role of 15 minutes at every call.
        found._advisory_refresh_timeout = min(900, block.role_duration // 4)  # noqa: SLF001 - not an argument
        found._mandatory_refresh_timeout = min(600, block.role_duration // 6)  # noqa: SLF001 - not an argument
        return found

    def _fetching(self, own: "Session") -> Callable[[], dict[str, str]]:
        from botocore import UNSIGNED
        from botocore.parsers import ResponseParserError

        block = self._block
        asked: dict[str, Any] = {
            "RoleArn": block.role_arn,
            "RoleSessionName": block.role_session_name,
            "DurationSeconds": block.role_duration,
        }
        signature = UNSIGNED if block.web_identity_token_file is not None else None

        def fetch() -> dict[str, str]:
            region = block.region or own.get_config_variable("region") or _GLOBAL
            limits = {"timeout": block.timeout, "attempts": block.attempts, "signature_version": signature}
            sts = self._made(own, "sts", region, **limits)
            try:
                with quiet():
                    if block.web_identity_token_file is not None:
                        token = read_token(block.web_identity_token_file)
                        answer = sts.assume_role_with_web_identity(**asked, WebIdentityToken=token)
                    else:
                        further = {"ExternalId": block.external_id.get_secret_value()} if block.external_id else {}
                        answer = sts.assume_role(**asked, **further)
            finally:
                sts.close()
            keys = answer.get("Credentials", {})
            if not {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"} <= keys.keys():
                message = "the answer holds no credentials"
                raise ResponseParserError(message)
            return {
                "access_key": keys["AccessKeyId"],
                "secret_key": keys["SecretAccessKey"],
                "token": keys["SessionToken"],
                "expiry_time": keys["Expiration"].isoformat(),
            }

        return fetch


@cache
def _loader() -> Any:
    """Return the reader of service descriptions, one per process: reading them is what makes a client slow."""
    from botocore.loaders import create_loader

    return create_loader()


SIGN_INS: "Pool[SignIn]" = Pool(close=SignIn.close)


def signed_in(block: "AwsCredentials") -> SignIn:
    """Return what this process holds for `block`."""
    return SIGN_INS.get(_key(block), lambda: SignIn(block))


def sign_out(block: "AwsCredentials") -> None:
    """Forget what this process holds for `block`."""
    with suppress(TypecaseError):
        SIGN_INS.drop(_key(block))


def _key(block: "AwsCredentials") -> Any:
    """Return what tells sign-ins apart: equal references may lead to other secrets, later or in another workspace."""
    if not refers(block):
        return block
    secrets = (block.secret_access_key, block.session_token, block.external_id)
    values = [secret.get_secret_value().encode() for secret in secrets if secret is not None]
    return block, sha256(b"".join(sha256(value).digest() for value in values)).digest()
