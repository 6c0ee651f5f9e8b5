"""A root key in Cloud KMS."""

import logging
from secrets import token_bytes
from typing import Any, Final, NoReturn, Self

from typecase.blocks.errors import DecryptionFailed, KeyUnavailable, NotSupported, TypecaseError
from typecase.blocks.key_provider import KeyProvider
from typecase.blocks.kinds.refusals import needs
from typecase.integrations.gcp.calls import call, damaged
from typecase.integrations.gcp.channels import Place
from typecase.integrations.gcp.checksums import crc32c
from typecase.integrations.gcp.faults import Fault, Meaning
from typecase.integrations.gcp.kms_address import read_url
from typecase.integrations.gcp.kms_errors import unavailable, usable

_SERVICE: Final = "/google.cloud.kms.v1.KeyManagementService/"
_TAG: Final = b"typecase/gcpkms/1"
_TRIAL: Final = (b"typecase", b"trial")
_LARGEST: Final = 64 * 1024


class GcpKmsKey(KeyProvider):
    """A symmetric key in Cloud KMS: `gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K`.

    It signs in with the identity of the machine; `?impersonate=` acts as another. Google's key service encrypts and
    decrypts, so the root key never comes here. The context travels as additional authenticated data.

    `tried` is true where the identity may not describe the key: then it was opened by wrapping and unwrapping a trial.

    Tested against: a gRPC server of our own with TLS and Google's message types; not against Google.
    """

    __slots__ = ("_name", "_place", "tried")

    def __init__(self, name: str, place: Place) -> None:
        """Name the key `name`, a resource name, at `place`; nothing is asked yet."""
        self._name = name
        self._place = place
        self.tried = False

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Open the key that `url` names: see that it is there, enabled and made for this.

        Raises:
            SettingsError: `url` names no key.
            MissingPackage: Google's packages are not installed.
            KeyUnavailable: absent, forbidden, disabled, destroyed, unreachable or malformed (made for another purpose).

        """
        key = cls(*read_url(url))
        problem: KeyUnavailable | None = None
        try:
            usable(key._describe(), key._name)
        except Fault as fault:
            if fault.meaning is not Meaning.FORBIDDEN or fault.hint:
                problem = unavailable(fault, key._name)
        else:
            return key
        if problem is not None:
            raise problem
        trial = token_bytes(32)
        if key.unwrap(key.wrap(trial, context=_TRIAL), context=_TRIAL) != trial:
            raise DecryptionFailed(f"{key._name} does not give back what it wrapped.", hint="Choose another key.")
        key.tried = True
        log = logging.getLogger(__name__)
        log.info("%s may not be described (cloudkms.cryptoKeys.get), so it was tried instead", key._name)
        return key

    @property
    def id(self) -> str:
        """The resource name of the key after `gcpkms:`; all its versions are the same root key."""
        return f"gcpkms:{self._name}"

    def wrap(self, plaintext: bytes, *, context: tuple[bytes, ...]) -> bytes:
        """Encrypt a data key with the primary version, for the place that `context` names.

        Raises:
            KeyUnavailable: the key cannot be used now; `reason` says why.

        """
        types = _types()
        aad = _joined(context)
        request = types.EncryptRequest(
            name=self._name,
            plaintext=plaintext,
            plaintext_crc32c=crc32c(plaintext),
            additional_authenticated_data=aad,
            additional_authenticated_data_crc32c=crc32c(aad),
        )
        try:
            wrapped: bytes = self._ask(
                "Encrypt", request, types.EncryptResponse, check=_wrapped_whole, sent=plaintext
            ).ciphertext
        except TypecaseError as error:
            problem = error.with_traceback(None)
        else:
            return wrapped
        # A traceback that shows local variables reaches this frame.
        del plaintext, request
        raise problem

    def unwrap(self, wrapped: bytes, *, context: tuple[bytes, ...]) -> bytes:
        """Decrypt what `wrap` made for the same context, with any version.

        Raises:
            DecryptionFailed: damaged, moved, or wrapped by another root key.
            KeyUnavailable: the key, or the version that wrapped it, cannot be used now; `reason` says why.

        """
        if not 0 < len(wrapped) <= _LARGEST:
            raise self._undecryptable()
        types = _types()
        aad = _joined(context)
        request = types.DecryptRequest(
            name=self._name,
            ciphertext=wrapped,
            ciphertext_crc32c=crc32c(wrapped),
            additional_authenticated_data=aad,
            additional_authenticated_data_crc32c=crc32c(aad),
        )
        found = self._ask("Decrypt", request, types.DecryptResponse, check=_unwrapped_whole)
        plaintext: bytes = found.plaintext
        return plaintext

    def _describe(self) -> Any:
        types = _types()
        request = types.GetCryptoKeyRequest(name=self._name)
        return call(self._place, _SERVICE + "GetCryptoKey", request, types.CryptoKey, about=self._name)

    def _ask(self, method: str, request: Any, answer: Any, *, check: Any, sent: bytes = b"") -> Any:
        try:
            return call(self._place, _SERVICE + method, request, answer, about=self._name, check=check, sent=sent)
        except Fault as fault:
            problem: TypecaseError = unavailable(fault, self._name)
            if fault.meaning is Meaning.INVALID and method == "Decrypt":
                problem = self._undecryptable()
        raise problem

    def _undecryptable(self) -> DecryptionFailed:
        message = f"{self._name} did not wrap this, or it is damaged or was moved."
        return DecryptionFailed(message, hint="Check that TYPECASE_KEY names the key that the registry was made with.")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"

    def __reduce__(self) -> NoReturn:
        """Refuse: connections and identity belong to this process."""
        raise NotSupported(
            f"{type(self).__name__} is not pickled or copied.",
            hint="Send its URL and call open_key() on the other side.",
        )


def _joined(context: tuple[bytes, ...]) -> bytes:
    """Return `context` as one text that no other context has."""
    return b"".join(len(part).to_bytes(8, "big") + part for part in (_TAG, *context))


def _wrapped_whole(found: Any) -> None:
    received = found.verified_plaintext_crc32c and found.verified_additional_authenticated_data_crc32c
    if not received or found.ciphertext_crc32c != crc32c(found.ciphertext):
        raise damaged("the data key")


def _unwrapped_whole(found: Any) -> None:
    if found.plaintext_crc32c != crc32c(found.plaintext):
        raise damaged("the data key")


def _types() -> Any:
    with needs("gcp"):
        from google.cloud import kms_v1
    return kms_v1
