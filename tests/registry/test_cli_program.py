"""The command line as a whole: output modes, errors, exit codes, options, start."""

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner, Result

from typecase.blocks import Block, BlockType, errors, registries, use_registry
from typecase.blocks.memory import MemoryRegistry
from typecase.registry.cli import app
from typecase.registry.cli.exit_codes import ExitCode, code_of

COMMAND = (sys.executable, "-m", "typecase.registry.cli")


class Note(Block):
    """A note."""

    __block__ = BlockType(slug="cli-note")

    text: str = ""


@pytest.fixture(autouse=True)
def closing():
    """Leaves no registry open that a command opened in this process."""
    yield
    registries.close_registries()


@pytest.fixture
def registry():
    with use_registry(MemoryRegistry()) as registry:
        yield registry


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def start(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=60, **options)


@pytest.mark.parametrize("place", [("-o", "json", "workspaces", "ls"), ("workspaces", "ls", "--output", "json")])
def test_shared_options_stand_before_or_after_the_command(registry, place):
    assert [item["name"] for item in json.loads(run(*place).stdout)["items"]] == ["default"]


def test_the_option_nearer_to_the_command_wins(registry):
    assert json.loads(run("-o", "plain", "workspaces", "ls", "-o", "json").stdout)


def test_without_a_terminal_the_output_is_tab_separated(registry):
    Note(text="x").save("a", tags=("p", "q"))
    assert run("blocks", "ls").stdout.split("\t")[:3] == ["a", "cli-note", "1"]


def test_a_table_is_drawn_on_demand(registry):
    Note().save("a")
    assert "revision" in run("blocks", "ls", "-o", "table").stdout


def test_control_characters_are_written_out(registry):
    Note(text="\x1b[2Jgone\tand\nmore").save("a")
    assert "text\t\\x1b[2Jgone\\tand\\nmore\n" in run("blocks", "show", "a").stdout


def test_json_holds_texts_as_they_are(registry):
    Note(text="\x1b\té").save("a")
    assert json.loads(run("blocks", "show", "a", "-o", "json").stdout)["data"]["text"] == "\x1b\té"


def test_workspace_option_selects_the_workspace(registry):
    registry.workspaces.create("staging")
    Note().save("a", workspace="staging")
    assert run("-w", "staging", "blocks", "ls").stdout.startswith("a\t")


def test_url_option_selects_the_registry(home):
    run("--url", f"sqlite:///{home}/other.db", "workspaces", "create", "mine")
    assert (home / "other.db").exists()


def test_profile_option_selects_the_profile(home):
    (home / "work" / "typecase.toml").write_text(f'[profiles.other]\nurl = "sqlite:///{home}/profile.db"\n')
    run("--profile", "other", "workspaces", "ls")
    assert (home / "profile.db").exists()


def test_options_leave_the_environment_as_it_was(registry):
    before = dict(os.environ)
    run("-w", "default", "--no-color", "workspaces", "ls")
    assert dict(os.environ) == before


def test_a_password_in_the_url_option_is_warned_of(home):
    result = run("--url", "postgresql://u:sesame@127.0.0.1:1/x", "workspaces", "ls")
    assert "warning: a password on the command line" in result.stderr
    assert "sesame" not in result.output


def test_an_error_is_a_few_lines_on_standard_error(registry):
    result = run("blocks", "show", "absent")
    assert result.stdout == ""
    assert result.stderr.splitlines()[0] == "error: There is no document 'absent' in workspace 'default'."


def test_an_error_is_one_json_object_with_json_output(registry):
    told = json.loads(run("blocks", "show", "absent", "-o", "json").stderr)
    assert (told["type"], told["facts"]["name"], told["exit_code"]) == ("DocumentNotFound", "absent", 3)


def test_wrong_usage_is_one_json_object_too():
    told = json.loads(run("-o", "json", "blocks", "show").stderr)
    assert (told["type"], told["exit_code"]) == ("UsageError", 2)


@pytest.mark.parametrize(
    "arguments", [("bloks",), ("blocks", "show"), ("blocks", "ls", "--nonsense"), ("types", "show")]
)
def test_wrong_usage_ends_with_2(arguments):
    assert run(*arguments).exit_code == 2


def test_an_argument_too_many_is_not_repeated():
    result = run("blocks", "create", "secret", "x", "value=sesame")
    assert (result.exit_code, "sesame" in result.output) == (2, False)


@pytest.mark.parametrize(("group", "inside"), [((), "workspaces"), (("blocks",), "history"), (("keys",), "status")])
def test_a_group_alone_shows_what_it_holds(group, inside):
    result = run(*group)
    assert (result.exit_code, inside in result.output, "error" in result.output) == (2, True, False)


def test_a_malformed_setting_is_wrong_usage(monkeypatch):
    monkeypatch.setenv("TYPECASE_WORKSPACE", "No Such Name")
    assert run("workspaces", "ls").exit_code == 2


@pytest.fixture
def faulty(registry, monkeypatch):
    """A registry with a fault of its own."""

    def fail():
        raise RuntimeError("the moon is full")

    monkeypatch.setattr(registry.workspaces, "list", fail)


def test_a_fault_is_told_in_short_and_asks_for_a_report(faulty):
    result = run("workspaces", "ls")
    assert result.exit_code == 1
    assert "the moon is full" in result.stderr
    assert "please report" in result.stderr
    assert "Traceback" not in result.output
    assert "File " not in result.output


def test_a_fault_has_a_traceback_on_demand(faulty, monkeypatch):
    monkeypatch.setenv("TYPECASE_DEBUG", "1")
    assert "in fail" in run("workspaces", "ls").stderr


def test_ctrl_c_ends_with_130(registry, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(registry.workspaces, "list", interrupt)
    assert run("workspaces", "ls").exit_code == 130


def leaves(cls: type) -> list[type]:
    below = [leaf for child in cls.__subclasses__() if child.__module__ == errors.__name__ for leaf in leaves(child)]
    return below or [cls]


@pytest.mark.parametrize("cls", leaves(errors.TypecaseError), ids=lambda cls: cls.__name__)
def test_every_error_has_an_exit_code_of_its_own(cls):
    assert code_of(cls("x")) not in (ExitCode.OK, ExitCode.UNEXPECTED)


def test_version_is_that_of_the_package():
    from importlib.metadata import version

    assert run("--version").stdout == f"typecase {version('typecase')}\n"


def test_help_imports_no_block_and_no_database():
    code = (
        "import sys\nfrom typecase.registry.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in sys.modules if name in ('typecase.blocks', 'sqlalchemy', 'yaml')], file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "blocks", "create", "--help"]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stderr == "[]\n"


def test_colours_only_on_a_terminal():
    assert "\x1b" not in start("--help").stdout


def test_a_reader_that_goes_away_is_no_error(home):
    code = "import os; r, w = os.pipe(); os.close(r); os.dup2(w, 1); os.execv({0!r}, [{0!r}, '-m', {1!r}, *{2!r}])"
    program = code.format(sys.executable, "typecase.registry.cli", ["types", "ls"])
    result = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (result.returncode, result.stderr) == (141, "")


def test_the_script_and_the_module_are_the_same_program():
    assert start("--version").stdout == run("--version").stdout
