"""Parameters in AWS Systems Manager."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Final, Literal

from pydantic import SecretBytes, SecretStr

from typecase.blocks.block_type import BlockType
from typecase.blocks.errors import SecretNotFound
from typecase.blocks.fields import field
from typecase.blocks.kinds.secret_store import SecretValue
from typecase.integrations.aws.failures import malformed_answer, malformed_secret
from typecase.integrations.aws.store import AwsStore

_NAME: Final = re.compile(r"(?:[A-Za-z0-9_.-]+|(?:/[A-Za-z0-9_.-]+){1,15})")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_.-]*|(?:/[A-Za-z0-9_.-]*){1,15}")
_ARN: Final = re.compile(r"arn:[\w-]+:ssm:[a-z0-9-]+:\d{12}:parameter(?:/[A-Za-z0-9_.-]+){1,15}", re.ASCII)
_VERSION: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_LONGEST_NAME: Final = 1011
_STANDARD: Final = 4096
_ADVANCED: Final = 8192


class AwsParameterStore(AwsStore):
    """Parameters in the Parameter Store of AWS Systems Manager.

    All types are read, `SecureString` decrypted; what is put is a `SecureString`. A version is a number or a label.

    Tested against: moto's server, and a server that plays faults; not against AWS. moto does not encrypt: it shows that
    decryption is asked for, not that KMS allows it.
    """

    __block__ = BlockType(slug="aws-parameter-store", title="AWS Parameter Store", icon="amazonwebservices")

    service: ClassVar[str] = "ssm"
    listing: ClassVar[tuple[str, int]] = ("describe_parameters", 50)
    permissions: ClassVar[str] = "Allow ssm:GetParameter on its ARN, and kms:Decrypt on the KMS key that encrypts it."
    naming: ClassVar[str] = (
        "Names have letters, digits and _.-; with slashes they begin with one, such as /prod/db, and have 15 at most."
    )

    kms_key_id: str | None = field(
        None,
        min_length=1,
        help="KMS key that encrypts what `put` stores. Empty = `aws/ssm`.",
        example="alias/etl",
        advanced=True,
    )
    tier: Literal["Standard", "Advanced", "Intelligent-Tiering"] | None = field(
        None,
        help="Tier of what `put` stores: up to 4 KiB, or up to 8 KiB for money. Empty = the account's default.",
        advanced=True,
    )

    def key_of(self, *parts: str) -> str:
        """Return the path of `parts`, which begins with a slash."""
        return f"/{'/'.join(parts)}"

    def read(self, key: str, version: str | None = None) -> SecretValue:
        """Return the parameter `key`, decrypted, with its version. Raises as `SecretStore.get`."""
        __tracebackhide__ = True
        if not (self._fits(key) or _ARN.fullmatch(key)):
            self.refuse_key(key)
        if version is not None and not _VERSION.fullmatch(version):
            message = f"{self.title} cannot have a version {version!r}."
            hint = "A version is a number or a label."
            raise SecretNotFound(message, hint=hint, store=self.slug, key=key, reason="absent")
        name = key if version is None else f"{key}:{version}"
        answer = self.call("get_parameter", key, version, expects="Parameter", Name=name, WithDecryption=True)
        answer = answer["Parameter"]
        content = answer.get("Value")
        if not isinstance(content, str) or "Version" not in answer:
            del answer, content
            raise malformed_answer(self, key)
        return SecretValue(content, version=str(answer["Version"]))

    def put(self, key: str, value: SecretStr | SecretBytes) -> None:
        """Store `value` as a `SecureString`, as a new version of `key`. Raises `SecretMalformed` if it does not fit."""
        __tracebackhide__ = True
        if not self._fits(key):
            self.refuse_key(key)
        size, is_text = _measured(value)
        largest = _STANDARD if self.tier == "Standard" else _ADVANCED
        if not is_text:
            raise malformed_secret(self, key, "it is binary", "Encode it as base64 first.")
        if not 0 < size <= largest:
            what = f"it has {size} bytes, and 1 to {largest} are possible"
            raise malformed_secret(self, key, what, "AwsSecretsManager holds up to 64 KiB.")
        further: dict[str, Any] = {"KeyId": self.kms_key_id, "Tier": self.tier}
        given = {name: item for name, item in further.items() if item is not None}
        given |= {"Name": key, "Type": "SecureString", "Overwrite": True}
        self.call("put_parameter", key, expects="Version", Value=_text(value), **given)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Iterate over the names that start with `prefix`, page after page, without asking for values."""
        filters: dict[str, Any] = {}
        if prefix:
            if _PREFIX.fullmatch(prefix) is None:
                self.refuse_key(prefix)
            filters = {"ParameterFilters": [{"Key": "Name", "Option": "BeginsWith", "Values": [prefix]}]}
        for page in self.pages(**filters):
            if "Parameters" not in page:
                raise malformed_answer(self, prefix)
            yield from (item["Name"] for item in page["Parameters"] if item["Name"].startswith(prefix))

    def delete(self, key: str) -> None:  # type: ignore[override] # as in SecretStore
        """Delete `key` with all its versions. Raises `SecretNotFound`."""
        if not self._fits(key):
            self.refuse_key(key)
        self.call("delete_parameter", key, Name=key)

    @staticmethod
    def _fits(key: str) -> bool:
        return len(key) <= _LONGEST_NAME and _NAME.fullmatch(key) is not None


def _measured(value: SecretStr | SecretBytes) -> tuple[int, bool]:
    content = value.get_secret_value()
    if isinstance(content, str):
        return len(content.encode()), True
    try:
        content.decode()
    except UnicodeDecodeError:
        return len(content), False
    return len(content), True


def _text(value: SecretStr | SecretBytes) -> str:
    content = value.get_secret_value()
    return content if isinstance(content, str) else content.decode()
