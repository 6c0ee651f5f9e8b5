"""What a server is told from outside."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from typecase.blocks.errors import SettingsError

PREFIX: Final = "TYPECASE_SERVER_"


def _split(given: object) -> object:
    return [item.strip() for item in given.split(",") if item.strip()] if isinstance(given, str) else given


Networks: TypeAlias = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_split)]


class ServerSettings(BaseSettings):
    """The settings of `typecase serve`, from `TYPECASE_SERVER_*` variables. Options of the command come first."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8420, ge=0, le=65535, description="Port to listen on; 0 takes a free one")
    tls_cert: Path | None = Field(None, description="File with the certificate for TLS and those that vouch for it")
    tls_key: Path | None = Field(None, description="File with the key of that certificate")
    public_url: str = Field("", description="Address that people and clients use, where a proxy stands in front")
    trusted_proxies: Networks = Field(
        (),
        description="Networks of proxies whose X-Forwarded-For is believed, with commas between them; others are not",
    )
    max_body: int = Field(4 * 1024 * 1024, ge=1024, description="Largest request, in bytes")
    max_depth: int = Field(64, ge=8, le=200, description="Deepest nesting of a request's JSON")
    body_seconds: float = Field(15.0, gt=0, description="Seconds in which a request must have arrived")
    max_header: int = Field(32 * 1024, ge=1024, description="Largest head of a request, in bytes")
    header_seconds: float = Field(10.0, gt=0, description="Seconds in which the head of a request must have arrived")
    keep_alive_seconds: int = Field(75, ge=1, description="Seconds that a connection is kept for the next request")
    max_connections: int = Field(1000, ge=1, description="Connections that are open at a time; further ones get 503")
    statement_seconds: float = Field(20.0, gt=0, description="Seconds that one statement on PostgreSQL may take")
    pool: int = Field(15, ge=1, le=500, description="Connections to PostgreSQL that one process opens")
    requests_per_minute: int = Field(6000, ge=1, description="Requests that one token may make in a minute")
    drain_seconds: float = Field(
        0.0,
        ge=0,
        description="Seconds between the signal to end, when `/readyz` turns to 503, and the last new request",
    )
    shutdown_seconds: float = Field(20.0, ge=0, description="Seconds for requests under way when the server ends")
    threads: int = Field(40, ge=1, le=500, description="Requests that are worked on at a time")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is written")
    log_format: Literal["auto", "json", "plain"] = Field(
        "auto", description="`json`: one object a line; `plain`: for people; `auto`: plain on a terminal"
    )
    metrics_networks: Networks = Field(
        (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")),
        description="Networks that may read `/metrics`, with commas between them",
    )
    metrics_token: SecretStr | None = Field(
        None, description="Bearer token with which `/metrics` may be read from anywhere", min_length=16
    )

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("a certificate and its key come together")
        return self


def read_server_settings(**given: object) -> ServerSettings:
    """Return the settings of this process, `given` before the environment. Raises `SettingsError`."""
    try:
        return ServerSettings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type] # pydantic validates
    except ValidationError as error:
        problems = [
            (str((*item["loc"], "tls_cert")[0]), item["msg"].removeprefix("Value error, "))
            for item in error.errors(include_input=False)
        ]
    text = "; ".join(f"{PREFIX}{name.upper()}: {message}" for name, message in problems)
    raise SettingsError(f"{text}.", hint="Correct or unset it.", settings=tuple(name for name, _ in problems))
