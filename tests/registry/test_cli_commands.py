"""`typecase info`, `init`, `types`, `workspaces`, `keys`, completion and the reference page."""

import json
import re
import sys
from dataclasses import replace
from types import ModuleType

import pytest
from pydantic import BaseModel, SecretStr
from typer.testing import CliRunner, Result

from typecase.blocks import Block, BlockType, field, registries, use_registry
from typecase.blocks.catalog import CATALOG
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.schema import definition_of
from typecase.blocks.settings import reload_settings
from typecase.registry.cli import app
from typecase.registry.cli.addresses import masked_url
from typecase.registry.cli.completion import complete_names, complete_types, complete_workspaces
from typecase.registry.cli.exit_codes import ExitCode
from typecase.registry.cli.extras import extra_hint
from typecase.registry.cli.reference import command_paths, reference


class Tls(BaseModel):
    mode: str = "on"


class Machine(Block):
    """A machine."""

    __block__ = BlockType(slug="cli-machine", title="Machine", docs="https://example.org/machine")

    host: str = field(help="Its name.", example="db.internal")
    port: int = 22
    password: SecretStr | None = None
    tls: Tls = Tls()
    inner: "Machine | None" = None


@pytest.fixture(autouse=True)
def address(home, monkeypatch):
    """A registry in this test's home; it is not there yet."""
    path = home / "registry" / "registry.db"
    monkeypatch.setenv("TYPECASE_URL", f"sqlite:///{path}")
    reload_settings()
    yield path
    close_registries()


def close_registries() -> None:
    """Forget what this process has open, as a new process would."""
    registries.close_registries()


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setenv("TYPECASE_URL", "memory://")
    with use_registry(MemoryRegistry()) as registry:
        yield registry


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def answer(*arguments: str):
    result = run(*arguments, "-o", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_info_makes_no_registry(home):
    answer("info")
    assert not [path for path in home.rglob("*") if path.is_file()]


def test_info_says_that_there_is_no_registry_yet():
    assert answer("info")["state"].startswith("not made yet")


def test_info_counts_what_the_registry_holds():
    run("init")
    run("workspaces", "create", "staging")
    found = answer("info")
    assert (found["state"], found["workspaces"], found["documents"]) == ("open", 2, 0)


def test_info_covers_the_password_of_the_registry(monkeypatch):
    monkeypatch.setenv("TYPECASE_URL", "postgresql://u:sesame@127.0.0.1:1/x?connect_timeout=1")
    assert answer("info")["registry"] == "postgresql://u:***@127.0.0.1:1/x?connect_timeout=1"


def test_info_tells_of_a_registry_that_does_not_answer(monkeypatch):
    monkeypatch.setenv("TYPECASE_URL", "postgresql://u@127.0.0.1:1/x")
    assert answer("info")["state"].startswith("RegistryUnreachable")


def test_info_names_the_settings_files(home):
    path = home / "work" / "typecase.toml"
    path.write_text('workspace = "mine"\n')
    reload_settings()
    found = answer("info")
    assert (found["settings_files"], found["workspace"]) == ([str(path)], "mine")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:p@ss/w:rd@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u@h/d?password=p&x=1", "postgresql://u@h/d?password=***&x=1"),
        ("postgresql://:p@h/d", "postgresql://:***@h/d"),
        ("https://h:8443/path", "https://h:8443/path"),
        ("sqlite:////srv/registry.db", "sqlite:////srv/registry.db"),
    ],
)
def test_urls_are_shown_without_passwords(url, shown):
    assert masked_url(url) == shown


def test_init_makes_the_registry_and_its_key(home):
    found = answer("init")
    assert found["created"] is True
    assert {path.name for path in home.rglob("*") if path.is_file()} >= {"registry.db", "root.key"}


def test_init_again_changes_nothing():
    run("init")
    assert answer("init")["created"] is False


def test_init_says_to_back_the_key_up():
    assert "Back the root key up" in run("init", "-o", "table").stdout


def test_init_on_postgresql_makes_a_key_only_when_told(postgres_url, home):
    result = run("--url", postgres_url, "init")
    assert result.exit_code == 6
    assert not list(home.rglob("root.key"))


