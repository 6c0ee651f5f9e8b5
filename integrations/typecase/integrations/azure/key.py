"""A key in an Azure Key Vault or Managed HSM, as root key."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn, Self

from typecase.blocks.errors import KeyUnavailable, NotSupported, TypecaseError
from typecase.blocks.key_provider import KeyProvider
from typecase.integrations.azure.clients import key_client, request
from typecase.integrations.azure.failures import Failure
from typecase.integrations.azure.key_errors import malformed, unavailable
from typecase.integrations.azure.key_url import KeyPlace, place_of
from typecase.integrations.azure.wrapping import (
    DIGEST,
    IV,
    TAG,
    How,
    Wrapped,
    bound,
    digest_of,
    not_ours,
    split_key_id,
)


def _forgetting(method: Callable[..., bytes]) -> Callable[..., bytes]:
    """Raise errors of `method` from a frame that holds no data key."""

    @wraps(method)
    def call(self: "AzureKeyVaultKey", data: bytes, *, context: tuple[bytes, ...]) -> bytes:
        __tracebackhide__ = True
        problem: TypecaseError
        try:
            return method(self, data, context=context)
        except TypecaseError as error:
            problem = error.with_traceback(None)
        del data
        raise problem

    return call


class AzureKeyVaultKey(KeyProvider):
    """A root key in Azure: `azurekeyvault://NAME.vault.azure.net/keys/KEY`, with `/VERSION` to wrap with one version.

    RSA keys wrap with RSA-OAEP-256: the data key goes together with a digest of its context, so that a wrapped key is
    bound to its place. Symmetric keys of a Managed HSM encrypt with AES-256-GCM and authenticate the context. What was
    wrapped by earlier versions of the key is unwrapped by them. The key never leaves its vault.
    """

    __slots__ = ("_place",)

    def __init__(self, place: KeyPlace) -> None:
        self._place = place

    @property
    def id(self) -> str:
        """Vault and name of the key, the same for all its versions."""
        host = self._place.access.host.lower().removesuffix(":443")
        return f"azurekeyvault:{host}/keys/{self._place.name.lower()}"

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Open the key that `url` names.

        Raises:
            SettingsError: `url` does not name a key.
            KeyUnavailable: `reason` is absent, forbidden, disabled, unreachable, or malformed (not fit to wrap).

        """
        key = cls(place_of(url))
        key._current()
        return key

    @_forgetting
    def wrap(self, plaintext: bytes, *, context: tuple[bytes, ...]) -> bytes:
        """Wrap a data key with the newest version of the key, or with the one that the URL pins."""
        __tracebackhide__ = True
        how, key_id = self._current()
        header = Wrapped(how, key_id, b"").header
        if how is How.RSA_OAEP_256:
            body = {"alg": "RSA-OAEP-256", "value": _encode(plaintext + digest_of(header, context))}
            answer = self._ask("wrapkey", key_id, body)
            return bytes(Wrapped(how, key_id, self._bytes(answer, "value")))
        body = {"alg": "A256GCM", "value": _encode(plaintext), "aad": _encode(bound(header, context))}
        answer = self._ask("encrypt", key_id, body)
        iv, tag = self._bytes(answer, "iv"), self._bytes(answer, "tag")
        if (len(iv), len(tag)) != (IV, TAG):
            raise malformed(self.id, "the service gave no usable nonce and tag")
        return bytes(Wrapped(how, key_id, iv + tag + self._bytes(answer, "value")))

    @_forgetting
    def unwrap(self, wrapped: bytes, *, context: tuple[bytes, ...]) -> bytes:
        """Unwrap with the version that wrapped.

        Raises:
            DecryptionFailed: damaged, moved, or wrapped by another root key.
            KeyUnavailable: the service did not do it; `reason` says why.

        """
        __tracebackhide__ = True
        found = Wrapped.parse(wrapped)
        named = split_key_id(found.key_id)
        if named is None or f"azurekeyvault:{named[0]}/keys/{named[1]}" != self.id:
            raise not_ours()
        if found.how is How.RSA_OAEP_256:
            body = {"alg": "RSA-OAEP-256", "value": _encode(found.content)}
            opened = self._bytes(self._ask("unwrapkey", found.key_id, body, sealed=True), "value")
            if not hmac.compare_digest(opened[-DIGEST:], digest_of(found.header, context)):
                raise not_ours()
            return opened[:-DIGEST]
        iv, tag, content = found.content[:IV], found.content[IV : IV + TAG], found.content[IV + TAG :]
        parts = {"value": content, "iv": iv, "tag": tag, "aad": bound(found.header, context)}
        body = {"alg": "A256GCM", **{name: _encode(part) for name, part in parts.items()}}
        return self._bytes(self._ask("decrypt", found.key_id, body, sealed=True), "value")

    def client(self) -> Any:
        """Return the `azure.keyvault.keys.KeyClient`, one per place and process."""
        return key_client(self._place.access)

    def _current(self) -> tuple[How, str]:
        """Return how the key wraps and its id with version; an RSA key is asked for nothing secret."""
        access, name, version = self._place
        found = request(access, lambda: key_client(access).get_key(name, version, retry_total=0))
        if isinstance(found, Failure):
            raise unavailable(found, self.id, place=f"Azure Key Vault {access.host}")
        if found.properties.enabled is False:
            raise KeyUnavailable(
                f"The root key {self.id} is disabled.",
                hint="Enable it: az keyvault key set-attributes --enabled true",
                reason="disabled",
            )
        named = split_key_id(str(found.id))
        if named is None or f"azurekeyvault:{named[0]}/keys/{named[1]}" != self.id:
            raise malformed(self.id, "the service answered about another key")
        kind, allowed = _text(found.key_type), {_text(operation) for operation in found.key_operations or ()}
        if kind.upper().startswith("RSA") and {"wrapKey", "unwrapKey"} <= allowed:
            return How.RSA_OAEP_256, str(found.id)
        if kind.lower().startswith("oct") and {"encrypt", "decrypt"} <= allowed:
            return How.A256GCM, str(found.id)
        raise malformed(self.id, f"a key of type {kind} that may {', '.join(sorted(allowed)) or 'nothing'} cannot wrap")

    def _ask(self, operation: str, key_id: str, body: dict[str, str], *, sealed: bool = False) -> dict[str, Any]:
        from azure.core.rest import HttpRequest

        access = self._place.access
        path = "/" + key_id.partition("://")[2].partition("/")[2]

        def send() -> Any:
            # Not the SDK's CryptographyClient: it wraps by itself with a public key that may be disabled by now.
            post = HttpRequest("POST", f"{path}/{operation}", json=body)
            answer = key_client(access).send_request(post, retry_total=0)
            answer.raise_for_status()
            return answer.json()

        outcome = request(access, send, secrets=(body["value"],))
        if isinstance(outcome, Failure):
            if sealed and outcome.kind == "refused":
                raise not_ours()
            if sealed and outcome.kind == "absent":
                # The key is there, so it is its version that is not: no version is ever removed alone.
                self._current()
                raise not_ours()
            raise unavailable(outcome, self.id, place=f"Azure Key Vault {access.host}")
        return outcome if isinstance(outcome, dict) else {}

    def _bytes(self, answer: dict[str, Any], name: str) -> bytes:
        text = answer.get(name)
        try:
            if isinstance(text, str) and text:
                return urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            pass
        raise malformed(self.id, f"the service answered without a usable {name!r}", reason="unreachable")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"

    def __reduce__(self) -> NoReturn:
        raise NotSupported(
            f"{type(self).__name__} stands for a root key and is not pickled or copied.",
            hint="Send its URL and open it on the other side.",
        )


def _text(member: Any) -> str:
    return str(getattr(member, "value", member))


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
