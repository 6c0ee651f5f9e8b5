"""`typecase blocks create` and `edit`: where values come from and how they are read."""

import datetime as dt
import enum
import json
from typing import Any, Literal

import pytest
from pydantic import BaseModel, SecretBytes, SecretStr
from typer.testing import CliRunner, Result

from typecase.blocks import Block, BlockType, field, use_registry
from typecase.blocks.memory import MemoryRegistry
from typecase.registry.cli import app


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Tls(BaseModel):
    mode: Literal["off", "on"] = "on"
    key: SecretStr | None = None


class Gate(Block):
    """A gate."""

    __block__ = BlockType(slug="cli-values-gate")

    token: SecretStr


class Service(Block):
    """A service with a field of each sort."""

    __block__ = BlockType(slug="cli-values-service")

    host: str = field(example="db.internal")
    port: int = 5432
    ratio: float = 0.5
    active: bool = True
    level: Level = Level.LOW
    since: dt.date | None = None
    password: SecretStr | None = None
    seal: SecretBytes | None = None
    tls: Tls = Tls()
    tags: list[str] = field(default_factory=list)
    limits: dict[str, int] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    gate: Gate | None = None


@pytest.fixture(autouse=True)
def registry():
    with use_registry(MemoryRegistry()) as registry:
        yield registry


def run(*arguments: str, given: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=given)


def create(*options: str, given: str | bytes | None = None) -> Service:
    result = run("blocks", "create", "cli-values-service", "main", *options, given=given)
    assert result.exit_code == 0, result.output
    return Service.load("main")


def refused(*options: str, given: str | None = None) -> str:
    result = run("blocks", "create", "cli-values-service", "main", *options, given=given)
    assert result.exit_code == 4, result.output
    return result.stderr


@pytest.mark.parametrize(
    ("option", "name", "value"),
    [
        ("port=6000", "port", 6000),
        ("ratio=2", "ratio", 2.0),
        ("active=no", "active", False),
        ("level=high", "level", Level.HIGH),
        ("since=2026-01-31", "since", dt.date(2026, 1, 31)),
        ('tags=["a", "b"]', "tags", ["a", "b"]),
        ('limits={"a": 1}', "limits", {"a": 1}),
        ("host=5432", "host", "5432"),
        ("host=a=b", "host", "a=b"),
    ],
)
def test_set_reads_a_value_as_its_field_has_it(option, name, value):
    assert getattr(create("--set", "host=h", "--set", option), name) == value


def test_set_reaches_into_nested_values_with_dots():
    assert create("--set", "host=h", "--set", "tls.mode=off").tls.mode == "off"


def test_set_reaches_into_mappings_with_dots():
    assert create("--set", "host=h", "--set", "limits.cpu=4").limits == {"cpu": 4}


def test_set_json_takes_any_json():
    assert create("--set", "host=h", "--set-json", 'tls={"mode": "off"}').tls.mode == "off"


@pytest.mark.parametrize("text", ["host: h\nport: 6000\n", '{"host": "h", "port": 6000}'])
def test_from_file_reads_yaml_and_json(tmp_path, text):
    path = tmp_path / "service"
    path.write_text(text)
    assert create("--from-file", str(path)).port == 6000


def test_from_file_minus_reads_standard_input():
    assert create("--from-file", "-", given="host: h\nport: 6000\n").port == 6000


def test_from_file_accepts_times_as_yaml_writes_them():
    assert create("--from-file", "-", given="host: h\nsince: 2026-01-31\n").since == dt.date(2026, 1, 31)


def test_options_win_over_the_file():
    assert create("--from-file", "-", "--set", "port=7000", given="host: h\nport: 6000\n").port == 7000


def test_secret_from_env_reads_a_variable(monkeypatch):
    monkeypatch.setenv("GIVEN", "from-the-environment")
    block = create("--set", "host=h", "--secret-from-env", "password=GIVEN")
    assert block.password.get_secret_value() == "from-the-environment"


def test_secret_from_env_names_a_variable_that_is_not_set():
    assert "password: the environment variable ABSENT is not set" in refused(
        "--set", "host=h", "--secret-from-env", "password=ABSENT"
    )


