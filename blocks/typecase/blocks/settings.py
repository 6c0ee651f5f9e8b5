"""What a process is told from outside: which registry, which workspace, which key."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from typecase.blocks.errors import InvalidName, SettingsError
from typecase.blocks.names import naming_rule, validate_name

PROJECT_FILE: Final = "typecase.toml"
HOME: Final = "TYPECASE_HOME"

_REMEMBERED = 64
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Settings(BaseModel):
    """The settings of this process, from the environment, the project file, the user's file and the defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: SecretStr | None = Field(
        None, description="Registry URL: sqlite:///path, postgresql://..., https://...; unset: the embedded registry"
    )
    workspace: str = Field("default", description="Workspace of documents that are named without one")
    api_key: SecretStr | None = Field(None, description="Token for a remote registry")
    key: str | None = Field(
        None, description="Key provider URL: file:///path, env://NAME, keyring://service/user; unset: the key file"
    )
    secret_max_age: float = Field(
        300.0, ge=0, description="Seconds that a secret from a store is kept in memory and used without asking again"
    )
    secret_max_stale: float = Field(
        0.0, ge=0, description="Seconds after that in which it is still used while its store does not answer"
    )
    secret_files: str | None = Field(None, description="Folder of the store `file`; unset: /run/secrets")
    profile: str | None = Field(None, description="Which [profiles.NAME] tables of the settings files apply")

    @field_validator("workspace")
    @classmethod
    def _named_by_the_rule(cls, value: str) -> str:
        try:
            return validate_name(value, "workspace")
        except InvalidName:
            pass
        # Without the value: a secret may have been put into the wrong variable.
        raise ValueError(f"is not a valid workspace name. {naming_rule('workspace')}")

    @field_validator("url")
    @classmethod
    def _with_a_scheme(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _has_scheme(value.get_secret_value()):
            raise ValueError("is not a URL. Write sqlite:///path, postgresql://user@host/database or https://host")
        return value

    @field_validator("key")
    @classmethod
    def _no_key_material(cls, value: str | None) -> str | None:
        if value is not None and not _has_scheme(value):
            raise ValueError("must name a key provider, not be a key. Write file:///path, env://NAME or keyring://...")
        return value


class Paths(NamedTuple):
    """Where Typecase keeps its files on this machine."""

    data_dir: Path
    config_dir: Path
    database: Path
    key_file: Path
    config_file: Path


VARIABLES: Final[Mapping[str, str]] = {name: f"TYPECASE_{name.upper()}" for name in Settings.model_fields}
"""The environment variable of each setting."""

_NAMES = (*VARIABLES.values(), HOME)
_RAW_NAMES: tuple[Any, ...] = _NAMES if os.name == "nt" else tuple(map(os.fsencode, _NAMES))
_cache: dict[tuple[Any, ...], Settings] = {}


def current_settings() -> Settings:
    """Return the settings that hold now, read once for each state of the `TYPECASE_*` variables.

    A later change of the working directory or of a settings file is seen after `reload_settings()`.
    """
    state = _environment_state()
    settings = _cache.get(state)
    if settings is None:
        settings = read_settings()
        if len(_cache) >= _REMEMBERED:
            _cache.clear()
        _cache[state] = settings
    return settings


def reload_settings() -> None:
    """Forget what was read, so that the next `current_settings()` reads again."""
    _cache.clear()


def read_settings() -> Settings:
    """Read the settings: environment over project file over user's file over defaults; raise `SettingsError`."""
    environment = environment_values()
    project, user = find_project_file(), default_paths().config_file
    if project is None and "profile" not in environment and not os.path.isfile(user):  # noqa: PTH113 - Path.is_file may raise
        return build_settings(lambda: Settings(**environment), VARIABLES.__getitem__)
    from typecase.blocks.settings_files import read_layers

    return read_layers(environment, project=project, user=user)


def environment_values() -> dict[str, Any]:
    """Return the settings that the environment holds; an empty variable counts as unset."""
    found = ((name, os.environ.get(variable)) for name, variable in VARIABLES.items())
    return {name: value for name, value in found if value}


def default_paths() -> Paths:
    """Return the places of data and keys: below `TYPECASE_HOME` if it is set, else where the platform puts them."""
    home = os.environ.get(HOME)
    if home:
        root = Path(home).expanduser().absolute()
        data, config = root / "data", root / "config"
    else:
        import platformdirs

        data = platformdirs.user_data_path("typecase", appauthor=False)
        config = platformdirs.user_config_path("typecase", appauthor=False)
    return Paths(data, config, data / "registry.db", config / "root.key", config / "config.toml")


def find_project_file() -> Path | None:
    """Return the nearest `typecase.toml` of the working directory and its parents."""
    try:
        folder = os.getcwd()  # noqa: PTH109 - half the cost of pathlib, on every cold start
    except OSError:
        return None
    while True:
        path = os.path.join(folder, PROJECT_FILE)  # noqa: PTH118 - as above
        if os.path.isfile(path):  # noqa: PTH113 - as above
            return Path(path)
        parent = os.path.dirname(folder)  # noqa: PTH120 - as above
        if parent == folder:
            return None
        folder = parent


def build_settings(build: Callable[[], Settings], place: Callable[[str], str]) -> Settings:
    """Call `build`; turn what pydantic refuses into a `SettingsError` that says where each value stands."""
    try:
        return build()
    except ValidationError as error:
        problems = tuple((str(found["loc"][0]), _reason(found)) for found in error.errors(include_input=False))
    # Raised out here, as a context would carry pydantic's error with the values.
    text = "; ".join(f"{place(name)} {reason}" for name, reason in problems)
    raise SettingsError(f"{text}.", hint="Correct or unset it.", settings=tuple(name for name, _ in problems))


def _reason(problem: Mapping[str, Any]) -> str:
    stated = problem.get("ctx", {}).get("error")
    return (str(stated) if stated is not None else f"is refused: {problem['msg']}").rstrip(".")


def _has_scheme(url: str) -> bool:
    return _SCHEME.match(url) is not None


def _environment_state() -> tuple[Any, ...]:
    # `os.environ.get` raises and catches for each absent name: 4 microseconds for six, on every load.
    raw = getattr(os.environ, "_data", None)
    return tuple(map(os.environ.get, _NAMES) if raw is None else map(raw.get, _RAW_NAMES))
