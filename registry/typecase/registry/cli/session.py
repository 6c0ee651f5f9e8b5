"""One run of a command: its registry, workspace and output, and the options that every command takes."""

import inspect
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec

import typer

from typecase.registry.cli.output import Mode, Output

if TYPE_CHECKING:
    from typecase.blocks.registry import Registry
    from typecase.blocks.settings import Settings

P = ParamSpec("P")

PANEL = "Options of every command"


class Session:
    """What a command works with."""

    def __init__(self, *, output: Mode | None) -> None:
        """Write answers in the mode `output`."""
        self.out = Output(output)

    @property
    def settings(self) -> "Settings":
        """The settings of this run. Raises `SettingsError`."""
        from typecase.blocks.settings import current_settings

        return current_settings()

    @property
    def workspace(self) -> str:
        """The workspace of this run."""
        return self.settings.workspace

    @property
    def registry(self) -> "Registry":
        """The registry of this run. Raises `SettingsError`."""
        from typecase.blocks.redaction import install
        from typecase.blocks.registries import current_registry

        install()
        return current_registry()


def shared_options(
    url: Annotated[
        str | None,
        typer.Option(
            "--url", metavar="URL", help="Registry to work on, in place of TYPECASE_URL.", rich_help_panel=PANEL
        ),
    ] = None,
    workspace: Annotated[
        str | None,
        typer.Option(
            "--workspace",
            "-w",
            metavar="NAME",
            help="Workspace, in place of TYPECASE_WORKSPACE.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            help="Profile of the settings files, in place of TYPECASE_PROFILE.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    output: Annotated[
        Mode | None,
        typer.Option(
            "--output",
            "-o",
            help="How to answer; by default a table on a terminal, plain elsewhere.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    no_color: Annotated[
        bool, typer.Option("--no-color", help="No colours; NO_COLOR=1 does the same.", rich_help_panel=PANEL)
    ] = False,
) -> None:
    """Hold the declarations of the options that every command takes."""


_SHARED = tuple(inspect.signature(shared_options).parameters.values())


def command(
    app: typer.Typer, name: str
) -> Callable[[Callable[Concatenate[Session, P], None]], Callable[Concatenate[Session, P], None]]:
    """Make a function the command `name` of `app`: it gets a `Session` first and every shared option is added."""

    def register(body: Callable[Concatenate[Session, P], None]) -> Callable[Concatenate[Session, P], None]:
        def run(context: typer.Context, **given: Any) -> None:
            options = {item.name: given.pop(item.name) for item in _SHARED}
            session = open_session(context, options)
            body(session, **given)  # type: ignore[call-arg] # typer passes what the signature below declares

        own = tuple(inspect.signature(body).parameters.values())[1:]
        first = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        parameters = [item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in (first, *own, *_SHARED)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # read by typer
        run.__annotations__ = {item.name: item.annotation for item in parameters}
        run.__doc__ = body.__doc__
        app.command(name)(run)
        return body

    return register


def open_session(context: typer.Context, options: dict[str, Any]) -> Session:
    """Combine a command's shared options with those before it, and put them into force."""
    before: dict[str, Any] = context.obj or {}
    chosen = {name: before.get(name) if value is None else value for name, value in options.items()}
    for name in ("url", "workspace", "profile"):
        value: str | None = chosen[name]
        if value is not None:
            os.environ[f"TYPECASE_{name.upper()}"] = value
    if chosen["url"] is not None:
        _warn_of_password(chosen["url"])
    return Session(output=chosen["output"])


def _warn_of_password(url: str) -> None:
    from typecase.registry.cli.addresses import masked_url
    from typecase.registry.cli.terminal import warn

    if masked_url(url) != url:
        warn("warning: a password on the command line stays in the shell's history; TYPECASE_URL does not.")
