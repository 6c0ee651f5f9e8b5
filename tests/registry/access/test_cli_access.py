"""`typecase access` on the registry's own database."""

import json

import pytest
from typer.testing import CliRunner

from typecase.blocks.registries import close_registries, current_registry
from typecase.blocks.settings import reload_settings
from typecase.registry.cli import app
from typecase.registry.cli.exit_codes import ExitCode

HERE = "192.0.2.7"


@pytest.fixture(autouse=True)
def address(home, monkeypatch):
    monkeypatch.setenv("TYPECASE_URL", f"sqlite:///{home}/registry/registry.db")
    reload_settings()
    yield
    close_registries()


def run(*arguments):
    return CliRunner().invoke(app, ["access", *arguments])


def answer(*arguments):
    result = run(*arguments, "-o", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def flows():
    answer("services", "add", "flows", "--title", "Nightly flows")
    answer("grant", "flows", "runner", "-w", "default")


def test_the_first_admin_gets_a_code():
    access = current_registry().access
    made = access.links.make_first_admin(answer("first-admin")["code"], "ada", "correct horse battery")
    assert access.principals.get("ada").id == made


def test_a_server_makes_it_a_link_whose_secret_stays_in_the_browser():
    link = answer("first-admin", "--server", "https://typecase.example.org/")["link"]
    assert link.startswith("https://typecase.example.org/first-admin#tcl_")


def test_there_is_no_second_first_admin():
    answer("people", "add", "ada")
    answer("grant", "ada", "admin", "--everywhere")
    assert run("first-admin").exit_code == ExitCode.INVALID


def test_a_token_is_printed_once(flows):
    made = answer("tokens", "create", "flows", "ci", "--expires", "90d", "--permission", "documents:load")
    caller = current_registry().access.identities.caller_of_token(made["token"], HERE)
    assert caller.name == "flows"
    listed = run("tokens", "ls", "flows", "-o", "json")
    assert made["token"] not in listed.output
    assert json.loads(listed.stdout)["items"][0]["permissions"] == ["documents:load"]


def test_a_revoked_token_says_so(flows):
    made = answer("tokens", "create", "flows", "ci", "--uses", "3", "--from", "10.0.0.0/8", "--in", "default")
    answer("tokens", "revoke", made["id"])
    (item,) = answer("tokens", "ls", "flows")["items"]
    assert (item["state"], item["networks"], item["workspaces"]) == ("revoked", ["10.0.0.0/8"], ["default"])


@pytest.mark.parametrize("span", ["90", "0d", "d", "1y", "-1d"])
def test_an_odd_span_is_refused(flows, span):
    assert run("tokens", "create", "flows", "ci", f"--expires={span}").exit_code == ExitCode.USAGE


def test_a_role_is_given_and_taken(flows):
    (item,) = answer("grants", "flows")["items"]
    assert (item["role"], item["where"]) == ("runner", "in default")
    answer("revoke", item["id"])
    assert answer("grants")["items"] == []


def test_a_role_for_a_tag_says_so(flows):
    assert answer("grant", "flows", "editor", "--everywhere", "--tag", "etl")["where"] == "everywhere, tag etl"


@pytest.mark.parametrize(("kind", "name"), [("people", "ada"), ("services", "ci")])
def test_somebody_is_added_disabled_enabled_and_removed(kind, name):
    answer(kind, "add", name)
    assert answer(kind, "disable", name)["state"] == "disabled"
    assert answer(kind, "enable", name)["state"] == "enabled"
    assert [item["name"] for item in answer(kind, "ls")["items"]] == [name]
    assert run(kind, "rm", name).exit_code == ExitCode.USAGE
    answer(kind, "rm", name, "--yes")
    assert answer(kind, "ls")["items"] == []


def test_a_person_gets_a_link_for_a_password():
    answer("people", "add", "ada")
    access = current_registry().access
    access.links.set_password(answer("people", "reset", "ada")["code"], "correct horse battery")
    assert access.sign_in.check("ada", "correct horse battery", HERE)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("people", "disable", "nobody"), ExitCode.NOT_FOUND),
        (("people", "add", "Ada"), ExitCode.INVALID),
        (("revoke", "0"), ExitCode.NOT_FOUND),
        (("tokens", "revoke", "0"), ExitCode.NOT_FOUND),
        (("services", "add", "flows"), ExitCode.CONFLICT),
    ],
)
def test_a_refusal_has_its_exit_code(flows, arguments, code):
    result = run(*arguments)
    assert result.exit_code == code
    assert "Traceback" not in result.output


def test_elsewhere_than_at_the_database_access_is_not_managed(monkeypatch):
    monkeypatch.setenv("TYPECASE_URL", "memory://")
    reload_settings()
    assert run("grants").exit_code == ExitCode.ENVIRONMENT
