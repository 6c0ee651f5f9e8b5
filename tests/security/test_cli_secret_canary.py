"""No command about stores, keys or backups shows a secret or a key: not on success, not on failure, not in a log."""

import io
import json
import logging
import os
import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode

import pytest
from fakes.memory_vault import SHELVES, MemoryVault, ReadOnlyVault, shelf
from pydantic import BaseModel, SecretStr
from typer.testing import CliRunner

from typecase.blocks import Block, BlockType, Check, Stage, Status, registries, secret
from typecase.blocks.errors import (
    AuthenticationFailed,
    SecretError,
    SecretExpired,
    SecretForbidden,
    SecretMalformed,
    SecretNotFound,
    SecretStoreUnreachable,
    TypecaseError,
)
from typecase.blocks.secrets.cache import CACHE
from typecase.registry import data_keys, saving
from typecase.registry.cli import app
from typecase.registry.cli.exit_codes import code_of
from typecase.registry.keys import file as file_keys
from typecase.registry.keys.provider import decode_root_key, encode_root_key

COMMAND = (sys.executable, "-m", "typecase.registry.cli")
MODES = ["table", "json"]


class Part(BaseModel):
    token: SecretStr | None = None


class Safe(Block):
    """Its check repeats what it fetched."""

    __block__ = BlockType(slug="cli-store-safe")

    host: str = "h"
    password: SecretStr | None = None
    part: Part = Part()

    def check(self) -> Check:
        text = self.password.get_secret_value() if self.password else ""
        stage = Stage(name="auth", status=Status.ERROR, reason=f"{text} was refused", next_step=f"replace {text}")
        return Check(stages=(stage,))


@pytest.fixture(params=["plain", "json"], ids=["plain", "json with debug"])
def mode(request, monkeypatch):
    """How a command answers: errors are told in both ways, in one of them with a traceback."""
    monkeypatch.setenv("TYPECASE_DEBUG", str(int(request.param == "json")))
    return request.param


@pytest.fixture
def keys(monkeypatch):
    """Every root key, data key and document's own key that this process makes."""
    made = []

    def record(make):
        def recording():
            made.append(make())
            return made[-1]

        return recording

    for module in (data_keys, saving, file_keys):
        monkeypatch.setattr(module, "new_data_key", record(module.new_data_key))
    return made


@pytest.fixture(autouse=True)
def vault(home, monkeypatch, keys, canary):
    """A registry in a file, with a vault in it that holds the canary."""
    monkeypatch.setenv("TYPECASE_URL", f"sqlite:///{home}/registry.db")
    SHELVES.clear()
    CACHE.clear()
    shelf().secrets = {"text": canary, "json": json.dumps({"password": canary, "token": canary})}
    MemoryVault().save("vault")
    ReadOnlyVault().save("sealed")
    yield shelf()
    CACHE.clear()


def spellings(key):
    """What a key of bytes looks like in a text."""
    coded = [b64encode(key).decode().rstrip("="), urlsafe_b64encode(key).decode().rstrip("=")]
    return [key.hex(), key.hex().upper(), repr(key)[2:-1], *coded]


@pytest.fixture
def run(assert_no_canary, keys):
    """Runs a command as a new process would, and looks for the canary and for keys in all that it says and logs."""

    def run(*arguments, code=0, given=None):
        registries.close_registries()
        CACHE.clear()
        log, root = io.StringIO(), logging.getLogger()
        handler, level = logging.StreamHandler(log), root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            result = CliRunner().invoke(app, [*map(str, arguments)], input=given)
        finally:
            root.removeHandler(handler)
            root.setLevel(level)
        said = f"{result.output}\n{result.stderr}\n{result.exception!r}\n{log.getvalue()}"
        assert_no_canary(said)
        assert keys
        assert not [spelling for key in keys for spelling in spellings(key) if spelling in said]
        if code is not None:
            assert result.exit_code == code, said
        return result

    return run


CREATE = ("blocks", "create", "cli-store-safe", "main")
EDIT = ("blocks", "edit", "main")