def test_init_create_key_on_postgresql_makes_both(postgres_url, home):
    assert run("--url", postgres_url, "init", "--create-key").exit_code == 0
    assert list(home.rglob("root.key"))
    assert run("--url", postgres_url, "workspaces", "ls").stdout.startswith("default\t")


def test_init_of_a_registry_without_tables_says_so(registry):
    assert run("init").exit_code == 10


def test_types_ls_imports_no_integration():
    def integrations():
        return {name for name in sys.modules if name.startswith("typecase.integrations.")}

    before = integrations()
    slugs = [item["type"] for item in answer("types", "ls")["items"]]
    assert "postgres-database" in slugs
    assert integrations() == before


def test_types_ls_adds_what_only_the_registry_knows(registry):
    registry.types.register(replace(definition_of(Machine), slug="cli-elsewhere", package="elsewhere"))
    found = next(item for item in answer("types", "ls")["items"] if item["type"] == "cli-elsewhere")
    assert (found["package"], found["installed"], found["registered"]) == ("elsewhere", None, "version 1")


def test_types_ls_goes_on_where_an_earlier_page_ended(registry):
    for name in ("aaa", "secret-twin", "zzz"):
        registry.types.register(replace(definition_of(Machine), slug=name, package="elsewhere"))
    everything = answer("types", "ls", "--all", "--limit", "2")["items"]
    met, cursor = [], []
    while not met or cursor:
        page = answer("types", "ls", "--limit", "2", *cursor)
        assert len(page["items"]) <= 2
        met += page["items"]
        cursor = ["--cursor", page["cursor"]] if page["cursor"] else []
    assert met == everything == answer("types", "ls")["items"]
    assert {"aaa", "secret", "secret-twin", "zzz"} <= {item["type"] for item in met}


def test_types_ls_says_that_there_are_more():
    assert "There are more: --cursor " in run("types", "ls", "--limit", "1").stderr


def test_types_ls_searches_slugs_and_titles(registry):
    registry.types.register(replace(definition_of(Machine), slug="cli-elsewhere", title="A Webhookish thing"))
    found = answer("types", "ls", "--search", "webhook")["items"]
    assert [item["type"] for item in found] == ["cli-elsewhere", "webhook"]
    assert "No block type fits." in run("types", "ls", "--search", "nothing", "-o", "table").stderr


def test_types_ls_works_without_the_registry(monkeypatch):
    monkeypatch.setenv("TYPECASE_URL", "postgresql://u@127.0.0.1:1/x")
    result = run("types", "ls")
    assert (result.exit_code, "secret\t" in result.stdout) == (0, True)
    assert "warning: only what is installed here" in result.stderr


def test_types_show_describes_each_field(registry):
    fields = {item["field"]: item for item in answer("types", "show", "cli-machine")["fields"]}
    assert fields["host"] == {
        "field": "host",
        "type": "text",
        "required": True,
        "default": None,
        "secret": False,
        "help": "Its name.",
        "example": "db.internal",
    }


@pytest.mark.parametrize(
    ("name", "words"),
    [("port", "whole number"), ("password", "secret text"), ("tls.mode", "text"), ("inner", "cli-machine block")],
)
def test_types_show_says_types_in_words(registry, name, words):
    fields = {item["field"]: item for item in answer("types", "show", "cli-machine")["fields"]}
    assert fields[name]["type"] == words


def test_types_show_marks_secrets(registry):
    fields = answer("types", "show", "cli-machine")["fields"]
    assert [item["field"] for item in fields if item["secret"]] == ["password"]


def test_types_show_works_for_a_type_that_only_the_registry_knows(registry):
    registry.types.register(replace(definition_of(Machine), slug="cli-elsewhere", package="elsewhere"))
    assert answer("types", "show", "cli-elsewhere")["needs"] == "pip install elsewhere"


def test_types_show_of_an_unknown_type_names_near_ones(registry):
    result = run("types", "show", "secrt")
    assert (result.exit_code, "'secret'" in result.stderr) == (3, True)


def test_an_extra_that_is_installed_needs_no_hint():
    assert extra_hint(CATALOG.entry("secret")) == ""


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr("typecase.registry.cli.extras._installed", lambda _: False)
    assert extra_hint(CATALOG.entry("postgres-database")) == "pip install 'typecase[postgres]'"


