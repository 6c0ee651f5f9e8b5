"""`typecase blocks upgrade`, and what the other commands show of a field that became a secret."""

import json
import sys

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from typecase.blocks import Block, BlockType, migration, use_registry
from typecase.blocks.catalog import CATALOG
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.records import Draft
from typecase.blocks.schema import definition_of
from typecase.registry.cli import app

SLUG = "cli-upgrading"


class Before(Block):
    """A type."""

    __block__ = BlockType(slug=SLUG)

    server: str
    token: str = ""


class After(Block):
    """The type after a change."""

    __block__ = BlockType(slug=SLUG)

    host: str
    token: SecretStr = SecretStr("")

    @migration(from_version=1)
    @staticmethod
    def rename(data):
        return {"host": data["server"].upper(), "token": data["token"]}


@pytest.fixture(autouse=True)
def registry():
    with use_registry(MemoryRegistry()) as registry:
        yield registry


@pytest.fixture
def installed(registry, monkeypatch):
    """Installs the class before the change, saves documents, and installs the one after it."""

    def install(*names, workspace="default", token=""):
        monkeypatch.setitem(CATALOG._classes, SLUG, Before)
        for name in names:
            Before(server=name, token=token).save(name, workspace=workspace)
        registry.types.register(definition_of(After), force=True)
        monkeypatch.setitem(CATALOG._classes, SLUG, After)

    return install


@pytest.fixture
def editor(home, monkeypatch):
    """Makes a Python program the editor: it is called with the path of the file as `path`."""

    def install(code):
        script = home / "editor.py"
        script.write_text(f"import sys\nfrom pathlib import Path\npath = Path(sys.argv[1])\n{code}\n")
        monkeypatch.setenv("EDITOR", f"{sys.executable} {script}")

    return install


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["blocks", *arguments])


