"""No command shows a secret: not on success, not on failure, not in a file it leaves; `show --reveal` alone does."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr, field_validator, model_validator
from typer.testing import CliRunner

from typecase.blocks import Block, BlockType, Check, Stage, Status, current_registry, field, use_registry
from typecase.blocks.memory import MemoryRegistry
from typecase.registry.cli import app

COMMAND = (sys.executable, "-m", "typecase.registry.cli")


class Inner(BaseModel):
    key: SecretStr | None = None
    size: int = 1


class Vault(Block):
    """A block that holds secrets at every depth, and whose validators and checks talk too much."""

    __block__ = BlockType(slug="cli-canary-vault")

    name: str = "vault"
    port: int = 1
    password: SecretStr | None = None
    inner: Inner = Inner()
    keys: list[SecretStr] = field(default_factory=list)
    named: dict[str, SecretStr] = field(default_factory=dict)
    refuse: bool = False
    talk: bool = False

    @field_validator("password")
    @classmethod
    def _refuse_short(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and value.get_secret_value().startswith("bad"):
            raise ValueError(f"{value.get_secret_value()} is a bad password")
        return value

    @model_validator(mode="after")
    def _refuse_on_demand(self):
        if self.refuse:
            raise ValueError(f"refused: {self.password.get_secret_value() if self.password else ''}")
        return self

    def check(self) -> Check:
        secret = self.password.get_secret_value() if self.password else ""
        if self.talk:
            raise RuntimeError(f"cannot sign in with {secret}")
        return Check(stages=(Stage(name="auth", status=Status.ERROR, reason=f"wrong: {secret}", next_step=secret),))


@pytest.fixture(autouse=True)
def registry(request, home, monkeypatch):
    """A registry in memory; in a file where the test asks for `embedded`. Temporary files stay in this test's home."""
    (home / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(home / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    if "embedded" in request.fixturenames:
        monkeypatch.setenv("TYPECASE_URL", f"sqlite:///{home}/registry.db")
        yield current_registry()
        current_registry().close()
    else:
        monkeypatch.setenv("TYPECASE_URL", "memory://")
        with use_registry(MemoryRegistry()) as registry:
            yield registry


@pytest.fixture
def embedded():
    """Makes `registry` one in a file."""


@pytest.fixture
def run(assert_no_canary):
    """Runs a command and looks for the canary in all that it prints."""

    def run(*arguments: str, code: int | None = 0, given: str | None = None):
        result = CliRunner().invoke(app, arguments, input=given)
        assert_no_canary(result.output, result.stdout, result.stderr, repr(result.exception))
        if code is not None:
            assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def saved(canary):
    """A document full of secrets, in two revisions."""
    inner = Inner(key=canary)
    Vault(name="old", password=f"{canary}-old", inner=inner).save("main")
    secrets = {"password": canary, "inner": inner, "keys": [canary], "named": {"a": canary}}
    Vault(name="new", **secrets).save("main", overwrite=True)
    return "main"


@pytest.fixture
def secret_file(home, canary):
    path = home / "given"
    path.write_text(canary)
    return path


CREATE = ("blocks", "create", "cli-canary-vault", "main")


@pytest.mark.parametrize("mode", ["table", "plain", "json"])
@pytest.mark.parametrize("field", ["password", "inner.key", "named.a"])
def test_create_by_set_shows_nothing_even_in_its_warning(run, canary, field, mode):
    assert "warning" in run(*CREATE, "--set", f"{field}={canary}", "-o", mode).stderr


def test_create_by_set_json_shows_nothing(run, canary):
    run(*CREATE, "--set-json", f"keys={json.dumps([canary])}")


def test_create_from_standard_input_shows_nothing(run, canary):
    run(*CREATE, "--secret-stdin", "password", given=canary)


def test_create_from_the_environment_shows_nothing(run, canary, monkeypatch):
    monkeypatch.setenv("GIVEN", canary)
    run(*CREATE, "--secret-from-env", "password=GIVEN")


def test_create_from_a_file_shows_nothing(run, canary, secret_file):
    run(*CREATE, "--secret-from-file", f"password={secret_file}")


def test_create_from_a_file_of_fields_shows_nothing(run, canary):
    run(*CREATE, "--from-file", "-", given=json.dumps({"password": canary, "keys": [canary]}))


@pytest.mark.parametrize("mode", ["plain", "json"])
@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--set", "password={0}", "--set", "port=many"), 4),
        (("--set", "port={0}"), 4),
        (("--set", "passwrod={0}"), 4),
        (("--set", "{0}"), 2),
        (("--set-json", "password={0}"), 4),
        (("--set", "password={0}", "--set", "refuse=yes"), 4),
        (("--set", "password=bad{0}"), 4),
        (("--set", "password={0}", "--set", "inner.size=0.5"), 4),
        (("--set", "inner={0}"), 4),
        (("--set", "keys={0}"), 4),
        (("--set-json", 'named={{"a": ["{1}"]}}'), 4),
        (("--secret-from-env", "password={0}"), 4),
        (("password={0}",), 2),
        (("--password={0}",), 2),
    ],
)
def test_a_refused_create_shows_nothing(run, canary, options, code, mode):
    quoted = json.dumps(canary)[1:-1]
    given = [option.format(canary, quoted) for option in options]
    if options[0] == "--secret-from-env":
        # The name of a variable is no secret; what somebody put in its place by mistake is.
        given[1] = "password=NOT_SET"
    run(*CREATE, *given, "-o", mode, code=code)


