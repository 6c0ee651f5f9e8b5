"""The leases of each process in a private file, so that another can revoke them after a crash. No credentials."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from typecase.blocks.settings import HOME
from typecase.integrations.hashicorp.processes import machine, started

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Record:
    """One lease: its id in Vault, and where that Vault is."""

    id: str
    address: str
    namespace: str


def folder() -> Path:
    """Return where processes write down their leases: below `TYPECASE_HOME`, else in the user's state folder."""
    home = os.environ.get(HOME)
    if home:
        return Path(home).expanduser().absolute() / "state" / "vault-leases"
    import platformdirs

    return platformdirs.user_state_path("typecase", appauthor=False) / "vault-leases"


def write(records: Iterable[Record]) -> None:
    """Replace what this process wrote down; nothing left removes its file. Raises `OSError`."""
    place, pid = folder(), os.getpid()
    path = place / f"{pid}.json"
    held = [asdict(record) for record in records]
    if not held:
        path.unlink(missing_ok=True)
        return
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.chmod(0o700)
    content = {"format": _FORMAT, "machine": machine(), "pid": pid, "started": started(pid), "leases": held}
    fresh = place / f"{pid}.json.new"
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file)
    fresh.replace(path)


def left_behind() -> Iterator[tuple[Path, list[Record]]]:
    """Yield the files of processes of this machine that ended without revoking their leases."""
    here = machine()
    with suppress(OSError):
        for path in sorted(folder().glob("*.json")):
            content = _read(path)
            if content and content["machine"] == here and started(content["pid"]) != content["started"]:
                yield path, [Record(**lease) for lease in content["leases"]]


def settle(path: Path, settled: Iterable[Record]) -> None:
    """Take `settled` out of the file of a dead process, and the file away when it is empty."""
    content = _read(path)
    if content is None:
        return
    gone = [asdict(record) for record in settled]
    content["leases"] = [lease for lease in content["leases"] if lease not in gone]
    with suppress(OSError):
        if not content["leases"]:
            path.with_name(f"{path.name}.new").unlink(missing_ok=True)  # it may have been killed while it wrote
            path.unlink(missing_ok=True)
            return
        fresh = path.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(content, file)
        fresh.replace(path)


def _read(path: Path) -> dict[str, Any] | None:
    """Return a file's content if it is ours and well-formed."""
    try:
        if hasattr(os, "getuid") and path.lstat().st_uid != os.getuid():
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
        for lease in content["leases"]:
            if not all(isinstance(value, str) for value in asdict(Record(**lease)).values()):
                return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    well_formed = content.get("format") == _FORMAT and isinstance(content.get("pid"), int)
    return content if well_formed and isinstance(content.get("machine"), str) and "started" in content else None
