"""Secrets in AWS Secrets Manager."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from pydantic import SecretBytes, SecretStr

from typecase.blocks.block_type import BlockType
from typecase.blocks.errors import SecretError, SecretNotFound
from typecase.blocks.fields import field
from typecase.blocks.kinds.secret_store import SecretValue
from typecase.integrations.aws.failures import malformed_answer, malformed_secret
from typecase.integrations.aws.store import AwsStore

_NAME: Final = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_ARN: Final = re.compile(r"arn:[\w-]+:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@-]{1,512}", re.ASCII)
_VERSION_ID: Final = re.compile(r"[!-~]{32,64}")
_STAGE: Final = re.compile(r"[!-~]{1,256}")
_LARGEST: Final = 65536


class AwsSecretsManager(AwsStore):
    """Secrets in AWS Secrets Manager.

    A version is an id or a staging label such as `AWSPREVIOUS`; without one it is `AWSCURRENT`. Keys are names or ARNs.

    Tested against: moto's server, and a server that plays faults; not against AWS, whose IAM and KMS rules moto lacks.
    """

    __block__ = BlockType(slug="aws-secrets-manager", title="AWS Secrets Manager", icon="amazonwebservices")

    service: ClassVar[str] = "secretsmanager"
    listing: ClassVar[tuple[str, int]] = ("list_secrets", 100)
    permissions: ClassVar[str] = (
        "Allow secretsmanager:GetSecretValue on its ARN, and kms:Decrypt if it has a KMS key of its own."
    )
    naming: ClassVar[str] = "Names have 1 to 512 letters, digits and /_+=.@-; an ARN is one of a secret."

    kms_key_id: str | None = field(
        None,
        min_length=1,
        help="KMS key that encrypts secrets made by `put`. Empty = `aws/secretsmanager`.",
        example="alias/etl",
        advanced=True,
    )
    recovery_days: int | None = field(
        None,
        ge=7,
        le=30,
        help="Days in which a deleted secret can be restored. Empty = it is gone at once.",
        advanced=True,
    )

    def read(self, key: str, version: str | None = None) -> SecretValue:
        """Return the secret under `key`, text or binary, with its version id. Raises as `SecretStore.get`."""
        __tracebackhide__ = True
        answer = self.call(
            "get_secret_value",
            key,
            version,
            expects="VersionId",
            SecretId=self._named(key),
            **self._selected(key, version),
        )
        content = answer.get("SecretString")
        if content is None:
            content = answer.get("SecretBinary")
        if not isinstance(content, (str, bytes)):
            del answer, content
            raise malformed_answer(self, key)
        return SecretValue(content, version=answer["VersionId"])

    def put(self, key: str, value: SecretStr | SecretBytes) -> None:
        """Store `value` as the newest version of `key`, made if it is absent. Raises `SecretMalformed` over 64 KiB."""
        __tracebackhide__ = True
        size = _size(value)
        if not 0 < size <= _LARGEST:
            what = f"it has {size} bytes, and 1 to {_LARGEST} are possible"
            raise malformed_secret(self, key, what, "Keep something shorter there, such as where the large part is.")
        try:
            self._add_version(key, value)
        except SecretNotFound as error:
            if error.reason != "absent" or ":" in key:  # type: ignore[attr-defined] # a fact of this error
                raise
        else:
            return
        further: dict[str, Any] = {"KmsKeyId": self.kms_key_id} if self.kms_key_id is not None else {}
        try:
            self.call("create_secret", key, expects="VersionId", Name=key, **further, **_content(value))
        except SecretError as error:
            if getattr(error, "code", "") != "ResourceExistsException":
                raise
        else:
            return
        self._add_version(key, value)  # somebody else made it meanwhile

    def _add_version(self, key: str, value: SecretStr | SecretBytes) -> None:
        __tracebackhide__ = True
        self.call("put_secret_value", key, expects="VersionId", SecretId=self._named(key), **_content(value))

    def list(self, prefix: str = "") -> Iterator[str]:
        """Iterate over the names that start with `prefix`, page after page, without those scheduled for deletion."""
        filters: dict[str, Any] = {}
        if prefix:
            if _NAME.fullmatch(prefix) is None:
                self.refuse_key(prefix)
            filters = {"Filters": [{"Key": "name", "Values": [prefix]}]}
        for page in self.pages(**filters):
            if "SecretList" not in page:
                raise malformed_answer(self, prefix)
            yield from (item["Name"] for item in page["SecretList"] if item["Name"].startswith(prefix))

    def delete(self, key: str) -> None:  # type: ignore[override] # as in SecretStore
        """Delete `key` with all versions: at once, or restorable for `recovery_days`. Raises `SecretNotFound`."""
        found = self.call("describe_secret", key, expects="ARN", SecretId=self._named(key))
        if "DeletedDate" in found:
            message, hint = (
                f"{self.title} has deleted the secret {key!r}.",
                "It is gone when its recovery days are over.",
            )
            raise SecretNotFound(message, hint=hint, store=self.slug, key=key, reason="deleted")
        how: dict[str, Any] = {"ForceDeleteWithoutRecovery": True}
        if self.recovery_days is not None:
            how = {"RecoveryWindowInDays": self.recovery_days}
        self.call("delete_secret", key, expects="ARN", SecretId=key, **how)

    def _named(self, key: str) -> str:
        if not (_NAME.fullmatch(key) or _ARN.fullmatch(key)):
            self.refuse_key(key)
        return key

    def _selected(self, key: str, version: str | None) -> dict[str, Any]:
        if version is None:
            return {}
        if _VERSION_ID.fullmatch(version):
            return {"VersionId": version}
        if _STAGE.fullmatch(version):
            return {"VersionStage": version}
        message = f"{self.title} cannot have a version {version!r}."
        hint = "A version is an id of 32 to 64 characters, or a staging label such as AWSPREVIOUS."
        raise SecretNotFound(message, hint=hint, store=self.slug, key=key, reason="absent")


def _content(value: SecretStr | SecretBytes) -> dict[str, Any]:
    return {"SecretString" if isinstance(value, SecretStr) else "SecretBinary": value.get_secret_value()}


def _size(value: SecretStr | SecretBytes) -> int:
    content = value.get_secret_value()
    return len(content.encode() if isinstance(content, str) else content)
