"""The command tree."""

import inspect
from typing import Annotated, Any

import typer

from typecase.registry.cli.access import app as access
from typecase.registry.cli.audit import app as audit
from typecase.registry.cli.backups import backup, restore
from typecase.registry.cli.blocks import app as blocks
from typecase.registry.cli.checking import check
from typecase.registry.cli.failures import Program
from typecase.registry.cli.history import add as add_history
from typecase.registry.cli.info import info
from typecase.registry.cli.keys import app as keys
from typecase.registry.cli.login import login, logout, whoami
from typecase.registry.cli.packages import new_package
from typecase.registry.cli.registering import app as registering
from typecase.registry.cli.serve import serve
from typecase.registry.cli.session import Session, command, shared_options
from typecase.registry.cli.setup import init
from typecase.registry.cli.stubs import stubs
from typecase.registry.cli.types import app as types
from typecase.registry.cli.upgrading import add as add_upgrading
from typecase.registry.cli.versions import add as add_versions
from typecase.registry.cli.workspaces import app as workspaces
from typecase.registry.cli.writing import add as add_writing

app = typer.Typer(
    name="typecase",
    cls=Program,
    help="Typed, encrypted blocks for data teams, found by name from any flow.",
    epilog="Exit codes and every option: docs/reference/cli.md",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"typecase {version('typecase')}")  # noqa: T201 - the terminal is the interface
        raise typer.Exit


def _root(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback has answered
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version)
    ] = False,
    **options: Any,
) -> None:
    context.obj = options


_own = list(inspect.signature(_root).parameters.values())[:-1]
_parameters = [
    item.replace(kind=inspect.Parameter.KEYWORD_ONLY)
    for item in (*_own, *inspect.signature(shared_options).parameters.values())
]
_root.__signature__ = inspect.Signature(_parameters)  # type: ignore[attr-defined] # read by typer
_root.__annotations__ = {item.name: item.annotation for item in _parameters}
app.callback()(_root)


def _demo(
    session: Session,  # noqa: ARG001 - the demo has settings of its own
    keep: Annotated[bool, typer.Option("--keep", help="Leave the demo's folder in place to look around.")] = False,
) -> None:
    """Run the tour: three blocks in three workspaces, one flow, on real data."""
    from typecase.registry import demo

    demo.run(keep=keep)


command(app, "backup")(backup)
command(app, "check")(check)
command(app, "demo")(_demo)
command(app, "info")(info)
command(app, "init")(init)
command(app, "login")(login)
command(app, "logout")(logout)
command(app, "new-package")(new_package)
command(app, "restore")(restore)
command(app, "serve")(serve)
command(app, "stubs")(stubs)
command(app, "whoami")(whoami)
app.add_typer(types, name="types")
app.add_typer(blocks, name="blocks")
app.add_typer(workspaces, name="workspaces")
app.add_typer(keys, name="keys")
app.add_typer(audit, name="audit")
app.add_typer(access, name="access")
app.add_typer(registering, name="registry")
add_versions(types)
add_writing(blocks)
add_history(blocks)
add_upgrading(blocks)


def main() -> None:
    """Run the command line of this process."""
    typer.main.get_command(app).main(prog_name="typecase")