@pytest.fixture
def saved():
    """A document that refers to the vault everywhere, in two revisions."""
    Safe(host="old", password=secret("vault", "text")).save("main")
    Safe.load("main").model_copy(update={"host": secret("vault", "text"), "part": secret("vault", "json")}).save("main")


# References


@pytest.mark.parametrize("mode", MODES, indirect=True)
@pytest.mark.parametrize("given", ["password=vault/text", "password=vault/json#password", "part=vault/json"])
def test_a_reference_is_written_without_reading_it(run, vault, given, mode):
    run(*CREATE, "--secret-from-store", given, "-o", mode)
    run(*EDIT, "--secret-from-store", given, "--set", "host=other", "-o", mode)
    assert vault.reads == []


@pytest.mark.parametrize("mode", MODES, indirect=True)
@pytest.mark.parametrize(
    "arguments",
    [
        ("blocks", "show", "main"),
        ("blocks", "show", "main", "--revision", "1"),
        ("blocks", "show", "main", "--reveal"),
        ("blocks", "ls"),
        ("blocks", "history", "main"),
        ("blocks", "diff", "main"),
        ("blocks", "restore", "main", "1"),
        ("blocks", "describe", "main", "--tag", "x"),
        ("blocks", "rename", "vault", "other"),
        ("blocks", "upgrade", "--all"),
        ("blocks", "edit", "main", "--set", "host=other"),
        ("blocks", "edit", "main", "--unset", "password"),
        ("blocks", "delete", "main", "--yes"),
        ("blocks", "check", "vault"),
        ("keys", "status"),
        ("info",),
    ],
    ids=" ".join,
)
def test_no_answer_about_a_document_with_references_shows_what_they_lead_to(run, saved, vault, arguments, mode):
    run(*arguments, "-o", mode, code=None if arguments[1:] == ("upgrade", "--all") else 0)
    assert vault.reads == []


@pytest.mark.parametrize("mode", MODES, indirect=True)
def test_what_a_check_fetched_and_repeats_is_covered(run, saved, mode):
    result = run("blocks", "check", "main", "-o", mode, code=9)
    assert "********** was refused" in result.stdout


@pytest.mark.parametrize("text", ["password={0}", "{0}", "password=", "passwrod={0}"])
def test_a_secret_pasted_in_place_of_its_reference_is_not_repeated(run, canary, text):
    pasted = canary.split("/")[0]
    result = run(*CREATE, "--secret-from-store", text.format(pasted), code=None)
    assert result.exit_code in (2, 4)


# Failing stores


FAILURES = [
    AuthenticationFailed("Who are you?", hint="Sign in."),
    SecretError("It failed.", hint="Look."),
    SecretExpired("It ended.", hint="Renew it."),
    SecretForbidden("Not for you.", hint="Ask."),
    SecretMalformed("Odd.", hint="Correct it."),
    SecretNotFound("Nothing there.", hint="Name another."),
    SecretStoreUnreachable("No answer.", hint="Wait."),
    RuntimeError("to be replaced"),
]


@pytest.fixture(params=FAILURES, ids=lambda error: type(error).__name__)
def failure(request, vault, canary):
    """A vault whose every call fails, with an error that another one caused which shows the secret."""

    def fail(*_):
        answer = {"secret": canary}
        if type(request.param) is RuntimeError:
            raise RuntimeError(f"unexpected {answer}")
        raise type(request.param)(request.param.message, hint=request.param.hint) from ValueError(f"got {answer}")

    vault.on_read = vault.on_put = fail
    return request.param if isinstance(request.param, TypecaseError) else SecretError("", hint="")


def test_a_store_that_fails_in_a_check_shows_nothing(run, saved, failure, mode):
    run("blocks", "check", "main", "-o", mode, code=code_of(failure))


@pytest.mark.parametrize("command", [CREATE, EDIT])
def test_a_store_that_takes_nothing_shows_nothing(run, failure, canary, command, mode):
    if command is EDIT:
        Safe().save("main")
    moved = ("--set", f"password={canary}", "--secrets-to", "vault")
    run(*command, *moved, "-o", mode, code=code_of(failure))
    assert run("blocks", "history", "main", "-o", "json", code=None).stdout.count("created") == (command is EDIT)


