"""`typecase registry register`, `check`, `types versions`, `types diff` and `types compatibility`."""

import copy
import importlib
import json
from dataclasses import replace

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from typecase.blocks import Block, BlockType, use_registry
from typecase.blocks.catalog import CATALOG
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.schema import definition_of, digest
from typecase.blocks.settings import reload_settings
from typecase.registry.cli import app
from typecase.registry.cli.exit_codes import ExitCode

TEXT = {"type": "string"}


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setenv("TYPECASE_URL", "memory://")
    with use_registry(MemoryRegistry()) as registry:
        yield registry


@pytest.fixture
def broken_package(tmp_path, monkeypatch):
    """Installs a package whose block type cannot be imported."""
    info = tmp_path / "broken_blocks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-blocks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[typecase.blocks]\nbroken-block = broken_blocks:Broken\n")
    (tmp_path / "broken_blocks.py").write_text("import a_module_that_is_not_there\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    CATALOG.refresh()
    yield "broken-blocks"
    monkeypatch.undo()
    CATALOG.refresh()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def answer(*arguments: str, code: int = 0):
    result = run(*arguments, "-o", "json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def by_type(found):
    return {item["type"]: item for item in found["items"]}


def earlier(slug, change):
    """An earlier definition of an installed type: today's, with `change` applied to its schema."""
    today = definition_of(CATALOG.get(slug))
    schema = copy.deepcopy(dict(today.schema))
    change(schema)
    return replace(today, schema=schema, package_version="0.0.1", digest=digest(schema, (), today.kinds))


def with_field_gone(schema):
    """What today's class adds with a default: read, so a minor step."""
    del schema["properties"]["timeout"]


def with_other_type(schema):
    schema["properties"]["timeout"] = {"type": "array"}


def test_registering_all_stores_every_installed_type(registry):
    found = answer("registry", "register", "--all")
    assert {item["outcome"] for item in found["items"]} == {"new type"}
    assert {record.slug for record in registry.types.all()} == {entry.slug for entry in CATALOG} == set(by_type(found))


def test_registering_again_changes_nothing(registry):
    answer("registry", "register", "--all")
    found = answer("registry", "register", "--package", "typecase")
    assert {item["outcome"] for item in found["items"]} == {"unchanged"}
    assert {record.version for record in registry.types.all()} == {1}


@pytest.mark.usefixtures("registry")
def test_what_to_register_must_be_said():
    result = run("registry", "register")
    assert (result.exit_code, "--all" in result.stderr) == (ExitCode.USAGE, True)


@pytest.mark.usefixtures("registry")
def test_a_package_that_declares_nothing_is_named_with_those_that_do():
    result = run("registry", "register", "--package", "nobody")
    assert result.exit_code == ExitCode.USAGE
    assert "'nobody'" in result.stderr
    assert "typecase" in result.stderr


def test_a_dry_run_tells_the_same_and_writes_nothing(registry):
    found = answer("registry", "register", "--all", "--dry-run")
    assert {item["outcome"] for item in found["items"]} == {"new type"}
    assert list(registry.types.all()) == []


def test_a_breaking_schema_is_refused_and_does_not_stop_the_others(registry):
    registry.types.register(earlier("webhook", with_other_type))
    found = by_type(answer("registry", "register", "--all", code=ExitCode.INCOMPATIBLE))
    assert found["webhook"]["outcome"] == "refused"
    assert [item["path"] for item in found["webhook"]["differences"] if item["breaking"]] == ["$.timeout"]
    assert found["secret"]["outcome"] == "new type"
    assert registry.types.get("webhook").version == 1


def test_force_registers_a_breaking_schema(registry):
    registry.types.register(earlier("webhook", with_other_type))
    for options in (["--dry-run"], []):
        found = by_type(answer("registry", "register", "--all", "--force", *options))
        assert (found["webhook"]["outcome"], found["webhook"]["version"]) == ("forced", 2)
    assert registry.types.version("webhook", 2).forced


def test_a_broken_package_is_reported_and_does_not_stop_the_others(registry, broken_package):
    found = by_type(answer("registry", "register", "--all", code=ExitCode.ENVIRONMENT))
    assert found["broken-block"]["outcome"] == "broken"
    assert broken_package in found["broken-block"]["problem"]
    assert registry.types.get("webhook").version == 1


@pytest.mark.usefixtures("broken_package", "registry")
def test_a_broken_package_is_no_matter_for_another():
    assert by_type(answer("registry", "register", "--package", "Typecase"))["webhook"]["outcome"] == "new type"


def test_a_check_of_what_is_registered_finds_nothing(registry):
    answer("registry", "register", "--all")
    found = answer("check")
    assert not found["breaking"]
    assert [row["bump"] for row in found["packages"]] == [""]
    assert len(list(registry.types.all())) == len(found["items"])


def test_a_check_fails_on_a_breaking_change_and_writes_nothing(registry):
    registry.types.register(earlier("webhook", with_other_type))
    found = answer("check", code=ExitCode.INCOMPATIBLE)
    assert found["breaking"]
    assert by_type(found)["webhook"]["bump"] == "major"
    assert [(row["package"], row["bump"]) for row in found["packages"]] == [("typecase", "major")]
    assert [record.slug for record in registry.types.all()] == ["webhook"]


def test_a_check_tells_people_path_rule_and_sentence(registry):
    registry.types.register(earlier("webhook", with_other_type))
    told = run("check").stdout
    assert "$.timeout (type-changed, against version 1): The new version" in told


def test_a_new_field_with_a_default_is_a_minor_step(registry):
    registry.types.register(earlier("webhook", with_field_gone))
    item = by_type(answer("check"))["webhook"]
    assert (item["outcome"], item["version"], item["bump"]) == ("new version", 2, "minor")


def test_a_type_that_its_package_declares_no_more_is_breaking(registry):
    gone = replace(definition_of(CATALOG.get("webhook")), slug="gone-webhook")
    registry.types.register(gone)
    item = by_type(answer("check", code=ExitCode.INCOMPATIBLE))["gone-webhook"]
    assert (item["outcome"], item["bump"]) == ("missing", "major")


def test_a_type_of_a_package_that_is_not_installed_is_not_missed(registry):
    registry.types.register(
        replace(definition_of(CATALOG.get("webhook")), slug="other-webhook", package="other-package")
    )
    assert "other-webhook" not in by_type(answer("check"))


def test_a_slug_of_another_package_is_a_conflict(registry):
    registry.types.register(replace(definition_of(CATALOG.get("webhook")), package="first-package"))
    found = by_type(answer("check", code=ExitCode.CONFLICT))
    assert "first-package" in found["webhook"]["problem"]
    assert [(item["rule"], item["breaking"]) for item in found["webhook"]["differences"]] == [("owner", True)]


def test_a_slug_of_another_package_is_refused_with_the_way_to_hand_it_over(registry):
    registry.types.register(replace(definition_of(CATALOG.get("webhook")), package="first-package"))
    result = run("registry", "register", "--package", "typecase", "-o", "plain")
    assert result.exit_code == ExitCode.CONFLICT
    assert "`typecase registry register --package typecase --force`" in "".join(result.stdout.split("\n"))
    assert registry.types.get("webhook").package == "first-package"


def test_github_is_told_whose_a_slug_is(registry):
    registry.types.register(replace(definition_of(CATALOG.get("webhook")), package="first-package"))
    lines = run("check", "--format", "github").stdout.splitlines()
    (error,) = [line for line in lines if line.startswith("::error")]
    assert error.startswith("::error title=Another package's block type%3A webhook of typecase::$ (owner)")


def test_a_check_names_the_version_that_the_suggested_bump_counts_from(registry):
    registry.types.register(earlier("webhook", with_field_gone))
    (row,) = answer("check", "--package", "typecase")["packages"]
    assert (row["registered"], row["bump"]) == ("0.0.1", "minor")
    assert "needs a minor version bump since 0.0.1," in run("check", "--format", "github").stdout


def test_what_to_do_about_a_breaking_schema_is_said_once(registry):
    registry.types.register(earlier("webhook", with_other_type))
    for arguments in (["check"], ["registry", "register", "--all"]):
        assert run(*arguments).stderr.count("give it a @migration") == 1


def test_force_hands_a_slug_over(registry):
    registry.types.register(replace(definition_of(CATALOG.get("webhook")), package="first-package"))
    for options in (["--dry-run"], []):
        found = by_type(answer("registry", "register", "--package", "typecase", "--force", *options))
        assert (found["webhook"]["outcome"], found["webhook"]["version"]) == ("handed over", 1)
        assert found["webhook"]["problem"] == ""
        assert registry.types.get("webhook").package == ("first-package" if options else "typecase")
    assert by_type(answer("check"))["webhook"]["outcome"] == "unchanged"


def test_a_slug_of_another_package_with_another_schema_is_a_breaking_change(registry):
    registry.types.register(replace(earlier("webhook", with_other_type), package="first-package"))
    found = by_type(answer("check", code=ExitCode.INCOMPATIBLE))
    rules = [item["rule"] for item in found["webhook"]["differences"] if item["breaking"]]
    assert rules == ["type-changed", "owner"]


def test_a_check_notes_where_the_registry_counts_fewer_versions(registry, monkeypatch):
    ahead = replace(definition_of(CATALOG.get("webhook")), migrates_through=3)
    monkeypatch.setattr("typecase.blocks.schema.definition_of", lambda _: ahead)
    found = by_type(answer("check", "--package", "typecase"))
    assert [item["rule"] for item in found["webhook"]["differences"]] == ["history-differs"]


@pytest.mark.usefixtures("broken_package")
def test_github_gets_annotations_of_one_line_each(registry):
    registry.types.register(earlier("webhook", with_other_type))
    result = run("check", "--format", "github")
    assert result.exit_code == ExitCode.INCOMPATIBLE
    lines = result.stdout.splitlines()
    assert all(line.startswith(("::error title=", "::notice title=")) for line in lines)
    (error,) = [line for line in lines if "Breaking" in line]
    assert error.startswith("::error title=Breaking change in webhook of typecase::$.timeout (type-changed")
    assert [
        line for line in lines if line.startswith("::error title=Broken block type broken-block of broken-blocks::")
    ]
    assert "::notice title=Suggested bump for typecase::" in lines[-1]


def test_annotations_escape_what_github_would_read_otherwise(registry):
    def odd(schema):
        schema["properties"]["a%\n:,b"] = {"type": "array"}
        schema["properties"]["timeout"] = {"type": "array"}

    registry.types.register(earlier("webhook", odd))
    assert all(line.startswith("::") for line in run("check", "--format", "github").stdout.splitlines())


def test_json_may_also_be_asked_for_as_a_format(registry):
    answer("registry", "register", "--all")
    assert json.loads(run("check", "--format", "json").stdout) == answer("check")
    assert list(registry.types.all())


@pytest.mark.parametrize("arguments", [["check"], ["registry", "register", "--all", "--dry-run"]])
def test_a_dry_run_makes_no_registry(home, monkeypatch, arguments):
    monkeypatch.setenv("TYPECASE_URL", f"sqlite:///{home}/none/registry.db")
    reload_settings()
    result = run(*arguments)
    assert (result.exit_code, "typecase init" in result.stderr) == (ExitCode.USAGE, True)
    assert not (home / "none").exists()


def test_versions_are_listed_oldest_first(registry):
    registry.types.register(earlier("webhook", with_field_gone))
    answer("registry", "register", "--all")
    found = answer("types", "versions", "webhook")["items"]
    assert [(item["version"], item["package_version"], item["forced"]) for item in found] == [
        (1, "0.0.1", False),
        (2, found[1]["package_version"], False),
    ]


@pytest.mark.usefixtures("registry")
def test_versions_of_an_unknown_type_are_not_found():
    assert run("types", "versions", "nothing").exit_code == ExitCode.NOT_FOUND


def test_a_diff_shows_both_directions_and_what_came(registry):
    registry.types.register(earlier("webhook", with_other_type))
    answer("registry", "register", "--all", "--force")
    found = answer("types", "diff", "webhook", "1", "2")["items"]
    assert {(item["path"], item["direction"]) for item in found if item["breaking"]} == {
        ("$.timeout", "backward"),
        ("$.timeout", "forward"),
    }
    assert answer("types", "diff", "webhook", "2", "2")["items"] == []


def test_a_diff_shows_kinds_that_came_and_went(registry):
    today = definition_of(CATALOG.get("webhook"))
    registry.types.register(replace(today, kinds=("Other",), digest="0" * 64))
    registry.types.register(today, force=True)
    found = {item["rule"]: item["sentence"] for item in answer("types", "diff", "webhook", "1", "2")["items"]}
    assert "no longer of kind Other" in found["kind-lost"]
    assert "now of kind Notifier" in found["kind-added"]


def test_a_secret_default_shows_in_no_answer(registry, canary, assert_no_canary):
    class First(Block):
        __block__ = BlockType(slug="cli-default")

        token: SecretStr = SecretStr(canary)

    class Second(Block):
        __block__ = BlockType(slug="cli-default")

        token: SecretStr = SecretStr(canary + "-changed")
        size: int = 1

    registry.types.register(definition_of(First))
    registry.types.register(definition_of(Second), force=True)
    result = run("types", "diff", "cli-default", "1", "2", "-o", "json")
    assert result.exit_code == 0
    assert assert_no_canary(result.stdout, result.stderr or " ") > 0


def test_the_rule_is_shown_set_and_given_up(registry):
    answer("registry", "register", "--all")
    shown = answer("types", "compatibility")
    assert shown == {"type": None, "mode": "backward-transitive", "policy": "lenient", "inherited": True}
    answer("types", "compatibility", "--mode", "full")
    assert answer("types", "compatibility", "webhook")["mode"] == "full"
    own = answer("types", "compatibility", "webhook", "--mode", "none", "--policy", "strict")
    assert own == {"type": "webhook", "mode": "none", "policy": "strict", "inherited": False}
    assert answer("types", "compatibility", "webhook", "--inherit")["inherited"]
    assert registry.types.compatibility("webhook").mode == "full"


@pytest.mark.usefixtures("registry")
def test_an_unknown_mode_is_named_with_those_there_are():
    result = run("types", "compatibility", "--mode", "sideways")
    assert result.exit_code == ExitCode.USAGE
    assert "backward-transitive" in result.stderr


def test_saving_a_block_with_a_breaking_schema_is_refused(registry, monkeypatch):
    monkeypatch.setenv("HOOK", "https://example.org")
    registry.types.register(earlier("webhook", with_other_type))
    result = run("blocks", "create", "webhook", "hook", "--secret-from-env", "url=HOOK")
    assert result.exit_code == ExitCode.INCOMPATIBLE
    assert "$.timeout" in result.stderr
