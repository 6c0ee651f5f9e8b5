"""The calls of Secret Manager that a store makes."""

from typing import Any, Final

from pydantic import SecretBytes

from typecase.blocks.kinds.refusals import needs
from typecase.blocks.kinds.secret_store import SecretValue
from typecase.integrations.gcp.calls import call, damaged
from typecase.integrations.gcp.channels import Place
from typecase.integrations.gcp.checksums import crc32c
from typecase.integrations.gcp.faults import Fault, Meaning

PAGE: Final = 250
_SERVICE: Final = "/google.cloud.secretmanager.v1.SecretManagerService/"


def value_of(place: Place, name: str) -> SecretValue:
    """Return the content of a version, its checksum verified. Raises `Fault`."""
    types = _types()
    request = types.AccessSecretVersionRequest(name=name)
    answer = types.AccessSecretVersionResponse
    found = call(place, _SERVICE + "AccessSecretVersion", request, answer, about=name, check=_intact)
    return SecretValue(found.payload.data, version=found.name.rpartition("/")[2])


def add_version(place: Place, name: str, content: SecretBytes) -> None:
    """Add a version to the secret `name`. Raises `Fault`."""
    types = _types()
    data = content.get_secret_value()
    payload = types.SecretPayload(data=data, data_crc32c=crc32c(data))
    request = types.AddSecretVersionRequest(parent=name, payload=payload)
    call(place, _SERVICE + "AddSecretVersion", request, types.SecretVersion, about=name, changes=True, sent=data)


def create(place: Place, parent: str, key: str, *, locations: tuple[str, ...], regional: bool) -> None:
    """Create a secret without versions; one that is there already will do. Raises `Fault`."""
    types = _types()
    kept: dict[str, Any] = {"automatic": {}}
    if locations:
        kept = {"user_managed": {"replicas": [{"location": location} for location in locations]}}
    secret = types.Secret() if regional else types.Secret(replication=kept)
    request = types.CreateSecretRequest(parent=parent, secret_id=key, secret=secret)
    try:
        call(place, _SERVICE + "CreateSecret", request, types.Secret, about=parent, changes=True)
    except Fault as fault:
        if fault.meaning is not Meaning.EXISTS:
            raise


def remove(place: Place, name: str) -> None:
    """Delete a secret. Raises `Fault`."""
    types = _types()
    request = types.DeleteSecretRequest(name=name)
    call(place, _SERVICE + "DeleteSecret", request, _Nothing, about=name, changes=True)


def list_page(place: Place, parent: str, prefix: str, page: str, *, size: int = PAGE) -> tuple[list[str], str]:
    """Return the names on a page that start with `prefix`, and the token of the next page. Raises `Fault`."""
    types = _types()
    # The service finds the text anywhere in a name; where it starts is for us to see.
    sought = f"name:{prefix}" if prefix else ""
    request = types.ListSecretsRequest(parent=parent, page_size=size, page_token=page, filter=sought)
    found = call(place, _SERVICE + "ListSecrets", request, types.ListSecretsResponse, about=parent)
    names = [secret.name.rpartition("/")[2] for secret in found.secrets]
    return [name for name in names if name.startswith(prefix)], found.next_page_token


class _Nothing:
    """An empty answer."""

    @staticmethod
    def deserialize(data: bytes) -> bytes:
        """Accept what comes."""
        return data


def _intact(found: Any) -> None:
    payload = found.payload
    # An emulator may send none; Google always does.
    if "data_crc32c" in payload and payload.data_crc32c != crc32c(payload.data):
        raise damaged("the secret")


def _types() -> Any:
    with needs("gcp"):
        from google.cloud import secretmanager_v1
    return secretmanager_v1
