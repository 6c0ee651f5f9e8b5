"""Who one is to a server, and signing in to it."""

from contextlib import closing
from datetime import datetime

from pydantic import BaseModel, SecretStr

from typecase.blocks.remote.client import Client
from typecase.blocks.remote.requests import Request
from typecase.blocks.sanitizing import forgetful


class Me(BaseModel):
    """Who the token belongs to."""

    id: str
    name: str
    kind: str


class MadeToken(BaseModel):
    """What is known about a token that was just made."""

    principal: str
    expires_at: datetime | None


class SignedIn(BaseModel):
    """A token that was just made, and whose it is."""

    token: MadeToken
    text: SecretStr


class _Password(Request):
    name: str
    password: str
    client: str


@forgetful
def sign_in(url: str, name: str, password: SecretStr, *, client: str) -> SignedIn:
    """Return a new token of the person `name`. Raises `SignInRequired`, `TooManyRequests`, `RegistryUnreachable`."""
    content = _Password(name=name, password=password.get_secret_value(), client=client).model_dump_json().encode()
    with closing(Client(url)) as connection:
        return connection.get(SignedIn, "POST", "/sign-in/password", content=content)


def who_am_i(url: str, token: SecretStr | None) -> Me:
    """Return who `token` belongs to at the server. Raises `SignInRequired`, `RegistryUnreachable`."""
    with closing(Client(url, token=token)) as connection:
        return connection.get(Me, "GET", "/me")