@pytest.mark.parametrize(
    "text", ["password: [{0}", "- {0}", "{0}", '{{"password": "{0}"', "passwrod: {0}", "port: '{0}'"]
)
def test_a_file_that_is_refused_is_not_quoted(run, canary, text):
    run(*CREATE, "--from-file", "-", given=text.format(canary), code=None)


def test_a_taken_name_shows_nothing(run, canary, saved):
    run(*CREATE, "--set", f"password={canary}", code=5)


@pytest.mark.parametrize("mode", ["table", "plain", "json"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("blocks", "show", "main"),
        ("blocks", "show", "main", "--revision", "1"),
        ("blocks", "ls"),
        ("blocks", "ls", "--search", "main"),
        ("blocks", "history", "main"),
        ("blocks", "diff", "main"),
        ("blocks", "diff", "main", "2", "1"),
        ("blocks", "restore", "main", "1"),
        ("blocks", "rename", "main", "other"),
        ("blocks", "describe", "main", "--tag", "x"),
        ("blocks", "edit", "main", "--set", "name=other"),
        ("blocks", "edit", "main", "--unset", "password"),
        ("blocks", "delete", "main", "--yes"),
        ("types", "show", "cli-canary-vault"),
        ("types", "ls"),
        ("workspaces", "ls"),
        ("keys", "status"),
        ("info",),
    ],
)
def test_no_answer_shows_a_secret(run, saved, arguments, mode):
    run(*arguments, "-o", mode)


def test_what_a_check_says_is_covered(run, saved):
    assert "wrong: **********" in run("blocks", "check", "main", code=9).stdout


@pytest.mark.parametrize("debug", ["0", "1"])
@pytest.mark.parametrize("mode", ["plain", "json"])
def test_a_fault_in_a_check_is_covered(run, canary, mode, debug, monkeypatch):
    monkeypatch.setenv("TYPECASE_DEBUG", debug)
    Vault(password=canary, talk=True).save("main")
    assert "cannot sign in with **********" in run("blocks", "check", "main", "-o", mode, code=1).stderr


@pytest.mark.parametrize("debug", ["0", "1"])
@pytest.mark.parametrize("mode", ["plain", "json"])
def test_a_fault_while_saving_is_covered(run, registry, canary, mode, debug, monkeypatch):
    monkeypatch.setenv("TYPECASE_DEBUG", debug)

    def fail(draft):
        raise RuntimeError(f"disk full while writing {draft.data!r}, {json.dumps(draft.data)}")

    monkeypatch.setattr(registry.documents, "save", fail)
    result = run(*CREATE, "--set", f"password={canary}", "--set", f"named.a={canary}", "-o", mode, code=1)
    assert "disk full" in result.stderr


