"""Where settings come from, and what is said when they are wrong."""

import os
import subprocess
import sys
from contextlib import chdir
from itertools import combinations
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from typecase.blocks.errors import InvalidName, SettingsError, TypecaseError
from typecase.blocks.names import validate_name
from typecase.blocks.settings import (
    HOME,
    VARIABLES,
    Settings,
    current_settings,
    default_paths,
    find_project_file,
    read_settings,
    reload_settings,
)

CANARY = "c4n4ry-pa55word"
DOCS = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"
on_posix = pytest.mark.skipif(os.name == "nt", reason="file modes are POSIX")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working directory, with a home beside it and no variable set."""
    for name in list(os.environ):
        if name.startswith("TYPECASE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv(HOME, str(tmp_path / "home"))
    folder = tmp_path / "project" / "sub"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    reload_settings()
    yield folder
    reload_settings()


def write_user(text: str, mode: int = 0o600) -> Path:
    path = default_paths().config_file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def write_project(text: str, where: str = ".") -> Path:
    path = Path(where).resolve() / "typecase.toml"
    path.write_text(text)
    return path


def refusal() -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert caught.value.__context__ is None
    return caught.value


# Precedence

SOURCES = {
    "environment": lambda patch: patch.setenv("TYPECASE_WORKSPACE", "environment"),
    "project profile": lambda patch: write_project(
        'workspace = "project"\n[profiles.p]\nworkspace = "project-profile"'
    ),
    "project": lambda patch: write_project('workspace = "project"'),
    "user profile": lambda patch: write_user('workspace = "user"\n[profiles.p]\nworkspace = "user-profile"'),
    "user": lambda patch: write_user('workspace = "user"'),
    "default": lambda patch: None,
}


@pytest.mark.parametrize(
    ("higher", "lower"),
    [pair for pair in combinations(SOURCES, 2) if pair[0].split()[0] != pair[1].split()[0]],
)
def test_the_higher_of_two_sources_wins(higher, lower, monkeypatch):
    SOURCES[lower](monkeypatch)
    SOURCES[higher](monkeypatch)
    if "profile" in higher + lower:
        monkeypatch.setenv("TYPECASE_PROFILE", "p")
    assert read_settings().workspace == higher.replace(" ", "-")


def test_a_setting_that_only_a_lower_source_has_is_kept():
    write_user('url = "https://user"\nworkspace = "user"')
    write_project('workspace = "project"')
    settings = read_settings()
    assert (settings.workspace, settings.url) == ("project", SecretStr("https://user"))


def test_the_defaults_name_the_embedded_registry_and_the_default_workspace():
    assert read_settings() == Settings(url=None, workspace="default", api_key=None, key=None, profile=None)


def test_an_empty_variable_counts_as_unset(monkeypatch):
    monkeypatch.setenv("TYPECASE_WORKSPACE", "")
    write_user('workspace = "user"')
    assert read_settings().workspace == "user"


def test_the_nearest_project_file_of_the_parents_is_read():
    write_project('workspace = "far"', "../..")
    write_project('workspace = "near"', "..")
    assert read_settings().workspace == "near"


def test_no_project_file_is_found_in_a_folder_that_was_removed(folder):
    folder.rmdir()
    assert find_project_file() is None


def test_every_setting_is_read_from_its_variable(monkeypatch):
    write_user("[profiles.p]")
    for name, value in {"URL": "https://h", "WORKSPACE": "w", "API_KEY": "t", "KEY": "env://K", "PROFILE": "p"}.items():
        monkeypatch.setenv(f"TYPECASE_{name}", value)
    assert read_settings() == Settings(
        url=SecretStr("https://h"), workspace="w", api_key=SecretStr("t"), key="env://K", profile="p"
    )


VALUES = {
    "url": st.sampled_from(["", "no url", "https://h", "postgresql://u:p@h/d", "sqlite:///x?password=1"]),
    "workspace": st.one_of(
        st.sampled_from(["", "prod", "Bad Name"]), st.from_regex(r"[a-z0-9._-]{1,70}", fullmatch=True)
    ),
    "api_key": st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
    "key": st.sampled_from(["", "file:///k", "env://NAME", "keyring://s/u", "c2VjcmV0", "1a://x"]),
}


def outcome(variables: dict[str, str], *, with_file: bool, below: Path) -> object:
    home = below / str(with_file)
    with mock.patch.dict(os.environ, {**variables, HOME: str(home)}), chdir(below):
        if with_file:
            write_user("# nothing")
        try:
            return read_settings()
        except SettingsError as error:
            return str(error)


@given(values=st.fixed_dictionaries({}, optional=VALUES))
def test_the_environment_means_the_same_with_and_without_a_settings_file(values, tmp_path_factory):
    variables = {VARIABLES[name]: value for name, value in values.items()}
    below = tmp_path_factory.getbasetemp()
    assert outcome(variables, with_file=True, below=below) == outcome(variables, with_file=False, below=below)


# Profiles


def test_a_profile_overrides_only_the_keys_that_it_has(monkeypatch):
    write_user('workspace = "user"\nkey = "env://K"\n[profiles.prod]\nworkspace = "prod"')
    monkeypatch.setenv("TYPECASE_PROFILE", "prod")
    settings = read_settings()
    assert (settings.workspace, settings.key, settings.profile) == ("prod", "env://K", "prod")


def test_a_profile_of_both_files_is_taken_from_both(monkeypatch):
    write_user('[profiles.prod]\nworkspace = "user"\nkey = "env://K"')
    write_project('[profiles.prod]\nworkspace = "project"')
    monkeypatch.setenv("TYPECASE_PROFILE", "prod")
    settings = read_settings()
    assert (settings.workspace, settings.key) == ("project", "env://K")


def test_a_file_can_choose_the_profile():
    write_user('[profiles.prod]\nworkspace = "prod"')
    write_project('profile = "prod"')
    assert read_settings().workspace == "prod"


def test_the_environment_chooses_the_profile_before_a_file(monkeypatch):
    write_user('profile = "a"\n[profiles.a]\nworkspace = "a"\n[profiles.b]\nworkspace = "b"')
    monkeypatch.setenv("TYPECASE_PROFILE", "b")
    assert read_settings().workspace == "b"


def test_a_profile_that_no_file_has_is_refused_with_the_profiles_found_and_where(monkeypatch):
    user, project = write_user("[profiles.dev]"), write_project("[profiles.stage]")
    monkeypatch.setenv("TYPECASE_PROFILE", "prod")
    error = refusal()
    assert f"Profiles found: stage ({project}), dev ({user})" in str(error)
    assert (error.profile, error.found) == ("prod", ("stage", "dev"))


def test_a_profile_without_any_file_is_refused_with_the_places_looked_at(monkeypatch):
    monkeypatch.setenv("TYPECASE_PROFILE", "prod")
    assert f"no file: neither typecase.toml nor {default_paths().config_file} exists" in str(refusal())


# Refusals


def test_an_unknown_key_is_refused_with_the_near_ones():
    path = write_project('workspce = "x"')
    assert str(refusal()) == f"There is no setting 'workspce' (in {path}). Did you mean workspace?"


def test_an_unknown_key_that_is_near_nothing_lists_the_settings():
    write_project('zzz = "x"')
    names = "url, workspace, api_key, key, secret_max_age, secret_max_stale, secret_files, profile"
    assert str(refusal()).endswith(f"Settings are: {names}.")


def test_an_unknown_key_in_a_profile_that_is_not_chosen_is_refused():
    write_user('[profiles.prod]\nurll = "https://h"')
    assert "[profiles.prod]" in str(refusal())


def test_a_profile_cannot_choose_a_profile():
    write_user('[profiles.prod]\nprofile = "x"')
    assert "There is no setting 'profile'" in str(refusal())


@pytest.mark.parametrize("text", ["profiles = 3", "[profiles]\nprod = 3"])
def test_profiles_that_are_no_tables_are_refused(text):
    write_user(text)
    assert "Write [profiles.NAME]." in str(refusal())


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f'workspace = "x"\napi_key = {CANARY}', "line 2"),
        (f'api_key = "{CANARY}"\napi_key = "{CANARY}"', "line 2"),
        (f'api_key = "{CANARY}', "line 1"),
        (f"[{CANARY}]\n[{CANARY}]", "line 2"),
    ],
)
def test_invalid_toml_is_refused_with_file_and_line_and_no_content(text, place):
    path = write_user(text)
    assert str(refusal()).startswith(f"{path} is not valid TOML, {place}.")
    assert CANARY not in str(refusal())


def test_a_file_that_is_not_utf_8_is_refused():
    write_user("").write_bytes(b'workspace = "\xff"')
    assert "is not UTF-8 text, from byte 13 on" in str(refusal())


def test_a_file_that_cannot_be_read_is_refused(monkeypatch):
    path = write_user("")

    def refuse(self, encoding):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_text", refuse)
    assert str(refusal()).startswith(f"{path} cannot be read: Permission denied.")


@pytest.mark.parametrize("name", ["url", "workspace", "key"])
def test_a_malformed_variable_is_named_and_not_quoted(name, monkeypatch):
    monkeypatch.setenv(VARIABLES[name], f"{CANARY} !")
    error = refusal()
    assert str(error).startswith(VARIABLES[name])
    assert error.settings == (name,)
    assert CANARY not in str(error) + repr(vars(error))


@pytest.mark.parametrize(
    ("text", "place"),
    [("workspace = 3", "workspace in {path}"), ("[profiles.p]\nworkspace = 3", "workspace in [profiles.p] of {path}")],
)
def test_a_malformed_value_in_a_file_is_refused_with_its_place(text, place, monkeypatch):
    path = write_user(text)
    if "profiles" in text:
        monkeypatch.setenv("TYPECASE_PROFILE", "p")
    assert str(refusal()).startswith(place.format(path=path))


def test_all_malformed_settings_are_named_at_once(monkeypatch):
    monkeypatch.setenv("TYPECASE_URL", "nothing")
    monkeypatch.setenv("TYPECASE_KEY", "nothing")
    assert refusal().settings == ("url", "key")


def test_a_malformed_workspace_is_refused_with_the_rule(monkeypatch):
    monkeypatch.setenv("TYPECASE_WORKSPACE", "Prod")
    assert "Use 1 to 63 lower-case letters, digits" in str(refusal())


# Secrets


@pytest.mark.parametrize(
    "text",
    [
        f'api_key = "{CANARY}"',
        f'url = "postgresql://u:{CANARY}@h/d"',
        f'url = "postgresql://h/d?sslpassword={CANARY}"',
        f'[profiles.prod]\napi_key = "{CANARY}"',
    ],
)
def test_a_secret_in_the_project_file_is_refused(text):
    write_project(text)
    assert "may not stand in a typecase.toml" in str(refusal())
    assert CANARY not in str(refusal())


@on_posix
@pytest.mark.parametrize("text", [f'api_key = "{CANARY}"', f'[profiles.p]\nurl = "postgresql://u:{CANARY}@h/d"'])
def test_a_secret_in_a_user_file_that_others_can_read_is_refused_with_the_command_to_run(text):
    path = write_user(text, mode=0o640)
    assert str(refusal()).endswith(f"has mode 0640. Run: chmod 600 {path}")
    assert CANARY not in str(refusal())


def test_a_secret_in_a_private_user_file_is_read():
    write_user(f'api_key = "{CANARY}"')
    assert read_settings().api_key == SecretStr(CANARY)


@on_posix
def test_a_user_file_without_secrets_may_be_readable_by_all():
    write_user('url = "https://h"', mode=0o644)
    assert read_settings().url == SecretStr("https://h")


def test_no_secret_is_in_the_repr_of_settings():
    settings = Settings(url=SecretStr(f"postgresql://u:{CANARY}@h/d"), api_key=SecretStr(CANARY))
    assert CANARY not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().workspace = "other"  # type: ignore[misc]


# Current settings


def test_a_change_of_a_variable_is_seen_by_the_next_call(monkeypatch):
    seen = []
    for workspace in ("staging", "prod", "staging"):
        os.environ["TYPECASE_WORKSPACE"] = workspace
        seen.append(current_settings().workspace)
    monkeypatch.delenv("TYPECASE_WORKSPACE")
    assert [*seen, current_settings().workspace] == ["staging", "prod", "staging", "default"]


def test_a_change_of_the_home_is_seen_by_the_next_call(tmp_path, monkeypatch):
    current_settings()
    monkeypatch.setenv(HOME, str(tmp_path / "other"))
    write_user('workspace = "other"')
    assert current_settings().workspace == "other"


def test_an_environment_that_was_replaced_is_read(monkeypatch):
    monkeypatch.setattr(os, "environ", {"TYPECASE_WORKSPACE": "replaced", HOME: os.environ[HOME]})
    assert current_settings().workspace == "replaced"


def test_a_warm_call_returns_the_same_object_and_reads_no_file():
    first = current_settings()
    write_user("this is not TOML")
    assert current_settings() is first


def test_reloading_reads_the_files_again():
    current_settings()
    write_user('workspace = "user"')
    reload_settings()
    assert current_settings().workspace == "user"


def test_an_error_is_not_remembered(monkeypatch):
    path = write_user("workspace = 3")
    with pytest.raises(SettingsError):
        current_settings()
    path.unlink()
    assert current_settings().workspace == "default"


def test_many_states_of_the_environment_are_not_all_remembered():
    from typecase.blocks import settings

    for number in range(200):
        os.environ["TYPECASE_WORKSPACE"] = f"w{number}"
        current_settings()
    os.environ.pop("TYPECASE_WORKSPACE")
    assert len(settings._cache) <= 64


# Paths


def test_data_and_keys_are_kept_in_two_folders_below_the_home(tmp_path):
    home = tmp_path / "home"
    assert default_paths() == (
        home / "data",
        home / "config",
        home / "data" / "registry.db",
        home / "config" / "root.key",
        home / "config" / "config.toml",
    )


def test_without_a_home_the_platform_says_where(monkeypatch):
    monkeypatch.delenv(HOME)
    monkeypatch.setenv("XDG_DATA_HOME", "/d")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/c")
    if sys.platform == "linux":
        assert default_paths()[:2] == (Path("/d/typecase"), Path("/c/typecase"))
    else:
        assert default_paths().data_dir.name == "typecase"


def test_a_relative_home_is_below_the_working_directory(monkeypatch, folder):
    monkeypatch.setenv(HOME, "here")
    assert default_paths().data_dir == folder / "here" / "data"


# Imports and documentation


@pytest.mark.parametrize(("text", "imported"), [(None, "False"), ("# nothing", "True")])
def test_pydantic_settings_is_imported_only_when_there_is_a_file(text, imported):
    if text is not None:
        write_user(text)
    script = (
        "import sys; from typecase.blocks.settings import current_settings; current_settings();"
        "print('pydantic_settings' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == imported


def test_every_setting_is_documented_with_its_variable():
    rows = [line for line in DOCS.read_text("utf-8").splitlines() if line.startswith("|")]
    missing = [
        name for name, variable in VARIABLES.items() if not any(f"| `{name}` | `{variable}` |" in row for row in rows)
    ]
    assert missing == []


def test_the_home_variable_is_documented():
    assert f"`{HOME}`" in DOCS.read_text("utf-8")


def test_every_setting_says_what_it_is():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


# Names


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("workspace", "default"),
        ("workspace", "0.a_b-c"),
        ("workspace", "a" * 63),
        ("document", "prod-db"),
        ("document", "Prod_DB.v2"),
        ("document", "9" * 128),
        ("slug", "s3"),
        ("slug", "postgres-database-2"),
        ("slug", "a" * 64),
    ],
)
def test_a_name_that_keeps_the_rule_is_returned(what, name):
    assert validate_name(name, what) == name


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("workspace", ""),
        ("workspace", "Prod"),
        ("workspace", "-a"),
        ("workspace", "a/b"),
        ("workspace", "a\n"),
        ("workspace", "é"),
        ("workspace", "a" * 64),
        ("document", ""),
        ("document", ".hidden"),
        ("document", "a b"),
        ("document", "type/name"),
        ("document", "name\n"),
        ("document", "x" * 129),
        ("slug", "2s"),
        ("slug", "A"),
        ("slug", "a--b"),
        ("slug", "a-"),
        ("slug", "a_b"),
        ("slug", "a" * 65),
    ],
)
def test_a_name_that_breaks_the_rule_is_refused(what, name):
    with pytest.raises(InvalidName) as caught:
        validate_name(name, what)
    assert (caught.value.name, caught.value.what) == (name, what)
    assert caught.value.hint.startswith("Use ")


def test_an_invalid_name_is_a_typecase_error_and_a_value_error():
    assert (issubclass(InvalidName, TypecaseError), issubclass(InvalidName, ValueError)) == (True, True)


@given(name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", fullmatch=True))
def test_every_document_name_of_the_rule_is_accepted(name):
    assert validate_name(name, "document") == name


def test_a_very_long_name_is_cut_in_the_message():
    with pytest.raises(InvalidName) as caught:
        validate_name("x" * 10_000, "document")
    assert len(str(caught.value)) < 300
