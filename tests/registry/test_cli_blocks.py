"""`typecase blocks`: reading, describing, comparing, checking, deleting."""

import json
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from typecase.blocks import Block, BlockType, Check, Stage, Status, field, use_registry
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.schema import definition_of
from typecase.registry.cli import app


class Account(Block):
    """An account."""

    __block__ = BlockType(slug="cli-account")

    user: str = "app"
    password: SecretStr | None = None
    notes: dict[str, str] = field(default_factory=dict)
    outcome: Status = Status.READY

    def check(self) -> Check:
        return Check(stages=(Stage(name="auth", status=self.outcome, reason="because", next_step="go on"),))


class Service(Block):
    """A service."""

    __block__ = BlockType(slug="cli-service")

    account: Account


@pytest.fixture(autouse=True)
def registry():
    with use_registry(MemoryRegistry()) as registry:
        yield registry


@pytest.fixture
def editor(home, monkeypatch):
    """Makes a Python program the editor: it is called with the path of the file as `path`."""

    def install(body: str) -> None:
        script = home / "editor.py"
        script.write_text(f"import pathlib, sys\npath = pathlib.Path(sys.argv[1])\n{body}\n")
        monkeypatch.setenv("EDITOR", f"{os.sys.executable} {script}")

    return install


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["blocks", *arguments])