def answer(*arguments: str):
    result = run("upgrade", *arguments, "-o", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_upgrade_writes_and_tells(installed):
    installed("a", "b")
    told = answer()
    assert [(item["name"], item["from"], item["to"], item["outcome"]) for item in told["items"]] == [
        ("a", 1, 2, "upgraded"),
        ("b", 1, 2, "upgraded"),
    ]
    assert {item["how"] for item in told["items"]} == {"migrations: After.rename"}
    assert Block.load("a").host == "A"
    assert (told["upgraded"], told["failed"]) == (2, 0)


def test_upgrade_again_finds_nothing_to_do(installed):
    installed("a")
    answer()
    told = answer()
    assert (told["items"], told["current"]) == ([], 1)


def test_a_plan_changes_nothing(installed, registry):
    installed("a")
    told = answer("--plan")
    assert [(item["outcome"], item["to"]) for item in told["items"]] == [("planned", 2)]
    assert registry.documents.get("a", workspace="default").revision == 1


def test_named_documents_only(installed):
    installed("a", "b")
    assert [item["name"] for item in answer("b")["items"]] == ["b"]
    missing = run("upgrade", "nothing")
    assert missing.exit_code == 3


def test_every_workspace(installed, registry):
    registry.workspaces.create("prod")
    installed("a")
    installed("p", workspace="prod")
    assert [item["workspace"] for item in answer("--all-workspaces", "--plan")["items"]] == ["default", "prod"]
    assert [item["workspace"] for item in answer("-w", "prod")["items"]] == ["prod"]
    assert run("upgrade", "a", "--all-workspaces").exit_code == 2


def test_a_document_of_a_parent_is_not_upgraded_through_its_child(installed, registry):
    registry.workspaces.create("child", parent="default")
    installed("a")
    result = run("upgrade", "a", "-w", "child")
    assert result.exit_code == 2
    assert "-w default" in result.output


def test_one_type_only(installed):
    installed("a")
    assert len(answer("--type", SLUG)["items"]) == 1
    assert run("upgrade", "--type", "cli-nothing").exit_code == 3


def test_a_document_that_cannot_be_upgraded_makes_exit_code_nine_and_stops_nothing(installed, registry):
    class Other(Block):
        __block__ = BlockType(slug=SLUG)
        token: str = "a token that nobody may see"

    registry.types.register(definition_of(Before))
    CATALOG._classes[SLUG] = Other
    Other().save("broken")
    installed("z")
    result = run("upgrade", "-o", "json")
    assert result.exit_code == 9
    told = json.loads(result.stdout)
    assert {item["name"]: item["outcome"] for item in told["items"]} == {"broken": "failed", "z": "upgraded"}
    assert "nobody may see" not in result.output
    assert "host" in told["items"][0]["how"]


def test_progress_goes_to_standard_error_line_by_line(installed):
    installed("a", "b")
    result = run("upgrade")
    assert "1: default/a upgraded (1 to 2)" in result.stderr
    assert "2: default/b upgraded (1 to 2)" in result.stderr


def test_no_command_shows_what_became_a_secret(installed, canary, assert_no_canary):
    installed("a", token=canary)

    def outputs():
        commands = (
            ["show", "a"],
            ["show", "a", "--revision", "1"],
            ["show", "a", "-o", "json"],
            ["diff", "a", "1", "1"],
            ["history", "a"],
            ["ls"],
            ["upgrade", "--plan"],
        )
        return "".join(run(*command).output for command in commands)

    assert assert_no_canary(outputs()) > 0
    assert assert_no_canary(run("upgrade").output) > 0
    assert assert_no_canary(outputs(), run("diff", "a", "1", "2").output) > 0


def test_edit_shows_an_old_document_in_its_newest_form(installed, editor, home, canary):
    installed("one", token=canary)
    copy = str(home / "seen")
    editor(f"Path({copy!r}).write_text(path.read_text()); path.write_text(path.read_text().replace('ONE', 'two'))")
    result = run("edit", "one")
    assert result.exit_code == 0, result.output
    seen = (home / "seen").read_text()
    assert "after the migrations After.rename" in seen
    assert seen.endswith("host: ONE\ntoken: !keep 'token'\n")
    loaded = After.load("one")
    assert (loaded.host, loaded.token.get_secret_value()) == ("two", canary)
    assert canary not in seen + result.output


def test_an_option_changes_an_old_document_in_its_newest_form(installed):
    installed("one", token="kept")
    assert run("edit", "one", "--set", "host=other").exit_code == 0
    loaded = After.load("one")
    assert (loaded.host, loaded.token.get_secret_value()) == ("other", "kept")


def test_an_old_document_that_is_left_as_it_is_shown_is_not_written(installed, editor, registry):
    installed("one")
    editor("pass")
    assert run("edit", "one").exit_code == 0
    assert registry.documents.get("one", workspace="default").revision == 1


def test_a_document_whose_migration_fails_is_edited_as_it_was_saved(registry, monkeypatch):
    class Failing(After):
        __block__ = BlockType(slug=SLUG)

        @migration(from_version=1)
        @staticmethod
        def rename(data):
            raise KeyError(data["server"])

    monkeypatch.setitem(CATALOG._classes, SLUG, Before)
    Before(server="one").save("one")
    registry.types.register(definition_of(Failing), force=True)
    monkeypatch.setitem(CATALOG._classes, SLUG, Failing)
    result = run("edit", "one", "--set", "host=repaired")
    assert (result.exit_code, "Failing.rename failed: KeyError" in result.stderr) == (0, True)
    assert Failing.load("one").host == "repaired"


def test_edit_keeps_the_references_of_an_old_document(registry, monkeypatch, editor, home):
    class Step(Block):
        __block__ = BlockType(slug="cli-step")
        name: str
        on: Before

    class NewStep(Block):
        __block__ = BlockType(slug="cli-step")
        title: str
        on: Before

        @migration(from_version=1)
        @staticmethod
        def rename(data):
            return {"title": data["name"], "on": data["on"]}

    monkeypatch.setitem(CATALOG._classes, SLUG, Before)
    monkeypatch.setitem(CATALOG._classes, "cli-step", Step)
    target = Before(server="target")
    target.save("target")
    Step(name="first", on=target).save("step")
    registry.types.register(definition_of(NewStep), force=True)
    monkeypatch.setitem(CATALOG._classes, "cli-step", NewStep)
    copy = str(home / "seen")
    editor(f"Path({copy!r}).write_text(path.read_text()); path.write_text(path.read_text().replace('first', 'last'))")
    result = run("edit", "step")
    assert result.exit_code == 0, result.output
    assert "$block: target\n" in (home / "seen").read_text()
    loaded = NewStep.load("step")
    assert (loaded.title, loaded.on.server) == ("last", "target")
    assert [item.name for item in registry.documents.dependents("target", workspace="default")] == ["step"]


def test_edit_shows_the_references_to_secrets_of_an_old_document(registry, monkeypatch, editor, home):
    monkeypatch.setitem(CATALOG._classes, SLUG, Before)
    registry.types.register(definition_of(Before))
    reference = {"$secret": {"store": "env", "key": "EDITING_NOWHERE"}}
    data = {"server": "one", "token": reference}
    registry.documents.save(Draft(name="one", workspace="default", type_slug=SLUG, schema_version=1, data=data))
    registry.types.register(definition_of(After), force=True)
    monkeypatch.setitem(CATALOG._classes, SLUG, After)
    copy = str(home / "seen")
    editor(f"Path({copy!r}).write_text(path.read_text()); path.write_text(path.read_text().replace('ONE', 'two'))")
    result = run("edit", "one")
    assert result.exit_code == 0, result.output
    assert "key: EDITING_NOWHERE" in (home / "seen").read_text()
    stored = json.loads(registry.load("one", workspace="default").root.data)
    assert (stored["host"], stored["token"]["$secret"]["key"]) == ("two", "EDITING_NOWHERE")
