"""The block types and documents that the registry contract works with."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from typecase.blocks.block import Block
from typecase.blocks.block_type import BlockType
from typecase.blocks.errors import SecretNotFound
from typecase.blocks.fields import field
from typecase.blocks.kinds import Credentials, SecretStore
from typecase.blocks.records import Draft
from typecase.blocks.registry import Registry
from typecase.blocks.schema import definition_of

LOGIN = "contract-login"
PIPELINE = "contract-pipeline"
SECRET = 'contract-secret-\u00e9/+"&'  # noqa: S105  what the contract looks for


class Login(Credentials):
    """A name and a password."""

    __block__ = BlockType(slug=LOGIN, icon="key")

    user: str = field("", help="Name at sign-in")
    password: SecretStr | None = field(None, help="Password at sign-in")

    def client(self) -> str:
        """Return the name."""
        return self.user


class Step(BaseModel):
    """A nested model with a secret."""

    name: str = ""
    token: SecretStr | None = None


class Pipeline(Block):
    """Secrets and other blocks at every depth."""

    __block__ = BlockType(slug=PIPELINE, icon="pipe")

    size: int = field(1, ge=1, help="Number of workers")
    login: Login | None = field(None, help="One block of a type")
    logins: list[Credentials] = field(default_factory=list[Credentials], help="Blocks of a kind")
    blocks: dict[str, Block] = field(default_factory=dict[str, Block], help="Any blocks")
    step: Step | None = field(None, help="A model with a secret")
    steps: dict[str, list[Step]] = field(default_factory=dict[str, list[Step]], help="Models with secrets, deep")
    tokens: list[SecretStr] = field(default_factory=list[SecretStr], help="Secrets in a list")
    keys: dict[str, SecretStr] = field(default_factory=dict[str, SecretStr], help="Secrets in a dict")
    pair: tuple[str, SecretStr] | None = field(None, help="A secret in a tuple")
    either: int | SecretStr | None = field(None, help="A secret in a union")
    table: Secret[dict[str, int]] | None = field(None, help="A secret with structure")


class Drawer(SecretStore):
    """Secrets as files of a folder."""

    __block__ = BlockType(slug="contract-drawer", icon="drawer")

    folder: str
    token: SecretStr | None = None

    def get(self, key: str, version: str | None = None) -> SecretStr:  # noqa: ARG002 - it has no versions
        """Return what its file holds."""
        try:
            return SecretStr(self._file(key).read_text("utf-8"))
        except FileNotFoundError:
            raise SecretNotFound(f"There is no secret {key!r}.", hint="Name another.") from None

    def put(self, key: str, value: SecretStr | SecretBytes) -> None:
        """Write its file."""
        content = value.get_secret_value()
        self._file(key).write_bytes(content if isinstance(content, bytes) else content.encode())

    def list(self, prefix: str = "") -> Iterator[str]:
        """Return the keys of all files, in order."""
        keys = [unquote(path.name) for path in Path(self.folder).iterdir()]
        return iter(sorted(key for key in keys if key.startswith(prefix)))

    def delete(self, key: str) -> None:  # type: ignore[override] # on a store, it deletes a secret
        """Remove its file."""
        self._file(key).unlink()

    def _file(self, key: str) -> Path:
        return Path(self.folder) / quote(key, safe="")


SECRETS_EVERYWHERE: dict[str, Any] = {
    "size": 2,
    "login": {"$type": LOGIN, "user": "inline", "password": SECRET},
    "step": {"name": "one", "token": SECRET},
    "steps": {"all": [{"name": "two", "token": SECRET}]},
    "tokens": [SECRET],
    "keys": {"a": SECRET},
    "pair": ["left", SECRET],
    "either": SECRET,
    "table": {SECRET: 1},
}


def register_samples(registry: Registry) -> None:
    """Register the sample types, each at schema version 1."""
    for cls in (Login, Pipeline):
        registry.types.register(definition_of(cls))


def login(name: str, *, workspace: str = "default", user: str = "ada", **facts: Any) -> Draft:
    """A draft of a login with the sample secret."""
    data = {"user": user, "password": SECRET}
    return Draft(name=name, workspace=workspace, type_slug=LOGIN, schema_version=1, data=data, **facts)


def pipeline(name: str, *, workspace: str = "default", fields: dict[str, Any] | None = None, **facts: Any) -> Draft:
    """A draft of a pipeline with the given fields."""
    return Draft(name=name, workspace=workspace, type_slug=PIPELINE, schema_version=1, data=fields or {}, **facts)


def refer(target: Any) -> dict[str, Any]:
    """A field that refers to `target`."""
    return {"$block": target}
