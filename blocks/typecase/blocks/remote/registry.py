"""A registry behind a server."""

from typing import Final, Self
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from typecase.blocks.errors import SettingsError
from typecase.blocks.records import KeyStatus
from typecase.blocks.registry import Registry
from typecase.blocks.remote.client import Client
from typecase.blocks.remote.documents import RemoteDocuments, path_of
from typecase.blocks.remote.keys import RemoteKeys
from typecase.blocks.remote.trees import read_tree
from typecase.blocks.remote.types import RemoteTypes
from typecase.blocks.remote.workspaces import RemoteWorkspaces
from typecase.blocks.stored import Tree

_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class RemoteRegistry(Registry):
    """A registry behind a server. Who asks is who the token belongs to: TYPECASE_API_KEY, or that of `typecase login`.

    Every call may raise `SignInRequired`, `PermissionDenied`, `TooManyRequests`, `RegistryUnreachable`.
    """

    def __init__(self, url: str, *, token: SecretStr | None = None, ca: str | None = None) -> None:
        """Open the registry at `url`. No I/O before the first call."""
        self.url = address_of(url)
        self._client = Client(self.url, token=token, ca=ca)
        self.documents = RemoteDocuments(self._client)
        self.types = RemoteTypes(self._client)
        self.workspaces = RemoteWorkspaces(self._client)
        self.keys = RemoteKeys(self._client)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Open the registry at `url` with the token of the settings. Raises `SettingsError`."""
        return cls(url, token=token_at(address_of(url)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"

    def load(self, name: str, *, workspace: str, revision: int | None = None) -> Tree:
        """See `Registry.load`."""
        return read_tree(self._client.ask("POST", path_of(workspace, name, "load"), query={"revision": revision}))

    def load_id(self, document_id: str, *, revision: int | None = None) -> Tree:
        """See `Registry.load_id`."""
        path = f"/documents/{quote(document_id, safe='')}/load"
        return read_tree(self._client.ask("POST", path, query={"revision": revision}))

    def key_status(self) -> KeyStatus:
        """See `Registry.key_status`."""
        return self._client.get(KeyStatus, "GET", "/keys")

    def close(self) -> None:
        """Release connections. The registry may be used again afterwards."""
        self._client.close()


def token_at(address: str) -> SecretStr | None:
    """Return the token for a server: that of the settings, else that of `typecase login`, else none."""
    from typecase.blocks.settings import current_settings

    key = current_settings().api_key
    if key is not None:
        return key
    from typecase.blocks.remote.logins import token_for

    return token_for(address)


def address_of(url: str) -> str:
    """Return the address in `url` as requests need it. Raises `SettingsError`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in {"https", "http"} or not host or parts.query or parts.fragment:
        message = "The registry URL is not the address of a server."
        raise SettingsError(message, hint="Write https://typecase.example.com, without `?` and `#`.")
    if parts.username is not None or parts.password is not None:
        message = "The registry URL holds a name or password."
        raise SettingsError(
            message, hint="Leave it out: the token goes into TYPECASE_API_KEY, or run `typecase login`."
        )
    if parts.scheme == "http" and host not in _LOCAL:
        message = "The registry URL begins with http://, so that anyone on the way could read secrets."
        raise SettingsError(message, hint="Write https://, or put a TLS proxy in front of the server.")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{f':{port}' if port else ''}{parts.path.rstrip('/')}"