@pytest.mark.parametrize("mode", MODES, indirect=True)
@pytest.mark.parametrize("field", ["password", "part.token"])
def test_a_secret_that_is_moved_to_a_store_is_not_shown(run, vault, canary, field, mode, home, assert_no_canary):
    run(*CREATE, "--set", f"{field}={canary}", "--secrets-to", "vault", "-o", mode)
    run(*EDIT, "--secret-stdin", field, "--secrets-to", "vault", "-o", mode, given=f"{canary}-new")
    run("blocks", "show", "main", "--reveal", "-o", mode)
    assert len(vault.puts) == 2
    assert assert_no_canary(home) > 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--secrets-to", "nowhere"), 3),
        (("--secrets-to", "sealed"), 10),
        (("--secrets-to", "env"), 4),
        (("--secrets-to", "main"), 4),
        (("--secrets-to", "vault", "--set", "hots=x"), 4),
        (("--secrets-to", "vault"), 5),
    ],
)
def test_a_refused_move_shows_nothing(run, canary, arguments, code, mode):
    Safe().save("main")
    name = "main" if code == 5 else "other"
    run(*CREATE[:-1], name, "--set", f"password={canary}", *arguments, "-o", mode, code=code)


# Keys


@pytest.mark.parametrize("mode", MODES, indirect=True)
def test_no_command_about_keys_shows_one(run, saved, home, keys, mode):
    new = (home / "new.key").as_uri()
    before = len(keys)
    for command in (
        ("status",),
        ("rotate", "--plan"),
        ("rotate",),
        ("retire",),
        ("rotate", "--retire"),
        ("rewrap", "--to", new, "--plan", "--create-key"),
        ("rewrap", "--to", new, "--create-key"),
        ("status",),
    ):
        run("keys", *command, "-o", mode, code=None)
    assert len(keys) >= before + 3


