"""The ways to sign in to Vault."""

import os
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from typecase.blocks.fields import field
from typecase.integrations.hashicorp.answers import Refused, SignInRefused
from typecase.integrations.hashicorp.tokens import Token

SERVICE_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"
MOUNT: Final = r"^[^/\s?#%]+(/[^/\s?#%]+)*$"

_REFUSALS: Final = frozenset({400, 401, 403, 404})


class Ask(Protocol):
    """Sends one request to Vault. Raises `Refused` and `NoAnswer`."""

    def __call__(
        self, method: str, path: str, *, token: str = "", json: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return Vault's answer."""
        ...


class SignIn(BaseModel):
    """A way to sign in."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    def token(self, ask: Ask, now: float) -> Token:
        """Sign in. Raises `SignInRefused`, `Refused`, `NoAnswer`."""
        path, content = self.request()
        try:
            answer = ask("POST", f"auth/{path}/login", json=content)
        except Refused as refusal:
            if refusal.status not in _REFUSALS:
                raise
            where = f"Check role, credentials and that the method is mounted at auth/{path}."
            raise SignInRefused(f"the sign-in at auth/{path} was refused: {refusal.text}", where) from None
        return Token.of(answer.get("auth"), "client_token", "lease_duration", now)

    def request(self) -> tuple[str, dict[str, Any]]:
        """Return where to sign in and with what."""
        raise NotImplementedError


class TokenSignIn(SignIn):
    """A token that somebody else obtained."""

    method: Literal["token"] = field("token", help="Sign in with a token.")
    value: SecretStr | None = field(
        None, help="The token. Empty: `VAULT_TOKEN`, else the file `~/.vault-token` that `vault login` writes."
    )

    def token(self, ask: Ask, now: float) -> Token:
        """Look the token up, for its end."""
        value = _header(self.value.get_secret_value() if self.value is not None else ambient_token(), "token")
        try:
            found = ask("GET", "auth/token/lookup-self", token=value).get("data")
        except Refused as refusal:
            if refusal.unknown_token:
                raise SignInRefused("the token is not valid", "Give another token, or `vault login`.") from None
            if refusal.status not in _REFUSALS:
                raise
            # A token without the default policy may not look itself up: the first request tells whether it is good.
            found = {}
        facts = found if isinstance(found, dict) else {}
        return Token.of({**facts, "id": value}, "id", "ttl", now)


class AppRoleSignIn(SignIn):
    """An AppRole: for machines and jobs."""

    method: Literal["approle"] = field("approle", help="Sign in with an AppRole.")
    role_id: str = field(min_length=1, help="The role's id.", example="59d6d1ca-47bb-4e7e-a40b-8be3bc5a0ba8")
    secret_id: SecretStr | None = field(None, help="A secret id of the role. Empty where the role asks for none.")
    mount: str = field("approle", pattern=MOUNT, help="Where the method is mounted, after `auth/`.")

    def request(self) -> tuple[str, dict[str, Any]]:
        """Role id and secret id."""
        secret = {} if self.secret_id is None else {"secret_id": self.secret_id.get_secret_value()}
        return self.mount, {"role_id": self.role_id, **secret}


class KubernetesSignIn(SignIn):
    """The service account of a pod."""

    method: Literal["kubernetes"] = field("kubernetes", help="Sign in with a pod's service account.")
    role: str = field(min_length=1, help="The role in Vault.", example="flows")
    jwt_path: str = field(SERVICE_ACCOUNT, min_length=1, help="File with the service account's token.")
    mount: str = field("kubernetes", pattern=MOUNT, help="Where the method is mounted, after `auth/`.")

    def request(self) -> tuple[str, dict[str, Any]]:
        """The role, and the token as the file holds it now."""
        return self.mount, {"role": self.role, "jwt": _content(self.jwt_path)}


class JwtSignIn(SignIn):
    """A JSON Web Token of an identity provider, such as that of a CI job."""

    method: Literal["jwt"] = field("jwt", help="Sign in with a JSON Web Token.")
    role: str | None = field(None, help="The role in Vault. Empty: the method's default role.", example="ci")
    jwt: SecretStr | None = field(None, help="The token.")
    jwt_path: str | None = field(None, help="File with the token, in place of `jwt`.")
    mount: str = field("jwt", pattern=MOUNT, help="Where the method is mounted, after `auth/`.")

    @model_validator(mode="after")
    def _one_token(self) -> "JwtSignIn":
        if (self.jwt is None) == (self.jwt_path is None):
            # Without the names of the fields: an error that holds a value of the sign-in, even its method, is hidden.
            message = "give the token or the path of its file, one of the two"
            raise ValueError(message)
        return self

    def request(self) -> tuple[str, dict[str, Any]]:
        """The role, and the token."""
        jwt = self.jwt.get_secret_value() if self.jwt is not None else _content(self.jwt_path or "")
        return self.mount, {"jwt": jwt, **({} if self.role is None else {"role": self.role})}


AnySignIn: TypeAlias = Annotated[
    TokenSignIn | AppRoleSignIn | KubernetesSignIn | JwtSignIn, Field(discriminator="method")
]


def ambient_token() -> str:
    """Return the token of `VAULT_TOKEN`, else of `~/.vault-token`, as Vault's own tools do. Raises `SignInRefused`."""
    token = os.environ.get("VAULT_TOKEN", "").strip()
    if token:
        return token
    try:
        token = (Path.home() / ".vault-token").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError, RuntimeError):
        token = ""
    if not token:
        hint = "Set VAULT_TOKEN, run `vault login`, or give the block a sign-in."
        raise SignInRefused("there is no token: VAULT_TOKEN is not set and ~/.vault-token holds none", hint)
    return token


def _content(path: str) -> str:
    problem = "is empty"
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        text, problem = "", f"cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}"
    if not text:
        raise SignInRefused(f"the file {path} with the token {problem}", "Check the path in the sign-in.")
    return text


def _header(text: str, name: str) -> str:
    text = text.strip()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise SignInRefused(f"the {name} is not printable ASCII in one word", "Copy it anew.")
    return text
