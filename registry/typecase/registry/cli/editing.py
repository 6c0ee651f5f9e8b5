"""A document in the user's editor: YAML in a private temporary file, each secret behind a `!keep` marker."""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from typecase.blocks.errors import InvalidBlock, TypecaseError
from typecase.blocks.markers import SECRET, VERSION
from typecase.registry.cli.errors import EditorFailed
from typecase.registry.cli.places import Place
from typecase.registry.cli.prompts import agrees
from typecase.registry.cli.sources import parse_fields
from typecase.registry.cli.terminal import interactive, warn

TAG: Final = "!keep"

_HEADER: Final = """\
# {title}
# Save and close to write a new revision; leave it as it is to change nothing.
# A secret stands as `!keep`: leave it to keep the secret, or write a new value in its place.
# A reference to a secret in a store is shown as it is: {{"$secret": {{"store": ..., "key": ...}}}}.
# A field that is removed gets its default. Another block is named as {{"$block": "its-name"}}.
"""

Kept: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Keep:
    """The marker of a secret that stays; `label` tells which."""

    label: str


class _Dumper(yaml.SafeDumper):
    """Writes markers."""


class _Loader(yaml.SafeLoader):
    """Reads markers."""


_Dumper.add_representer(Keep, lambda dumper, keep: dumper.represent_scalar(TAG, keep.label))


def _read_marker(loader: yaml.SafeLoader, node: Any) -> Keep:
    return Keep(str(loader.construct_scalar(node)))


_Loader.add_constructor(TAG, _read_marker)


def edit_fields(title: str, form: Place, shown: Any, stored: Any, save: Callable[[dict[str, Any]], None]) -> bool:
    """Let a person edit the fields `shown`, and `save` the result with the secrets of `stored`; False = unchanged.

    A person is asked whether to edit again what cannot be saved. Raises `EditorFailed`, `UsageFault`, `InvalidBlock`.
    """
    kept: Kept = {}
    marked = _mark(shown, stored, "", kept)
    body = yaml.dump(marked, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    text = before = _HEADER.format(title=title) + body
    with _private_file() as path:
        while True:
            _write(path, text)
            _run_editor(path)
            text = _read(path)
            if text == before:
                return False
            try:
                fields = parse_fields(text, "The edited text", loader=_Loader)
                save(_restored(form, fields, kept))
            except TypecaseError as error:
                if not interactive():
                    raise
                warn(f"error: {error}")
                if not agrees("Edit again?"):
                    raise
            else:
                return True


def _mark(shown: Any, stored: Any, path: str, kept: Kept) -> Any:
    if isinstance(shown, Mapping):
        if SECRET in shown and isinstance(shown[SECRET], Mapping) and isinstance(shown[SECRET]["source"], Mapping):
            return {SECRET: dict(shown[SECRET]["source"])}
        if SECRET in shown:
            label = path
            while label in kept:
                label += "'"
            kept[label] = stored
            return Keep(label)
        return {
            key: _mark(item, _part(stored, key), f"{path}.{key}" if path else str(key), kept)
            for key, item in shown.items()
            if key != VERSION
        }
    if isinstance(shown, list):
        return [_mark(item, _part(stored, index), f"{path}.{index}", kept) for index, item in enumerate(shown)]
    return shown


def _restored(form: Place, fields: dict[str, Any], kept: Kept) -> dict[str, Any]:
    problems: list[tuple[str, str, str]] = []

    def restore(value: Any, place: Place | None, path: str) -> Any:
        if isinstance(value, Keep):
            if value.label not in kept:
                problems.append((path, "keep", "there is no such secret to keep"))
            elif path != value.label and not (place is not None and place.secret):
                problems.append((path, "keep", "is no place for a secret"))
            return kept.get(value.label)
        if isinstance(value, dict):
            return {
                key: restore(item, place.below(key) if place else None, f"{path}.{key}" if path else key)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [
                restore(item, place.below(str(index)) if place else None, f"{path}.{index}")
                for index, item in enumerate(value)
            ]
        return value

    result: dict[str, Any] = restore(fields, form, "")
    if problems:
        raise InvalidBlock.build("The edited text", problems)
    return result


def _part(value: Any, step: Any) -> Any:
    try:
        return value[step]
    except (KeyError, IndexError, TypeError):
        return None


@contextmanager
def _private_file() -> Iterator[Path]:
    # In memory where the system has such a place. The folder is private too, and goes with all that editors leave.
    memory = os.environ.get("XDG_RUNTIME_DIR", "")
    folder = tempfile.mkdtemp(prefix="typecase-", dir=memory if os.access(memory, os.W_OK) else None)
    try:
        yield Path(folder) / "document.yaml"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    path.write_text(text, "utf-8")


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        pass
    raise EditorFailed("The editor left no text behind.", hint="Nothing was changed.")


def _run_editor(path: Path) -> None:
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ("notepad" if os.name == "nt" else "vi")
    command = shlex.split(named)
    try:
        code = subprocess.run([*command, str(path)], check=False).returncode  # noqa: S603 - the user's own editor
    except OSError as error:
        reason = error.strerror
    else:
        if code == 0:
            return
        reason = f"it ended with exit code {code}"
    hint = "Nothing was changed. Set EDITOR, or use --set and the like."
    raise EditorFailed(f"The editor {command[0]!r} failed: {reason}.", hint=hint)