@pytest.mark.parametrize(("text", "secret"), [("one\n", "one"), ("one\r\n", "one"), ("one\ntwo\n\n", "one\ntwo\n")])
def test_secret_from_file_takes_one_line_end_off(tmp_path, text, secret):
    path = tmp_path / "secret"
    path.write_bytes(text.encode())
    block = create("--set", "host=h", "--secret-from-file", f"password={path}")
    assert block.password.get_secret_value() == secret


def test_secret_from_file_keeps_the_bytes_of_a_field_of_bytes(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"\x00\xff\n")
    assert create("--set", "host=h", "--secret-from-file", f"seal={path}").seal.get_secret_value() == b"\x00\xff\n"


def test_a_text_typed_for_a_field_of_bytes_is_its_bytes():
    assert create("--set", "host=h", "--set", "seal=sesame-seal").seal.get_secret_value() == b"sesame-seal"


def test_secret_stdin_reads_all_of_standard_input_without_its_last_line_end():
    block = create("--set", "host=h", "--secret-stdin", "password", given="one\ntwo\n")
    assert block.password.get_secret_value() == "one\ntwo"


def test_an_empty_standard_input_is_no_secret():
    assert "standard input is empty" in refused("--set", "host=h", "--secret-stdin", "password", given="")


def test_secrets_at_any_depth_come_from_the_same_sources():
    block = create("--set", "host=h", "--secret-stdin", "tls.key", given="deep\n")
    assert block.tls.key.get_secret_value() == "deep"


def test_two_options_cannot_both_read_standard_input():
    result = run("blocks", "create", "cli-values-service", "main", "--from-file", "-", "--secret-stdin", "password")
    assert result.exit_code == 2


def test_set_on_a_secret_warns_of_the_shells_history():
    result = run("blocks", "create", "cli-values-gate", "main", "--set", "token=sesame-sesame")
    assert "warning: token is a secret" in result.stderr


def test_set_json_that_holds_a_secret_inside_warns_too():
    result = run(
        *(
            "blocks",
            "create",
            "cli-values-service",
            "main",
            "--set",
            "host=h",
            "--set-json",
            'tls={"key": "sesame-sesame"}',
        )
    )
    assert "warning: tls is a secret" in result.stderr


def test_set_on_another_field_warns_of_nothing():
    assert run("blocks", "create", "cli-values-service", "main", "--set", "host=h").stderr == ""


def test_a_block_is_named_by_its_document():
    Gate(token=SecretStr("sesame")).save("gate")
    assert create("--set", "host=h", "--set", "gate=gate").gate.token.get_secret_value() == "sesame"


def test_a_named_block_is_saved_as_a_reference(registry):
    Gate(token=SecretStr("sesame")).save("gate")
    create("--set", "host=h", "--set", "gate=gate")
    assert registry.documents.get("main", workspace="default").data["gate"] == {"$block": "gate"}


def test_a_file_names_a_block_as_a_reference():
    Gate(token=SecretStr("sesame")).save("gate")
    assert create("--from-file", "-", given='{"host": "h", "gate": {"$block": "gate"}}').gate is not None


def test_a_block_that_is_not_there_is_not_found():
    result = run("blocks", "create", "cli-values-service", "main", "--set", "host=h", "--set", "gate=absent")
    assert result.exit_code == 3


def test_a_plain_key_with_a_dollar_sign_is_no_reference():
    assert create("--from-file", "-", given='{"host": "h", "extra": {"$block": "x"}}').extra == {"$block": "x"}


def test_everything_that_is_missing_is_listed_with_how_to_give_it():
    text = refused()
    assert "host: is required (text)" in text
    assert "--set FIELD=VALUE" in text


def test_every_wrong_value_is_listed_at_once():
    text = refused("--set", "port=many", "--set", "level=middle")
    assert "port: must be whole number" in text
    assert "level: must be one of low, high" in text


def test_a_misspelt_field_names_the_near_one():
    assert "prot: is no field; did you mean port" in refused("--set", "host=h", "--set", "prot=1")