def test_workspaces_are_created_with_a_parent(registry):
    run("workspaces", "create", "child", "--parent", "default", "--description", "Mine")
    found = registry.workspaces.get("child")
    assert (found.parent, found.description) == ("default", "Mine")


def test_workspaces_are_listed_by_name(registry):
    registry.workspaces.create("a")
    assert [item["name"] for item in answer("workspaces", "ls")["items"]] == ["a", "default"]


def test_a_workspace_is_shown(registry):
    assert answer("workspaces", "show", "default")["parent"] is None


def test_a_workspace_loses_its_parent(registry):
    registry.workspaces.create("child", parent="default")
    run("workspaces", "update", "child", "--no-parent")
    assert registry.workspaces.get("child").parent is None


@pytest.mark.parametrize("options", [(), ("--parent", "default", "--no-parent")])
def test_an_update_of_nothing_or_a_contradiction_is_wrong_usage(registry, options):
    assert run("workspaces", "update", "default", *options).exit_code == 2


def test_an_empty_workspace_is_deleted(registry):
    registry.workspaces.create("gone")
    run("workspaces", "delete", "gone")
    assert [item.name for item in registry.workspaces.list()] == ["default"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("show", "absent"), 3), (("create", "default"), 5), (("delete", "default"), 5), (("create", "No Name"), 4)],
)
def test_workspace_errors_have_their_exit_codes(registry, arguments, code):
    assert run("workspaces", *arguments).exit_code == code


def test_keys_status_lists_data_keys():
    run("init")
    found = answer("keys", "status")
    assert found["sealed"] is False
    assert [(key["workspace"], key["generation"]) for key in found["data_keys"]] == [("default", 1)]


def test_keys_status_of_a_sealed_registry_ends_with_6(home):
    run("init")
    next(home.rglob("root.key")).unlink()
    result = run("keys", "status", "-o", "json")
    assert (result.exit_code, json.loads(result.stdout)["sealed"]) == (6, True)


def test_a_sealed_registry_is_told_by_every_command_that_needs_it(home):
    run("init")
    next(home.rglob("root.key")).unlink()
    close_registries()
    assert run("blocks", "create", "secret", "a", "--set", "value=sesame-sealed").exit_code == 6


def test_demo_runs_the_demo(monkeypatch):
    demo = ModuleType("typecase.registry.demo")
    runs = []
    demo.run = lambda *, keep: runs.append(keep)
    monkeypatch.setitem(sys.modules, "typecase.registry.demo", demo)
    monkeypatch.setattr("typecase.registry.demo", demo, raising=False)
    assert (run("demo", "--keep").exit_code, runs) == (0, [True])


def test_block_types_complete():
    assert complete_types("post") == ["postgres-database"]


def test_documents_and_workspaces_complete(registry):
    Machine(host="h").save("alpha")
    assert (complete_names("al"), complete_workspaces("de")) == (["alpha"], ["default"])


def test_completion_makes_no_registry(home):
    assert complete_names("a") == complete_workspaces("a") == []
    assert not [path for path in home.rglob("*") if path.is_file()]


def test_completion_says_nothing_of_errors(monkeypatch):
    monkeypatch.setenv("TYPECASE_WORKSPACE", "No Such Name")
    assert complete_names("a") == []


def test_the_reference_page_is_up_to_date(project):
    page = (project / "docs" / "reference" / "cli.md").read_text("utf-8")
    assert page == reference(), "run: python docs/generate.py"


@pytest.mark.parametrize("path", command_paths())
def test_every_option_of_a_command_is_in_its_section(path):
    page = reference()
    section = re.split(r"\n## ", page.partition(f"\n## `{path}`\n")[2])[0]
    shared = page.partition("## Options of every command")[2].partition("\n## ")[0]
    shown = run(*path.split()[1:], "--help").stdout
    options = set(re.findall(r"--[a-z][a-z-]+", shown)) - {"--help"}
    assert options
    assert [name for name in sorted(options) if f"`{name}`" not in section + shared] == []


@pytest.mark.parametrize("code", list(ExitCode))
def test_every_exit_code_is_documented(code):
    assert f"| {int(code)} | " in reference()
