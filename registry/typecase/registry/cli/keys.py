"""`typecase keys status`."""

import typer

from typecase.registry.cli.exit_codes import ExitCode
from typecase.registry.cli.output import Facts, Table
from typecase.registry.cli.session import Session, command

app = typer.Typer(help="The keys that encrypt the registry.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `status` a command of its own while it is the only one."""


def status(session: Session) -> None:
    """Say which root key encrypts the registry and whether it is sealed. Exit code 6 when it is."""
    found = session.registry.key_status()
    about = {"sealed": found.sealed, "reason": found.reason, "root_key": found.root_key}
    keys = [
        {
            "workspace": key.workspace,
            "generation": key.generation,
            "id": key.id,
            "root_key": key.root_key,
            "created": key.created_at,
        }
        for key in found.data_keys
    ]
    columns = ("workspace", "generation", "id", "root_key", "created")
    table = Table(columns, [list(key.values()) for key in keys], title="Data keys")
    session.out.answer({**about, "data_keys": keys}, Facts(about), *([table] if keys else []))
    if found.sealed:
        raise typer.Exit(ExitCode.SEALED)


command(app, "status")(status)
