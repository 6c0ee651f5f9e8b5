"""Settings from TOML files, layered under the environment."""

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from typecase.blocks.errors import SettingsError
from typecase.blocks.settings import PROJECT_FILE, VARIABLES, Settings, build_settings

_PRIVATE = 0o600


class Layer(NamedTuple):
    """Values of one origin; `place` says where, for an error."""

    place: str
    values: Mapping[str, Any]


class SettingsFile(NamedTuple):
    """The content of one settings file."""

    path: Path
    values: dict[str, Any]
    profiles: dict[str, dict[str, Any]]

    def layers(self, profile: str | None) -> list[Layer]:
        """Return the tables that apply under `profile`, highest precedence first."""
        layers = []
        if profile in self.profiles:
            layers.append(Layer(f"in [profiles.{profile}] of {self.path}", self.profiles[profile]))
        return [*layers, Layer(f"in {self.path}", self.values)]


class _LayeredSettings(Settings, BaseSettings):
    """Settings whose sources are the layers given to it, highest precedence first."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the environment is one of the layers
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - nothing is read from .env files
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - nor from a folder of secrets
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        layers: list[Layer] = init_settings()["layers"]
        return tuple(InitSettingsSource(settings_cls, init_kwargs=dict(layer.values)) for layer in layers)


def read_layers(environment: Mapping[str, Any], *, project: Path | None, user: Path) -> Settings:
    """Layer the values of the environment over the project's file over the user's file."""
    files = []
    if project is not None:
        files.append(read_file(project, committed=True))
    if os.path.isfile(user):  # noqa: PTH113 - Path.is_file raises where a parent may not be searched
        files.append(read_file(user, committed=False))
    profile = _chosen_profile(environment, files)
    if profile and not any(profile in file.profiles for file in files):
        raise _unknown_profile(profile, files, user)
    layers = [Layer("", environment), *(layer for file in files for layer in file.layers(profile))]

    def build() -> Settings:
        layered = _LayeredSettings(layers=layers)  # type: ignore[call-arg]  # pydantic-settings takes it from a source
        return Settings.model_construct(**{name: getattr(layered, name) for name in layered.model_fields_set})

    return build_settings(build, lambda name: _place(name, layers))


def read_file(path: Path, *, committed: bool) -> SettingsFile:
    """Read one file and refuse unknown keys, and secrets that others can read; a `committed` file may hold none."""
    content = _parse(path)
    profiles = content.pop("profiles", {})
    if not isinstance(profiles, dict) or not all(isinstance(table, dict) for table in profiles.values()):
        raise SettingsError(f"profiles in {path} is not a set of tables.", hint="Write [profiles.NAME].", path=path)
    _refuse_unknown(content, list(Settings.model_fields), f"in {path}", path)
    allowed = [name for name in Settings.model_fields if name != "profile"]
    for name, table in profiles.items():
        _refuse_unknown(table, allowed, f"in [profiles.{name}] of {path}", path)
    _refuse_exposed_secrets([content, *profiles.values()], path, committed=committed)
    return SettingsFile(path, content, profiles)


def _parse(path: Path) -> dict[str, Any]:
    # The errors are left behind: they carry the file's content, or quote from it.
    text = ""
    try:
        text = path.read_text("utf-8")
        return tomllib.loads(text)
    except UnicodeDecodeError as error:
        reason = f"{path} is not UTF-8 text, from byte {error.start} on."
        hint = "Save it as UTF-8."
    except tomllib.TOMLDecodeError as error:
        stated = re.search(r"\(at line (\d+), column \d+\)$", str(error))
        line = stated[1] if stated else len(text.splitlines())
        reason = f"{path} is not valid TOML, line {line}."
        hint = "Correct it; texts stand in quotes."
    except OSError as error:
        reason = f"{path} cannot be read: {error.strerror}."
        hint = "Correct its permissions or remove it."
    raise SettingsError(reason, hint=hint, path=path)


def _refuse_unknown(table: Mapping[str, Any], known: list[str], place: str, path: Path) -> None:
    for key in table:
        if key in known:
            continue
        near = difflib.get_close_matches(key.lower(), known, n=2)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Settings are: {', '.join(known)}."
        raise SettingsError(f"There is no setting {key!r} ({place}).", hint=hint, path=path, near=tuple(near))


def _refuse_exposed_secrets(tables: Iterable[Mapping[str, Any]], path: Path, *, committed: bool) -> None:
    for table in tables:
        name = "api_key" if table.get("api_key") else "url" if _has_password(table.get("url")) else None
        if name is None:
            continue
        what = name if name == "api_key" else "the password in url"
        if committed:
            hint = f"Set {VARIABLES[name]}, or put it into your own settings file with mode 0600."
            raise SettingsError(f"{what} may not stand in a {PROJECT_FILE} ({path}).", hint=hint, path=path)
        mode = stat.S_IMODE(path.stat().st_mode)
        if os.name != "nt" and mode & ~_PRIVATE & 0o777:
            hint = f"Run: chmod 600 {path}"
            raise SettingsError(f"{path} holds {what} and has mode {mode:04o}.", hint=hint, path=path)


def _has_password(url: object) -> bool:
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    return parts.password is not None or any("password" in name.lower() for name, _ in parse_qsl(parts.query))


def _chosen_profile(environment: Mapping[str, Any], files: Iterable[SettingsFile]) -> str | None:
    chosen = (values.get("profile") for values in (environment, *(file.values for file in files)))
    return next((str(profile) for profile in chosen if profile), None)


def _unknown_profile(profile: str, files: list[SettingsFile], user: Path) -> SettingsError:
    found = [(name, file.path) for file in files for name in file.profiles]
    places = ", ".join(str(file.path) for file in files) or f"no file: neither {PROJECT_FILE} nor {user} exists"
    listed = ", ".join(f"{name} ({path})" for name, path in found) or "none"
    return SettingsError(
        f"No settings file has the profile {profile!r}. Read: {places}. Profiles found: {listed}.",
        hint=f"Choose one of them with {VARIABLES['profile']}, or add [profiles.{profile}].",
        profile=profile,
        found=tuple(name for name, _ in found),
    )


def _place(name: str, layers: list[Layer]) -> str:
    for layer in layers:
        if name in layer.values:
            return f"{name} {layer.place}" if layer.place else VARIABLES[name]
    return name