WRONG = {
    "another key": lambda _: encode_root_key(b"\1" * 32),
    "no key": lambda canary: canary,
    "half a key": lambda canary: f"typecase-root-key-1:{canary}",
    "empty": lambda _: "",
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("place", ["file", "env"])
def test_a_wrong_root_key_is_not_quoted(run, saved, home, canary, keys, wrong, place, mode, monkeypatch):
    text = WRONG[wrong](canary)
    keys.append(b"\1" * 32)
    if place == "file":
        (home / ".config" / "typecase" / "root.key").write_text(text)
    else:
        monkeypatch.setenv("GIVEN", text)
        monkeypatch.setenv("TYPECASE_KEY", "env://GIVEN")
    for command in (
        ("keys", "status"),
        ("keys", "rotate"),
        ("keys", "retire"),
        ("keys", "rewrap", "--to", (home / "new.key").as_uri(), "--create-key"),
        ("blocks", "show", "main"),
        (*CREATE[:-1], "other", "--set", f"password={canary}"),
        (*EDIT, "--set", f"password={canary}"),
        ("info",),
    ):
        result = run(*command, "-o", mode, code=None)
        assert (result.exit_code == 0) == (command == ("info",)), result.output


@pytest.mark.parametrize("to", ["env://GIVEN", "nowhere://x", "not a url", "file:///proc/1/nothing"])
def test_a_new_root_key_that_cannot_be_used_is_not_quoted(run, saved, canary, to, mode, monkeypatch):
    monkeypatch.setenv("GIVEN", canary)
    assert run("keys", "rewrap", "--to", to, "-o", mode, code=None).exit_code not in (0, 1)


@pytest.mark.parametrize("arguments", [("keys", "status"), ("blocks", "ls"), ("backup", "b"), ("info",)], ids=" ".join)
def test_the_password_of_a_registry_s_url_is_not_shown(run, canary, arguments):
    password = canary.split("/")[0]
    url = f"postgresql://ada:{password}@127.0.0.1:1/registry"
    result = run("--url", url, *arguments, code=None)
    assert (result.exit_code == 0) == (arguments == ("info",))


# Backups


@pytest.fixture
def backup(run, saved, home, canary):
    """A backup of documents with literal secrets, and with references."""
    Safe(password=canary).save("literal")
    run("backup", home / "b")
    return home / "b"


@pytest.mark.parametrize("mode", MODES, indirect=True)
def test_a_backup_and_its_restoring_show_nothing(run, backup, home, canary, mode, assert_no_canary, keys):
    run("backup", home / "again", "-o", mode)
    copied = f"sqlite:///{home / 'copy.db'}"
    run("--url", copied, "restore", home / "again", "-o", mode)
    run("--url", copied, "blocks", "show", "literal", "-o", mode)
    registries.close_registries()
    assert assert_no_canary(home / "again", home / "copy.db") > 0
    files = [path.read_bytes() for path in (home / "again", home / "copy.db")]
    registry = registries.current_registry()
    registry.load("literal", workspace="default")
    (data_key,) = registry._keys.opened.values()
    root_key = decode_root_key((home / ".config" / "typecase" / "root.key").read_text())
    assert {data_key, root_key} <= set(keys)
    for key in (data_key, root_key):
        forms = [key, *(spelling.encode() for spelling in spellings(key))]
        assert not [form for form in forms for content in files if form in content]


BROKEN = {
    "cut": lambda data, _: data[:-9],
    "half": lambda data, _: data[: len(data) // 2],
    "empty": lambda _, __: b"",
    "something else": lambda _, canary: canary.encode() * 50,
    "a line more": lambda data, canary: data + canary.encode(),
    "a line less": lambda data, _: b"\n".join(data.split(b"\n")[1:]),
    "a byte changed": lambda data, _: data[:3000] + bytes([data[3000] ^ 1]) + data[3001:],
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_backup_is_refused_without_quoting_it(run, backup, home, canary, broken, mode):
    backup.write_bytes(BROKEN[broken](backup.read_bytes(), canary))
    result = run("--url", f"sqlite:///{home / 'copy.db'}", "restore", backup, "-o", mode, code=None)
    assert result.exit_code not in (0, 1)


def test_a_backup_or_its_restoring_that_is_refused_shows_nothing(run, backup, home, mode):
    for command in (("backup", backup), ("restore", backup), ("backup", home / "b" / "b"), ("restore", home)):
        assert run(*command, "-o", mode, code=None).exit_code not in (0, 1)


def test_a_backup_under_another_root_key_stays_closed(run, backup, home, keys, mode, monkeypatch):
    keys.append(b"\1" * 32)
    monkeypatch.setenv("GIVEN", encode_root_key(b"\1" * 32))
    monkeypatch.setenv("TYPECASE_KEY", "env://GIVEN")
    copied = f"sqlite:///{home / 'copy.db'}"
    run("--url", copied, "restore", backup, "-o", mode, code=None)
    assert run("--url", copied, "blocks", "show", "literal", "-o", mode, code=None).exit_code not in (0, 1)


# Processes


def test_whole_processes_show_nothing(home, canary, assert_no_canary):
    environment = {**os.environ, "PYTHONUTF8": "1", "PYTHONDEVMODE": "1", "TYPECASE_DEBUG": "1", "GIVEN": canary}
    commands = {
        ("blocks", "create", "secret", "main", "--secret-from-store", "value=env/GIVEN"): 0,
        ("blocks", "create", "secret", "lost", "--secret-from-store", "value=env/NOT_GIVEN"): 0,
        ("blocks", "show", "main", "-o", "json"): 0,
        ("blocks", "show", "main", "--reveal"): 0,
        ("blocks", "create", "secret", "moved", "--secret-stdin", "value", "--secrets-to", "env"): 4,
        ("keys", "rotate", "--retire", "-o", "json"): 0,
        ("backup", "b"): 0,
        ("restore", "b"): 5,
    }
    for command, code in commands.items():
        done = subprocess.run(
            [*COMMAND, *command], input=canary.encode(), capture_output=True, check=False, env=environment
        )
        assert done.returncode == code, done.stderr
        assert_no_canary(done.stdout, done.stderr)
    assert assert_no_canary(home) > 10_000
