"""Signing in without a token: by password, or by a one-time link."""

from datetime import UTC, datetime, timedelta
from typing import Final

from fastapi import APIRouter, Response
from pydantic import Field, SecretStr

from typecase.blocks.remote.requests import Request
from typecase.registry.access.records import NewToken
from typecase.registry.access.tokens import Limits
from typecase.registry.authorized import About
from typecase.registry.server.asks import AsksFor
from typecase.registry.server.problems import described

router = APIRouter(tags=["sign-in"], prefix="/sign-in")

_LASTS: Final = timedelta(days=30)


class PasswordGiven(Request):
    """Who signs in, and with what."""

    name: str = Field(max_length=200, examples=["ada"])
    password: SecretStr = Field(max_length=1024)
    client: str = Field("command line", max_length=100, description="Name of the token that is made.")


class FirstAdmin(Request):
    """The first admin, by the code of `typecase access first-admin`."""

    code: SecretStr = Field(max_length=200)
    name: str = Field(max_length=200, examples=["ada"])
    password: SecretStr = Field(max_length=1024)


class NewPassword(Request):
    """Another password, by the code of a one-time link."""

    code: SecretStr = Field(max_length=200)
    password: SecretStr = Field(max_length=1024)


@router.post("/password", response_model=NewToken, status_code=201, responses=described())
def sign_in_with_password(asks: AsksFor, body: PasswordGiven) -> Response:
    """Make a token of one's own that lasts 30 days. Its text is shown once."""

    def work() -> NewToken:
        access = asks.server.access
        with asks.signing_in(body.name):
            person = access.sign_in.check(body.name, body.password.get_secret_value(), asks.address)
        asking = asks.asking_as(person)
        limits = Limits(expires_at=datetime.now(UTC) + _LASTS)
        return asking.change(
            lambda: access.tokens.create(asking.caller, asking.caller.name, body.client, limits=limits),
            lambda *_: About(action="sign-in", facts={"how": "password"}),
        )

    return asks.answer(NewToken, work, status=201)


@router.post("/first-admin", status_code=204, response_class=Response, responses=described())
def make_first_admin(asks: AsksFor, body: FirstAdmin) -> Response:
    """Make the first admin of the server. Works once, and only while there is none."""
    asking = asks.unknown(body.name)
    asking.change(
        lambda: asks.server.access.links.make_first_admin(
            body.code.get_secret_value(), body.name, body.password.get_secret_value()
        ),
        lambda *_: About(action="principal.create", facts={"name": body.name, "how": "first admin"}),
    )
    return Response(status_code=204)


@router.post("/new-password", status_code=204, response_class=Response, responses=described())
def set_new_password(asks: AsksFor, body: NewPassword) -> Response:
    """Set a password by a one-time link. All sessions of the person end."""
    asking = asks.unknown("")
    asking.change(
        lambda: asks.server.access.links.set_password(body.code.get_secret_value(), body.password.get_secret_value()),
        lambda _, person: About(action="password.set", facts={"for": person}),
    )
    return Response(status_code=204)
