"""Root keys in AWS KMS."""

from base64 import b64encode
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Final, NoReturn, Self

from typecase.blocks.errors import DecryptionFailed, NotSupported
from typecase.blocks.key_provider import KeyProvider
from typecase.blocks.kinds.sql_errors import raise_alone
from typecase.integrations.aws.credentials import AwsCredentials
from typecase.integrations.aws.key_calls import call, damaged, not_kms, unavailable
from typecase.integrations.aws.key_urls import place_of

_VERSION: Final = b"\x01"
_DIGEST: Final = 32
_LONGEST: Final = 6144  # what KMS decrypts at most
_CONTEXT_KEY: Final = "typecase"


class AwsKmsKey(KeyProvider):
    """A symmetric root key in AWS KMS, which never leaves it: `awskms://alias/NAME`, `awskms://ID`, `awskms:///ARN`.

    The URL takes `?region=&profile=&role=&endpoint=`. The context of a data key is KMS's encryption context, under the
    name `typecase`. Multi-region keys have an id in each region, so open them under the one that wrapped.

    Tested against: moto's server and a server that plays faults; not against AWS KMS. moto decrypts with disabled keys.
    """

    __slots__ = ("_arn", "_credentials")

    def __init__(self, arn: str, credentials: AwsCredentials) -> None:
        self._arn = arn
        self._credentials = credentials

    @property
    def id(self) -> str:
        """`awskms:` and the ARN of the key, whatever alias the URL named."""
        return f"awskms:{self._arn}"

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Look up the key that `url` names.

        Raises:
            SettingsError: `url` names no key.
            KeyUnavailable: no usable key is there; `reason` says why, `state` what KMS says of it.

        """
        name, credentials = place_of(url)
        found = call(credentials, name, "describe_key", KeyId=name).get("KeyMetadata", {})
        state, arn = found.get("KeyState", ""), found.get("Arn", "")
        if not arn or not state:
            raise not_kms(name)
        kind = (found.get("KeyUsage", "ENCRYPT_DECRYPT"), found.get("KeySpec", "SYMMETRIC_DEFAULT"))
        if kind != ("ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT"):
            text = f"it is for {kind[0]} with {kind[1]}"
            raise unavailable(
                name, "malformed", text, "Use a symmetric key for encryption and decryption.", state=state
            )
        if state == "PendingDeletion":
            hint = "Cancel its deletion at once: what it encrypted is lost with it."
            raise unavailable(name, "disabled", "it is scheduled for deletion", hint, state=state)
        if state != "Enabled":
            raise unavailable(name, "disabled", f"its state is {state}", "Enable it in KMS.", state=state)
        return cls(arn, credentials)

    def wrap(self, plaintext: bytes, *, context: tuple[bytes, ...]) -> bytes:
        """Encrypt a data key in KMS for the place that `context` names.

        Raises:
            KeyUnavailable: KMS does not answer, or does not allow it.

        """
        __tracebackhide__ = True
        try:
            blob = self._ask("encrypt", context, Plaintext=plaintext).get("CiphertextBlob")
        finally:
            del plaintext
        if not isinstance(blob, bytes) or not blob:
            raise not_kms(self._arn)
        return _VERSION + self._digest(blob, context) + blob

    def unwrap(self, wrapped: bytes, *, context: tuple[bytes, ...]) -> bytes:
        """Decrypt in KMS what `wrap` made for the same context.

        Raises:
            DecryptionFailed: damaged, moved, or wrapped by another root key.
            KeyUnavailable: KMS does not answer, or does not allow it.

        """
        __tracebackhide__ = True
        head, blob = wrapped[: 1 + _DIGEST], wrapped[1 + _DIGEST :]
        # The digest proves nothing against an attacker, KMS does that. It tells damage from a refusal without asking:
        # to KMS, a ciphertext with a damaged key id is one of a key that the caller may not use.
        if not 0 < len(blob) <= _LONGEST or not compare_digest(head, _VERSION + self._digest(blob, context)):
            raise damaged(self.id)
        answer = self._ask("decrypt", context, CiphertextBlob=blob)
        plaintext = answer.pop("Plaintext", None)
        if not isinstance(plaintext, bytes) or "KeyId" not in answer:
            del plaintext
            raise not_kms(self._arn)
        if answer["KeyId"] != self._arn:
            del plaintext
            raise damaged(self.id)
        return plaintext

    def _ask(self, operation: str, context: tuple[bytes, ...], **parameters: bytes) -> dict[str, Any]:
        __tracebackhide__ = True
        named = {_CONTEXT_KEY: b64encode(_joined(context)).decode()}
        try:
            return call(self._credentials, self._arn, operation, KeyId=self._arn, EncryptionContext=named, **parameters)
        except DecryptionFailed:
            problem = damaged(self.id)
        finally:
            del parameters
        return raise_alone(problem)

    def _digest(self, blob: bytes, context: tuple[bytes, ...]) -> bytes:
        return sha256(_joined((self._arn.encode(), _joined(context), blob))).digest()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"

    def __reduce__(self) -> NoReturn:
        raise NotSupported(
            f"{type(self).__name__} stands for a root key and is not pickled or copied.",
            hint="Send its URL and call open_key() on the other side.",
        )


def _joined(parts: tuple[bytes, ...]) -> bytes:
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)
