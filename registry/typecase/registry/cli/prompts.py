"""Questions: a field's value, a yes or no. They go to standard error, so that answers on standard output stay clean."""

import getpass
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from typecase.registry.cli.terminal import interactive, visible, warn

if TYPE_CHECKING:
    from typecase.registry.cli.places import Place
    from typecase.registry.cli.values import Values


def fill(values: "Values", *, everything: bool) -> None:
    """Ask for each required field that has no value; for all fields if `everything`."""
    while missing := values.missing():
        _ask_field(values, missing[0], everything=everything)
    if everything:
        _fill_optional(values, values.form, values.data)


def confirm(question: str, *, yes: bool, hint: str = "Say so with --yes.") -> None:
    """Go on if `yes` or if a person agrees; end the command otherwise. Raises `ConfirmationNeeded`."""
    if yes:
        return
    if not interactive():
        from typecase.registry.cli.errors import ConfirmationNeeded

        raise ConfirmationNeeded(f"{question} Nobody is here to answer.", hint=hint)
    if not agrees(question):
        raise typer.Abort


def agrees(question: str) -> bool:
    """Ask a question whose answer is no unless a person says yes."""
    return _ask(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _fill_optional(values: "Values", place: "Place", data: dict[str, Any]) -> None:
    for field in place.fields():
        name = field.path.rpartition(".")[2]
        if name in data:
            continue
        if field.model:
            if agrees(f"Fill in {field.path}?"):
                values.assign(field.path, {})
                _fill_inside(values, field, data[name])
        else:
            _ask_field(values, field, everything=True)


def _fill_inside(values: "Values", place: "Place", data: dict[str, Any]) -> None:
    """Ask for every field of a nested value."""
    for field in place.fields():
        if field.path.rpartition(".")[2] not in data:
            _ask_field(values, field, everything=True)


def _ask_field(values: "Values", field: "Place", *, everything: bool) -> None:
    if field.model and len(field.options) == 1:
        values.assign(field.path, {})
        if everything:
            _fill_inside(values, field, _at(values.data, field.path))
        return
    if field.help:
        warn(f"  {field.help}")
    label = _label(field)
    while True:
        text = _ask_secret(label) if field.secret else _ask(label)
        if not text and not field.required:
            return
        if not text and not _accepts_empty(field):
            continue
        try:
            value = field.parse(values.encoded(field.path, text))
        except ValueError as error:
            warn(f"  {field.path} {error}.")
            continue
        values.assign(field.path, value)
        values.watch()
        return


def _label(field: "Place") -> str:
    if field.choices:
        shape = "/".join(map(str, field.choices))
    elif field.block:
        shape = f"name of a {field.block}"
    elif field.words() in ("text", "secret text"):
        shape = ""
    else:
        shape = field.words()
        if shape.startswith(("list", "mapping")):
            shape += ", as JSON"
    default = field.schema.get("default")
    notes = [shape] if shape else []
    if not field.required:
        notes.append("Enter to skip" if default in (None, "") or field.secret else f"Enter for {default}")
    elif field.example is not None and not field.secret:
        notes.append(f"such as {field.example}")
    joined = "; ".join(notes)
    return f"{field.path} ({joined}): " if notes else f"{field.path}: "


def _accepts_empty(field: "Place") -> bool:
    return any(schema.get("type") == "string" and schema.get("minLength", 1) == 0 for schema in field.options)


def _ask(label: str) -> str:
    print(visible(label), end="", file=sys.stderr, flush=True)  # noqa: T201 - the terminal is the interface
    line = sys.stdin.readline()
    if not line:
        raise typer.Abort
    return line.rstrip("\r\n")


def _ask_secret(label: str, read: Callable[..., str] = getpass.getpass) -> str:
    from typecase.registry.cli.errors import ConfirmationNeeded

    try:
        with warnings.catch_warnings():
            # getpass would go on and show what is typed.
            warnings.simplefilter("error", getpass.GetPassWarning)
            return read(visible(label), stream=sys.stderr)
    except EOFError:
        raise typer.Abort from None
    except getpass.GetPassWarning:
        pass
    raise ConfirmationNeeded(
        "This terminal cannot hide what is typed.", hint="Use --secret-from-env or --secret-stdin."
    )


def _at(data: Any, path: str) -> Any:
    for step in path.split("."):
        data = data[step]
    return data