def test_reveal_shows_the_secrets_of_the_one_document(canary, saved):
    result = CliRunner().invoke(app, ["blocks", "show", saved, "--reveal", "-o", "json"])
    assert json.loads(result.stdout)["data"]["password"] == canary


@pytest.mark.parametrize("arguments", [("blocks", "ls", "--reveal"), ("blocks", "show", "--reveal")])
def test_reveal_works_for_one_named_document_only(run, saved, arguments):
    run(*arguments, code=2)


@pytest.fixture
def editor(home, monkeypatch):
    def install(body: str) -> Path:
        script, copy = home / "editor.py", home / "seen"
        copying = f"pathlib.Path({str(copy)!r}).write_text(path.read_text())"
        script.write_text(f"import pathlib, sys\npath = pathlib.Path(sys.argv[1])\n{copying}\n{body}\n")
        monkeypatch.setenv("EDITOR", f"{sys.executable} {script}")
        return copy

    return install


@pytest.mark.parametrize("body", ["", "path.write_text('port: 2')", "sys.exit(1)", "path.write_text('port: many')"])
def test_the_editor_gets_no_secret_and_no_file_stays(run, saved, editor, home, assert_no_canary, body):
    copy = editor(body)
    run("blocks", "edit", saved, code=None)
    assert_no_canary(copy)
    assert "!keep" in copy.read_text()
    folders = [Path(os.environ["XDG_RUNTIME_DIR"]), home / "tmp"]
    assert [path for folder in folders for path in folder.rglob("*")] == []


@pytest.mark.parametrize("text", ["password: [{0}", "password: {1}\nport: many", "password: {1}\nrefuse: true"])
def test_a_secret_typed_in_the_editor_is_not_repeated_when_refused(run, saved, editor, home, canary, text):
    (home / "typed").write_text(text.format(canary.split("/")[0], json.dumps(f"{canary}-typed")))
    editor(f"path.write_text(pathlib.Path({str(home / 'typed')!r}).read_text())")
    run("blocks", "edit", saved, code=None)


def test_the_database_and_its_neighbours_hold_no_secret(embedded, run, canary, home, secret_file, assert_no_canary):
    run(*CREATE, "--secret-from-file", f"password={secret_file}")
    run("blocks", "edit", "main", "--secret-from-file", f"inner.key={secret_file}")
    run("blocks", "edit", "main", "--secret-from-file", f"password={secret_file}", "--set", "port=many", code=4)
    secret_file.unlink()
    assert assert_no_canary(home) > 0


def test_a_whole_process_shows_nothing(embedded, canary, assert_no_canary):
    commands = [
        (*COMMAND, "blocks", "create", "secret", "main", "--secret-stdin", "value"),
        (*COMMAND, "blocks", "show", "main", "-o", "json"),
        (*COMMAND, "blocks", "create", "secret", "main", "--secret-stdin", "valeu"),
    ]
    results = [subprocess.run(item, input=canary.encode(), capture_output=True, check=False) for item in commands]
    assert [result.returncode for result in results] == [0, 0, 4]
    assert_no_canary(*(part for result in results for part in (result.stdout, result.stderr)))


@pytest.mark.parametrize("words", ["blocks show ", "blocks create secret main --set value=", "blocks edit main --set "])
def test_shell_completion_shows_nothing(embedded, canary, saved, assert_no_canary, words):
    environment = {
        **os.environ,
        "_TYPECASE_COMPLETE": "complete_bash",
        "COMP_WORDS": f"typecase {words}",
        "COMP_CWORD": "3",
    }
    script = "import sys; from typecase.registry.cli import main; sys.argv = ['typecase']; main()"
    result = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=False)
    assert_no_canary(result.stdout, result.stderr)
    if words == "blocks show ":
        assert result.stdout.split() == [b"main"]
