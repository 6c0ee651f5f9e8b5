"""The options that give values to the fields of a block."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, TypeAlias

import typer

Pairs: TypeAlias = list[str] | None

PANEL: Final = "Values"

SetOption: TypeAlias = Annotated[
    Pairs,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="A field's value; nested fields with dots.", rich_help_panel=PANEL
    ),
]
SetJsonOption: TypeAlias = Annotated[
    Pairs,
    typer.Option("--set-json", metavar="FIELD=JSON", help="A field's value as JSON.", rich_help_panel=PANEL),
]
FromFileOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--from-file",
        metavar="FILE",
        help="Fields from a YAML or JSON file; - reads standard input.",
        rich_help_panel=PANEL,
    ),
]
SecretFromEnvOption: TypeAlias = Annotated[
    Pairs,
    typer.Option(
        "--secret-from-env",
        metavar="FIELD=VARIABLE",
        help="A value from an environment variable.",
        rich_help_panel=PANEL,
    ),
]
SecretFromFileOption: TypeAlias = Annotated[
    Pairs,
    typer.Option(
        "--secret-from-file",
        metavar="FIELD=PATH",
        help="A value from a file, without its last line end.",
        rich_help_panel=PANEL,
    ),
]
SecretFromStoreOption: TypeAlias = Annotated[
    Pairs,
    typer.Option(
        "--secret-from-store",
        metavar="FIELD=STORE/KEY",
        help="A reference to a secret in a store: STORE/KEY, STORE/KEY#FIELD, STORE/KEY?version=VERSION#FIELD. "
        "Any field may have one; nothing is read now.",
        rich_help_panel=PANEL,
    ),
]
SecretsToOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--secrets-to",
        metavar="STORE",
        help="Put the secrets given here into this secret store, and save references to them.",
        rich_help_panel=PANEL,
    ),
]
SecretStdinOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--secret-stdin",
        metavar="FIELD",
        help="A value from standard input, without its last line end.",
        rich_help_panel=PANEL,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The value options of one command line."""

    set: Sequence[str] = ()
    set_json: Sequence[str] = ()
    from_file: str | None = None
    secret_from_env: Sequence[str] = ()
    secret_from_file: Sequence[str] = ()
    secret_from_store: Sequence[str] = ()
    secret_stdin: str | None = None
    unset: Sequence[str] = ()

    def __repr__(self) -> str:
        """Leave the values out: they may be secret."""
        return "Given(...)"

    def __bool__(self) -> bool:
        """True when any option was given."""
        return any(getattr(self, name) not in (None, (), []) for name in self.__slots__)


def parse_time(text: str) -> datetime:
    """Read an ISO 8601 time; without a zone it is local. Raises `UsageFault`."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        pass
    from typecase.registry.cli.errors import UsageFault

    raise UsageFault(f"{text!r} is not a time.", hint="Write ISO 8601: 2027-01-31 or 2027-01-31T12:00:00Z.")
