"""Servers that somebody signed in to on this machine. Tokens stand in the keyring of the system, and nowhere else."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import SecretStr

from typecase.blocks.errors import MissingPackage, SettingsError
from typecase.blocks.settings import default_paths

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

SERVICE: Final = "typecase"


class Login(NamedTuple):
    """Who is signed in to a server, and until when; None = for good."""

    url: str
    name: str
    expires_at: datetime | None


def logins() -> dict[str, Login]:
    """Return the sign-ins of this machine by the server's address."""
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
        return {url: Login(url, str(item["name"]), _time(item["expires_at"])) for url, item in dict(found).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError):
        pass
    raise SettingsError(f"{_file()} is not readable.", hint="Delete it and run `typecase login` again.")


def token_for(url: str) -> SecretStr | None:
    """Return the token for the server at `url`, None where nobody signed in. The keyring is asked only if one did."""
    if not _file().exists() or url not in logins():
        return None
    keyring = _keyring()
    try:
        found = keyring.get_password(SERVICE, url)
        return None if found is None else SecretStr(found)
    except keyring.errors.KeyringError:
        pass
    raise _locked()


def remember(login: Login, token: SecretStr) -> None:
    """Keep `token` in the keyring and note who signed in. Raises `SettingsError` where the keyring keeps nothing."""
    keyring = _keyring()
    try:
        keyring.set_password(SERVICE, login.url, token.get_secret_value())
        kept = keyring.get_password(SERVICE, login.url) == token.get_secret_value()
    except keyring.errors.KeyringError:
        kept = False
    if not kept:
        raise _locked()
    _write({**logins(), login.url: login})


def forget(url: str) -> bool:
    """Remove the token for `url`; tell whether there was one."""
    known = logins()
    if known.pop(url, None) is None:
        return False
    keyring = _keyring()
    try:
        keyring.delete_password(SERVICE, url)
    except keyring.errors.PasswordDeleteError:
        pass
    except keyring.errors.KeyringError:
        raise _locked() from None
    _write(known)
    return True


def _write(known: dict[str, Login]) -> None:
    content: dict[str, Any] = {
        url: {"name": item.name, "expires_at": item.expires_at and item.expires_at.isoformat()}
        for url, item in known.items()
    }
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    new.replace(path)


def _file() -> Path:
    return default_paths().config_dir / "logins.json"


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _keyring() -> ModuleType:
    try:
        import keyring
    except ImportError:
        pass
    else:
        return keyring
    raise MissingPackage(
        "Keeping a token needs the package keyring.",
        hint="Run: pip install 'typecase[keyring]', or set TYPECASE_API_KEY to a token.",
        package="keyring",
        extra="keyring",
    )


def _locked() -> SettingsError:
    return SettingsError(
        "The keyring of this system does not answer, or does not keep what is written to it.",
        hint="Unlock it, run `keyring diagnose`, or set TYPECASE_API_KEY to a token.",
    )