def answer(*arguments: str):
    result = run(*arguments, "-o", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def saved(name: str = "main", **values) -> Account:
    block = Account(**values)
    block.save(name, overwrite=True)
    return block


def names(*arguments: str) -> list[str]:
    return [item["name"] for item in answer("ls", *arguments)["items"]]


def test_ls_shows_documents_by_name():
    saved("b")
    saved("a")
    assert names() == ["a", "b"]


def test_ls_filters_by_type():
    Service(account=saved("a")).save("s")
    assert names("--type", "cli-service") == ["s"]


def test_ls_filters_by_tag_owner_and_text():
    Account().save("a", tags=("x",), owner="ops", description="The first")
    saved("b")
    assert names("--tag", "x") == names("--owner", "ops") == names("--search", "first") == ["a"]


def test_ls_filters_by_kind():
    saved("a")
    assert names("--kind", "Database") == []


def test_ls_expired_shows_what_has_expired():
    Account().save("old", expires_at=datetime.now(UTC) - timedelta(days=1))
    Account().save("new", expires_at=datetime.now(UTC) + timedelta(days=1))
    assert names("--expired") == ["old"]


def test_ls_goes_on_at_a_cursor():
    for name in "abc":
        saved(name)
    first = answer("ls", "--limit", "2")
    assert names("--cursor", first["cursor"]) == ["c"]


def test_ls_all_follows_every_page():
    for name in "abc":
        saved(name)
    assert names("--all", "--limit", "1") == ["a", "b", "c"]


def test_ls_says_on_standard_error_that_there_are_more():
    for name in "ab":
        saved(name)
    assert "--cursor" in run("ls", "--limit", "1").stderr


def test_show_covers_secrets():
    saved(password="sesame-covered")
    assert answer("show", "main")["data"]["password"] == {"$secret": {"set": True, "source": "literal"}}


def test_show_reveal_shows_the_secrets_of_that_document():
    saved(password="sesame-revealed")
    assert answer("show", "main", "--reveal")["data"]["password"] == "sesame-revealed"


def test_show_reveal_keeps_the_secrets_of_other_documents():
    Service(account=saved("a", password="sesame-elsewhere")).save("s")
    assert answer("show", "s", "--reveal")["data"] == {"account": {"$block": "a"}}


def test_show_revision_shows_an_earlier_one():
    saved(user="first")
    saved(user="second")
    assert answer("show", "main", "--revision", "1")["data"]["user"] == "first"


def test_show_gives_keys_with_a_dollar_sign_back_as_they_were():
    saved(notes={"$block": "x"})
    assert answer("show", "main")["data"]["notes"] == {"$block": "x"}


def test_show_names_a_referenced_document_in_words():
    Service(account=saved("a")).save("s")
    assert "account\tblock a\n" in run("show", "s").stdout


def test_show_of_an_absent_document_names_near_ones():
    saved("production")
    result = run("show", "prodution")
    assert (result.exit_code, "'production'" in result.stderr) == (3, True)


def test_describe_changes_what_is_known_and_no_revision(registry):
    saved()
    run("describe", "main", "--description", "Ours", "--tag", "x", "--owner", "ops", "--expires-at", "2030-01-01")
    document = registry.documents.get("main", workspace="default")
    assert (document.description, document.tags, document.owner, document.revision) == ("Ours", ("x",), "ops", 1)


def test_describe_takes_tags_and_expiry_away(registry):
    Account().save("main", tags=("x",), expires_at=datetime.now(UTC))
    run("describe", "main", "--no-tags", "--no-expiry")
    document = registry.documents.get("main", workspace="default")
    assert (document.tags, document.expires_at) == ((), None)


@pytest.mark.parametrize("options", [(), ("--tag", "x", "--no-tags"), ("--expires-at", "2030-01-01", "--no-expiry")])
def test_describe_with_nothing_or_a_contradiction_is_wrong_usage(options):
    saved()
    assert run("describe", "main", *options).exit_code == 2


def test_rename_gives_another_name():
    saved()
    run("rename", "main", "other")
    assert names() == ["other"]


@pytest.mark.parametrize(("outcome", "code"), [(Status.READY, 0), (Status.UNKNOWN, 0), (Status.ERROR, 9)])
def test_check_ends_with_9_when_the_block_does_not_work(outcome, code):
    saved(outcome=outcome)
    assert run("check", "main").exit_code == code


def test_check_shows_each_stage():
    saved()
    expected = {"stage": "auth", "status": "ready", "reason": "because", "next_step": "go on"}
    assert answer("check", "main")["stages"] == [expected]


def test_check_of_an_expired_document_is_an_error():
    Account().save("main", expires_at=datetime.now(UTC) - timedelta(days=1))
    result = run("check", "main", "-o", "json")
    assert result.exit_code == 9
    assert json.loads(result.stdout)["status"] == "error"


def test_delete_without_a_terminal_wants_yes():
    saved()
    assert run("delete", "main").exit_code == 2
    assert names() == ["main"]


def test_delete_yes_destroys_the_document():
    saved()
    assert run("delete", "main", "--yes").exit_code == 0
    assert names() == []


def test_delete_of_a_document_in_use_names_its_dependents():
    Service(account=saved("a")).save("s")
    result = run("delete", "a", "--yes")
    assert (result.exit_code, "default/s" in result.stderr) == (5, True)


def test_delete_force_says_what_breaks():
    Service(account=saved("a")).save("s")
    assert answer("delete", "a", "--yes", "--force")["broken"] == ["default/s"]


def test_history_lists_revisions_newest_first():
    saved(user="first")
    saved(user="second")
    assert [item["revision"] for item in answer("history", "main")["items"]] == [2, 1]


def test_history_goes_on_at_a_cursor():
    for user in "abc":
        saved(user=user)
    cursor = answer("history", "main", "--limit", "2")["cursor"]
    assert [item["revision"] for item in answer("history", "main", "--cursor", cursor)["items"]] == [1]


def test_diff_compares_the_newest_revision_with_the_one_before():
    saved(user="first")
    saved(user="second")
    expected = {"field": "user", "action": "changed", "secret": False, "before": "first", "after": "second"}
    assert answer("diff", "main")["items"] == [expected]


def test_diff_compares_two_revisions():
    for user in ("first", "second", "third"):
        saved(user=user)
    assert answer("diff", "main", "1", "3")["items"][0]["after"] == "third"


def test_diff_tells_of_a_secret_only_that_it_changed():
    saved(password="sesame-one")
    saved(password="sesame-two")
    assert answer("diff", "main")["items"] == [
        {"field": "password", "action": "changed", "secret": True, "before": "(secret)", "after": "(secret)"}
    ]


def test_restore_writes_an_earlier_revision_as_the_newest():
    saved(user="first")
    saved(user="second")
    assert answer("restore", "main", "1")["revision"] == 3
    assert Account.load("main").user == "first"


def test_edit_opens_the_fields_in_the_editor(editor):
    saved(user="first")
    editor("path.write_text(path.read_text().replace('first', 'second'))")
    assert run("edit", "main").exit_code == 0
    assert Account.load("main").user == "second"


def test_edit_keeps_a_secret_behind_its_marker(editor):
    saved(user="first", password="sesame-kept")
    editor("path.write_text(path.read_text().replace('first', 'second'))")
    run("edit", "main")
    assert Account.load("main").password.get_secret_value() == "sesame-kept"


def test_edit_takes_a_new_secret_in_the_place_of_its_marker(editor):
    saved(password="sesame-old")
    editor("import re\npath.write_text(re.sub('!keep .*', 'sesame-new', path.read_text()))")
    run("edit", "main")
    assert Account.load("main").password.get_secret_value() == "sesame-new"


def test_edit_refuses_to_keep_a_secret_in_a_field_that_shows_it(editor):
    saved(user="first", password="sesame-moved")
    editor("path.write_text(path.read_text().replace('user: first', 'user: !keep password'))")
    result = run("edit", "main")
    assert (result.exit_code, "user: is no place for a secret" in result.stderr) == (4, True)


def test_edit_refuses_a_marker_of_no_secret(editor):
    saved(password="sesame-stays")
    editor("path.write_text(path.read_text().replace('!keep', '!keep x'))")
    assert run("edit", "main").exit_code == 4


def test_edit_without_a_change_writes_nothing(editor):
    saved()
    editor("pass")
    assert answer("edit", "main")["revision"] == 1


def test_edit_refuses_what_does_not_fit_the_block(editor):
    saved()
    editor("path.write_text('outcome: middle')")
    assert run("edit", "main").exit_code == 4


def test_edit_loses_no_change_that_was_made_meanwhile(editor, registry, monkeypatch):
    saved(user="first")
    editor("path.write_text('user: mine')")
    load = registry.load

    def load_then_change(*arguments, **options):
        tree = load(*arguments, **options)
        Account(user="theirs").save("main", overwrite=True)
        return tree

    monkeypatch.setattr(registry, "load", load_then_change)
    assert run("edit", "main").exit_code == 5
    monkeypatch.undo()
    assert registry.documents.get("main", workspace="default").revision == 2


def test_edit_gives_the_editor_a_private_file(editor, home):
    saved()
    modes = "f'{path.stat().st_mode} {path.parent.stat().st_mode}'"
    editor(f"open({str(home / 'modes')!r}, 'w').write({modes})")
    run("edit", "main")
    modes = (home / "modes").read_text().split()
    assert [stat.S_IMODE(int(mode)) for mode in modes] == [0o600, 0o700]


@pytest.mark.parametrize("body", ["pass", "sys.exit(3)", "path.write_text('outcome: middle')", "path.unlink()"])
def test_edit_leaves_no_file_behind(editor, home, body):
    saved()
    editor(f"open({str(home / 'where')!r}, 'w').write(str(path))\n{body}")
    run("edit", "main")
    assert not Path((home / "where").read_text()).parent.exists()


def test_an_editor_that_fails_changes_nothing(editor):
    saved()
    editor("path.write_text('user: other')\nsys.exit(3)")
    result = run("edit", "main")
    assert (result.exit_code, "exit code 3" in result.stderr) == (2, True)
    assert Account.load("main").user == "app"


@pytest.mark.parametrize("body", ["path.unlink()", "path.write_bytes(bytes([255]))"])
def test_an_editor_that_leaves_no_text_changes_nothing(editor, body):
    saved()
    editor(body)
    result = run("edit", "main")
    assert (result.exit_code, "Nothing was changed" in result.stderr) == (2, True)


def test_an_editor_that_is_not_there_is_named(monkeypatch):
    saved()
    monkeypatch.setenv("EDITOR", "no-such-editor")
    assert "'no-such-editor'" in run("edit", "main").stderr


@pytest.fixture
def foreign(registry):
    """A block type that the registry knows and this environment lacks."""
    definition = replace(definition_of(Account), slug="cli-foreign", package="elsewhere")
    registry.types.register(definition)
    return "cli-foreign"


def test_a_block_whose_package_is_missing_is_created_by_its_schema(foreign, registry):
    assert run("create", foreign, "main", "--set", "user=u").exit_code == 0
    assert registry.documents.get("main", workspace="default").data["user"] == "u"


def test_a_block_whose_package_is_missing_is_validated_by_its_schema(foreign):
    assert run("create", foreign, "main", "--set-json", "user=1").exit_code == 4


def test_a_block_whose_package_is_missing_is_edited_and_keeps_its_secrets(foreign, registry):
    CliRunner().invoke(app, ["blocks", "create", foreign, "main", "--secret-stdin", "password"], input="sesame-far")
    assert run("edit", "main", "--set", "user=v").exit_code == 0
    assert json.loads(registry.load("main", workspace="default").root.data) == {"user": "v", "password": "sesame-far"}


def test_a_block_whose_package_is_missing_keeps_plain_keys_with_a_dollar_sign(foreign):
    run("create", foreign, "main", "--set-json", 'notes={"$block": "x"}')
    assert answer("show", "main")["data"]["notes"] == {"$block": "x"}
