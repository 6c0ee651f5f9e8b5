"""The reference page of the command line, written from the commands themselves: `python -m ...cli.reference`."""

import inspect
from collections.abc import Iterator
from typing import Any, Final

import typer

from typecase.registry.cli.exit_codes import ExitCode
from typecase.registry.cli.program import app
from typecase.registry.cli.session import PANEL

_INTRODUCTION: Final = """\
# Command line

<!-- Written by docs/generate.py. Change the source, not this page. -->

Options of every command stand before or after its name: `typecase -o json blocks ls` is `typecase blocks ls -o json`.
A command on its own, and `--help` anywhere, shows what there is; `typecase --install-completion` makes the shell
complete commands, block types, documents and workspaces.

## Output

* `table` is for people, and the default on a terminal. `--no-color` or `NO_COLOR=1` leaves colours out.
* `plain` is the default elsewhere: one line for each item, its values separated by tabs, without a heading.
* `json` is exactly one JSON document on standard output. A list is `{"items": [...]}`, with a `cursor` where there may
  be more.

Questions, warnings and errors go to standard error. With `-o json` an error is one JSON object there:
`{"error": ..., "type": ..., "hint": ..., "facts": {...}, "exit_code": ...}`.

No command prints a secret, with one exception: `blocks show NAME --reveal`. What should stay secret does not belong
into arguments either: other users see them, and the shell keeps them. Use `--secret-from-env`, `--secret-from-file`,
`--secret-stdin`, or be asked.
"""


def reference() -> str:
    """Return the page, in Markdown. The same commands give the same text."""
    root = typer.main.get_command(app)
    lines = [_INTRODUCTION, "## Options of every command", "", *_options(root, shared=True), ""]
    lines += ["## Options of `typecase` alone", "", *_options(root, shared=False), ""]
    for path, command in _commands(root, "typecase"):
        lines += _section(path, command)
    return "\n".join([*lines, *_exit_codes()]) + "\n"


def command_paths() -> list[str]:
    """Return every command as it is typed, such as `typecase blocks ls`."""
    return [path for path, _ in _commands(typer.main.get_command(app), "typecase")]


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, inner in getattr(command, "commands", {}).items():
        if hasattr(inner, "commands"):
            yield from _commands(inner, f"{path} {name}")
        else:
            yield f"{path} {name}", inner


def _section(path: str, command: Any) -> list[str]:
    arguments = [item for item in command.params if item.param_type_name == "argument"]
    usage = " ".join([path, *map(_argument, arguments), "[OPTIONS]"])
    lines = [f"## `{path}`", "", inspect.cleandoc(command.help or ""), "", "```text", usage, "```", ""]
    if arguments:
        lines += ["| argument | |", "|---|---|"]
        lines += [f"| `{_argument(item).strip('[]')}` | {item.help or ''} |" for item in arguments]
        lines.append("")
    own = _options(command, shared=False)
    return [*lines, *own, *([""] if own else [])]


def _argument(item: Any) -> str:
    name = item.metavar or item.name.upper()
    return name if item.required else f"[{name}]"


def _options(command: Any, *, shared: bool) -> list[str]:
    rows = []
    for item in command.params:
        is_shared = getattr(item, "rich_help_panel", None) == PANEL
        if item.param_type_name != "option" or is_shared is not shared:
            continue
        names = ", ".join(f"`{name}`" for name in sorted(item.opts, key=len, reverse=True))
        rows.append(f"| {names} | {_value(item)} | {_escaped(item.help or '')} |")
    return ["| option | value | |", "|---|---|---|", *rows] if rows else []


def _value(item: Any) -> str:
    if item.is_flag:
        return ""
    choices = getattr(item.type_descriptor, "choices", None)
    if choices:
        text = " or ".join(f"`{getattr(choice, 'value', choice)}`" for choice in choices)
    else:
        text = f"`{item.metavar or 'TEXT'}`" if item.type_descriptor.annotation is not int else "a number"
    if isinstance(item.default, int):
        text += f", by default {item.default}"
    return text


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _exit_codes() -> list[str]:
    rows = [f"| {int(code)} | {_escaped(code.meaning)} |" for code in ExitCode]
    return ["## Exit codes", "", "| code | meaning |", "|---|---|", *rows]


if __name__ == "__main__":
    print(reference(), end="")  # noqa: T201 - a page for standard output
