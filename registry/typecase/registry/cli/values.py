"""Values from the command line, files, the environment and standard input, for the fields of a block."""

import base64
import difflib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from typecase.blocks.errors import InvalidBlock, InvalidSecretReference
from typecase.blocks.redaction import MASK
from typecase.blocks.secrets import SecretReference
from typecase.registry.cli.errors import UsageFault
from typecase.registry.cli.given import Given
from typecase.registry.cli.places import Place
from typecase.registry.cli.sources import read_fields, split_pairs
from typecase.registry.cli.terminal import warn

Problem: TypeAlias = tuple[str, str, str]

HOW: Final = (
    "Give values with --set FIELD=VALUE, --set-json or --from-file, and secrets with --secret-from-env FIELD=VARIABLE, "
    "--secret-from-file FIELD=PATH, --secret-from-store FIELD=STORE/KEY or --secret-stdin FIELD."
)


class Values:
    """The fields of one block while they are collected. All that is wrong is reported together."""

    def __init__(self, form: Place, title: str, data: dict[str, Any], *, is_bytes: Callable[[str], bool]) -> None:
        """Begin with `data`; `is_bytes` tells which paths hold bytes, that JSON carries in base64."""
        self.form = form
        self.title = title
        self.data = data
        self.problems: list[Problem] = []
        self._is_bytes = is_bytes

    def apply(self, given: Given) -> None:
        """Put every given value in its place. Raises `InvalidBlock` with all problems, `UsageFault`."""
        if given.from_file == "-" and given.secret_stdin is not None:
            raise UsageFault("--from-file - and --secret-stdin both read standard input.", hint="Use a file for one.")
        if given.from_file is not None:
            self._put_all(read_fields(given.from_file))
        for option, pairs, read in (
            ("--set-json", given.set_json, self._parse_json),
            ("--set", given.set, self._parse),
            ("--secret-from-env", given.secret_from_env, self._from_environment),
            ("--secret-from-file", given.secret_from_file, self._from_file),
            ("--secret-from-store", given.secret_from_store, self._from_store),
        ):
            for path, text in split_pairs(option, pairs):
                self._put(path, text, read, typed=option.startswith("--set"))
        if given.secret_stdin is not None:
            self._put(given.secret_stdin, "", self._from_stdin)
        for path in given.unset:
            self._unset(path)
        self.refuse()

    def refuse(self, hint: str = "") -> None:
        """Raise `InvalidBlock` if there are problems."""
        if self.problems:
            raise InvalidBlock.build(self.title, self.problems, hint=hint)

    def watch(self) -> None:
        """Have the secrets among the values masked in whatever is printed or logged from now on."""
        hide(self.form, self.data)

    def missing(self) -> list[Place]:
        """Return the required fields that have no value, also inside nested values that are there."""
        return list(_missing(self.form, self.data))

    def assign(self, path: str, value: Any) -> None:
        """Set the value at a dotted `path`, making the objects on the way."""
        *way, last = path.split(".")
        inside: Any = self.data
        for step in way:
            inside = _enter(inside, step)
        if isinstance(inside, list):
            inside[int(last)] = value
        else:
            inside[last] = value

    def encoded(self, path: str, text: str) -> str:
        """Return `text` as JSON carries it: in base64 where bytes stand at `path`."""
        return base64.urlsafe_b64encode(text.encode()).decode() if self._is_bytes(path) else text

    def _put_all(self, fields: Mapping[str, Any]) -> None:
        for name, value in fields.items():
            if (place := self._known(self.form.below(name), name)) is not None:
                hide(place, value)
                self.data[name] = value

    def _put(self, path: str, text: str, read: Callable[[Place, str], Any], *, typed: bool = False) -> None:
        place = self._place(path)
        if place is None:
            return
        try:
            value = read(place, text)
            hide(place, value)
            self.assign(path, value)
        except ValueError as error:
            self.problems.append((path, "value", str(error)))
            return
        except (IndexError, TypeError):
            self.problems.append((path, "path", "does not exist"))
            return
        if typed and any(True for _ in place.secrets(value)):
            warn(
                f"warning: {path} is a secret, and the command line stays in the shell's history and is seen by others "
                "on this machine. Use --secret-from-env, --secret-from-file or --secret-stdin, or be asked for it."
            )

    def _unset(self, path: str) -> None:
        if self._place(path) is None:
            return
        *way, last = path.split(".")
        inside: Any = self.data
        for step in way:
            inside = inside.get(step) if isinstance(inside, dict) else None
        if isinstance(inside, dict):
            inside.pop(last, None)

    def _place(self, path: str) -> Place | None:
        return self._known(self.form.find(path), path)

    def _known(self, place: Place | None, path: str) -> Place | None:
        if place is None:
            first = path.partition(".")[0]
            names = [field.path for field in self.form.fields()]
            near = difflib.get_close_matches(first, names, n=2) if first not in names else []
            text = f"is no field; did you mean {' or '.join(near)}?" if near else f"is no field of {self.title}"
            self.problems.append((path, "unknown", text))
        return place

    def _parse(self, place: Place, text: str) -> Any:
        return place.parse(self.encoded(place.path, text))

    def _parse_json(self, _: Place, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            pass
        # Out here: the parser's error holds the text.
        raise ValueError("is not JSON; texts stand in double quotes")

    def _from_environment(self, place: Place, variable: str) -> Any:
        value = os.environ.get(variable)
        if value is None:
            raise ValueError(f"the environment variable {variable} is not set")
        MASK.add(value)
        return self._parse(place, value)

    def _from_file(self, place: Place, path: str) -> Any:
        try:
            raw = Path(path).expanduser().read_bytes()
        except OSError as error:
            reason = error.strerror
        else:
            return self._decoded(place, raw, path)
        raise ValueError(f"{path} cannot be read: {reason}")

    def _from_store(self, _: Place, text: str) -> Any:
        try:
            return SecretReference.parse(text).to_json()
        except InvalidSecretReference as error:
            reason = f"is no reference to a secret. {error.hint}"
        raise ValueError(reason)

    def _from_stdin(self, place: Place, _: str) -> Any:
        if sys.stdin.isatty():
            warn(f"Reading {place.path} up to Ctrl-D; it is shown as you type.")
        raw = sys.stdin.buffer.read()
        if not raw:
            message = "standard input is empty: the command that should have written the secret failed"
            raise ValueError(message)
        return self._decoded(place, raw, "standard input")

    def _decoded(self, place: Place, raw: bytes, source: str) -> Any:
        MASK.add(raw)
        if self._is_bytes(place.path):
            return base64.urlsafe_b64encode(raw).decode()
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = None
        if text is None:
            raise ValueError(f"{source} is not UTF-8 text")
        text = text.removesuffix("\n").removesuffix("\r")
        MASK.add(text)
        return place.parse(text)


def hide(place: Place, value: Any) -> None:
    """Have the secrets inside `value`, which stands at `place`, masked in what is printed or logged."""
    for secret in place.secrets(value):
        MASK.add(secret if isinstance(secret, str | bytes) else str(secret))


def _enter(inside: Any, step: str) -> Any:
    if isinstance(inside, list):
        return inside[int(step)]
    if not isinstance(inside.get(step), dict | list):
        inside[step] = {}
    return inside[step]


def _missing(place: Place, data: Mapping[str, Any]) -> Iterator[Place]:
    for field in place.fields():
        name = field.path.rpartition(".")[2]
        value = data.get(name)
        if field.required and name not in data:
            yield field
        elif isinstance(value, Mapping) and field.model and len(field.options) == 1:
            yield from _missing(field, value)
