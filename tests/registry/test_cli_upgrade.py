"""`typecase blocks upgrade`, and what the other commands show of a field that became a secret."""

import json

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from typecase.blocks import Block, BlockType, migration, use_registry
from typecase.blocks.catalog import CATALOG
from typecase.blocks.memory import MemoryRegistry
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