def test_a_key_of_a_file_is_one_field_whatever_it_looks_like():
    assert "tls.mode: is no field" in refused("--from-file", "-", given='{"host": "h", "tls.mode": "off"}')


def test_rules_of_the_class_are_checked():
    assert "since:" in refused("--set", "host=h", "--set", "since=yesterday")


def test_a_pair_without_an_equals_sign_is_wrong_usage_and_not_repeated():
    result = run("blocks", "create", "cli-values-service", "main", "--set", "sesame")
    assert result.exit_code == 2
    assert "sesame" not in result.output


def test_a_file_that_is_no_object_is_refused():
    result = run("blocks", "create", "cli-values-service", "main", "--from-file", "-", given="- 1\n")
    assert result.exit_code == 2
    assert "holds no object of fields" in result.stderr


def test_edit_keeps_what_is_not_named(registry):
    create("--set", "host=h", "--set", "port=6000", "--secret-stdin", "password", given="kept")
    assert run("blocks", "edit", "main", "--set", "host=other").exit_code == 0
    block = Service.load("main")
    assert (block.host, block.port, block.password.get_secret_value()) == ("other", 6000, "kept")


def test_edit_merges_nested_values():
    create("--set", "host=h", "--secret-stdin", "tls.key", given="kept")
    run("blocks", "edit", "main", "--set", "tls.mode=off")
    assert Service.load("main").tls == Tls(mode="off", key=SecretStr("kept"))


def test_edit_unset_gives_a_field_its_default():
    create("--set", "host=h", "--set", "port=6000")
    run("blocks", "edit", "main", "--unset", "port")
    assert Service.load("main").port == 5432


def test_edit_keeps_references_and_the_blocks_they_lead_to(registry):
    Gate(token=SecretStr("sesame")).save("gate")
    create("--set", "host=h", "--set", "gate=gate")
    registry.documents.rename("gate", "door", workspace="default")
    assert run("blocks", "edit", "main", "--set", "port=1").exit_code == 0
    assert registry.documents.get("main", workspace="default").data["gate"] == {"$block": "door"}


def test_edit_that_changes_nothing_writes_no_revision(registry):
    create("--set", "host=h")
    assert run("blocks", "edit", "main", "--set", "host=h").exit_code == 0
    assert registry.documents.get("main", workspace="default").revision == 1


def test_edit_of_an_inherited_document_says_where_it_is(registry):
    registry.workspaces.create("child", parent="default")
    create("--set", "host=h")
    result = run("blocks", "edit", "main", "--set", "port=1", "-w", "child")
    assert result.exit_code == 2
    assert "-w default" in result.stderr


def test_metadata_is_saved_with_the_block(registry):
    options = (
        "--description",
        "The main one",
        "--tag",
        "a",
        "--tag",
        "b",
        "--owner",
        "ops",
        "--expires-at",
        "2030-01-01",
    )
    create("--set", "host=h", *options)
    document = registry.documents.get("main", workspace="default")
    assert (document.description, document.tags, document.owner) == ("The main one", ("a", "b"), "ops")
    assert document.expires_at == dt.datetime(2030, 1, 1).astimezone()


def test_a_malformed_expiry_is_wrong_usage():
    result = run("blocks", "create", "cli-values-service", "main", "--set", "host=h", "--expires-at", "soon")
    assert result.exit_code == 2


def test_create_does_not_replace_what_is_there():
    create("--set", "host=h")
    assert run("blocks", "create", "cli-values-service", "main", "--set", "host=other").exit_code == 5


def test_create_of_an_existing_name_says_how_to_replace_it():
    create("--set", "host=h")
    result = run("blocks", "create", "cli-values-service", "main", "--set", "host=other")
    assert (result.exit_code, "--overwrite" in result.stderr) == (5, True)


def test_create_overwrite_replaces_what_is_there():
    create("--set", "host=h")
    assert create("--set", "host=other", "--overwrite").host == "other"


def test_create_answers_with_the_revision():
    result = run("blocks", "create", "cli-values-service", "main", "--set", "host=h", "-o", "json")
    expected = {"workspace": "default", "name": "main", "type": "cli-values-service", "revision": 1}
    assert json.loads(result.stdout) == expected
