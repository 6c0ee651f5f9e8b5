"""What a user sees of an error: a few lines, or one JSON object, on standard error."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import typer
from typer.core import TyperGroup

from typecase.registry.cli.exit_codes import ExitCode, code_of
from typecase.registry.cli.terminal import shows_color, visible, warn

if TYPE_CHECKING:
    from typecase.blocks.errors import TypecaseError

DEBUG: Final = "TYPECASE_DEBUG"

_REPORT: Final = "This is a fault in Typecase or in a plugin: please report it."
_EXTRA_ARGUMENTS: Final = "Got unexpected extra argument"


class Program(TyperGroup):
    """The root command: runs a command line and turns whatever happens into an exit code."""

    def main(  # type: ignore[override] # the parent's has nine more arguments that pass through
        self, args: Sequence[str] | None = None, **more: Any
    ) -> Any:
        """Run `args` and exit."""
        arguments = list(sys.argv[1:] if args is None else args)
        more["standalone_mode"] = False
        more.setdefault("prog_name", "typecase")
        if more["prog_name"] == "root":
            more["prog_name"] = "typecase"
        with _kept_environment():
            if "--no-color" in arguments:
                os.environ["NO_COLOR"] = "1"
            sys.exit(int(self._run(arguments, more)))

    def invoke(self, ctx: Any) -> Any:
        """Run the command; end quietly when nobody reads the output any more."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _forget_output()
            raise typer.Exit(ExitCode.BROKEN_PIPE) from None
        return result

    def _run(self, arguments: list[str], more: Mapping[str, Any]) -> int:
        try:
            result = super().main(args=arguments, **more)
        except typer.Abort:
            warn("Aborted.")
            return ExitCode.INTERRUPTED
        except Exception as error:  # noqa: BLE001 - no traceback may reach the user
            return report(error, as_json=_wants_json(arguments))
        return result if isinstance(result, int) else ExitCode.OK


def report(error: Exception, *, as_json: bool) -> int:
    """Print `error` to standard error, without secrets, and return the exit code."""
    if isinstance(error, typer.TyperException):
        return _report_usage(error, as_json=as_json)
    from typecase.blocks.errors import TypecaseError
    from typecase.blocks.redaction import MASK, redact_exception

    if isinstance(error, TypecaseError):
        code = code_of(error)
        message, hint, facts = MASK.mask(error.message), MASK.mask(error.hint), _facts(error)
    else:
        code = ExitCode.UNEXPECTED
        message, hint = f"Unexpected {redact_exception(error)}", f"{_REPORT} {DEBUG}=1 shows where it happened."
        facts = {}
    trace = _trace(error) if os.environ.get(DEBUG) == "1" else ""
    if as_json:
        facts |= {"traceback": trace} if trace else {}
        _print_json(message, type(error).__name__, hint.strip(), facts, code)
    else:
        _print_text(message, hint, trace)
    return code


def _report_usage(error: typer.TyperException, *, as_json: bool) -> int:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "typecase"
    if type(error).__name__ == "NoArgsIsHelpError":
        if error.message:
            print(error.message)  # noqa: T201 - the terminal is the interface
        return ExitCode.USAGE
    message = error.format_message()
    if message.startswith(_EXTRA_ARGUMENTS):
        # Not which: `password=...` without its `--set` ends up here.
        message = f"{_EXTRA_ARGUMENTS}s."
    hint = f"See {path} --help."
    if as_json:
        _print_json(message, "UsageError", hint, {}, ExitCode.USAGE)
    else:
        _print_text(message, hint, "")
    return ExitCode.USAGE


def _print_text(message: str, hint: str, trace: str) -> None:
    label = typer.style("error:", fg="red", bold=True) if shows_color(sys.stderr) else "error:"
    lines = [visible(trace.rstrip()), f"{label} {visible(message)}", visible(hint.strip())]
    print("\n".join(line for line in lines if line), file=sys.stderr)  # noqa: T201 - the terminal is the interface


def _print_json(message: str, kind: str, hint: str, facts: Mapping[str, Any], code: ExitCode) -> None:
    told = {"error": message, "type": kind, "hint": hint, "facts": facts, "exit_code": int(code)}
    print(json.dumps(told), file=sys.stderr)  # noqa: T201 - the terminal is the interface


def _facts(error: "TypecaseError") -> dict[str, Any]:
    return {
        name: _plain(value)
        for name, value in vars(error).items()
        if name not in ("message", "hint") and not name.startswith("_")
    }


def _plain(value: Any) -> Any:
    import dataclasses

    from typecase.blocks.redaction import MASK

    if value is None or isinstance(value, bool | int | float):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return MASK.mask(str(value))


def _trace(error: BaseException) -> str:
    import traceback

    from typecase.blocks.redaction import MASK

    # Frames only: an exception's own text may quote its input and cut it where no mask finds it.
    return MASK.mask("".join(traceback.format_tb(error.__traceback__)))


def _wants_json(arguments: Sequence[str]) -> bool:
    pairs = zip(arguments, [*arguments, ""][1:], strict=True)
    return any(
        (flag in ("-o", "--output") and value == "json") or flag in ("-ojson", "-o=json", "--output=json")
        for flag, value in pairs
    )


def _forget_output() -> None:
    """Point standard output at nothing, so that Python's own flush at exit does not complain."""
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
    except (OSError, ValueError):
        pass


@contextmanager
def _kept_environment() -> Iterator[None]:
    """Undo afterwards what options changed in the environment: a test runs many commands in one process."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})
