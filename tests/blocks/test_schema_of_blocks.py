"""JSON Schema of block types: canonical, addressed by content, with every secret marked."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, Secret, SecretBytes, SecretStr

from typecase.blocks import Block, BlockType, field
from typecase.blocks.catalog import CATALOG
from typecase.blocks.errors import InvalidBlockType
from typecase.blocks.kinds import Credentials, Database
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.schema import canonical, definition_of


class Step(BaseModel):
    name: str = ""
    token: SecretStr | None = None
    inner: "Step | None" = None


class Left(BaseModel):
    kind: Literal["left"] = "left"
    token: SecretStr


class Right(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    kind: Literal["right"] = "right"
    key: SecretBytes


@dataclass
class Pair:
    left: str
    right: SecretStr


class Inner(Block):
    __block__ = BlockType(slug="schema-inner")

    secret: SecretStr


class Wide(Credentials):
    """First line
    and second.

    Another paragraph.
    """

    __block__ = BlockType(slug="schema-wide", title="Wide", icon="wide", docs="https://example.com")

    name: str = field("x", title="Name", help="The name", example="y", group="Basics", order=1)
    text: SecretStr | None = field(None, help="A text", multiline=True, advanced=True, since="1.2")
    raw: SecretBytes | None = None
    table: Secret[dict[str, int]] | None = None
    listed: list[SecretStr] = []
    mapped: dict[str, list[SecretStr]] = {}
    pair: tuple[str, SecretStr] | None = None
    either: int | SecretStr | None = None
    step: Step | None = None
    tagged: Annotated[Left | Right, Field(discriminator="kind")] | None = None
    data: Pair | None = None
    inner: Inner | None = None
    kind: Database | None = None
    anything: Block | None = None

    def client(self):
        return None


def test_every_secret_path_is_found_following_a_recursive_model_once():
    assert definition_of(Wide).secret_paths == (
        "data.right",
        "either",
        "inner.secret",
        "listed.*",
        "mapped.*.*",
        "pair.1",
        "raw",
        "step.token",
        "table",
        "tagged.key",
        "tagged.token",
        "text",
    )


def test_a_definition_says_what_the_class_says():
    found = definition_of(Wide)
    assert (found.slug, found.title, found.icon, found.docs) == ("schema-wide", "Wide", "wide", "https://example.com")
    assert found.description == "First line and second."
    assert found.kinds == ("Credentials",)


def test_blocks_in_fields_are_marked_by_type_or_kind():
    parts = definition_of(Wide).schema["$defs"]
    assert parts["Database"]["x-typecase-kind"] == "Database"
    assert parts["Block"]["x-typecase-kind"] == "Block"
    assert parts["Inner"]["x-typecase-block"] == "schema-inner"


def test_what_only_people_read_is_in_the_form_and_not_in_the_schema():
    found = definition_of(Wide)
    shown = found.form["properties"]["name"]
    assert (shown["title"], shown["description"], shown["examples"]) == ("Name", "The name", ["y"])
    assert shown["x-typecase"] == {"group": "Basics", "order": 1}
    assert found.form["properties"]["text"]["x-typecase"] == {"advanced": True, "multiline": True, "since": "1.2"}
    text = json.dumps(found.schema)
    assert all(word not in text for word in ("The name", "Basics", 'x-typecase"', "multiline", "examples"))


def test_canonical_is_a_fixed_point_with_sorted_keys():
    schema = definition_of(Wide).schema
    assert canonical(schema) == schema
    assert json.dumps(schema) == json.dumps(schema, sort_keys=True)


def test_a_property_called_title_or_description_is_kept():
    class Article(Block):
        __block__ = BlockType(slug="schema-article")
        title: str
        description: str = ""
        examples: list[str] = []

    assert set(definition_of(Article).schema["properties"]) == {"title", "description", "examples"}


def test_words_do_not_change_the_digest_and_fields_do():
    def make(help_text, **constraints):
        class Same(Block):
            __block__ = BlockType(slug="schema-same")
            port: int = field(1, help=help_text, **constraints)

        return definition_of(Same).digest

    assert make("one") == make("another")
    assert make("one") != make("one", ge=1)


def test_a_field_that_stops_being_secret_changes_the_digest():
    class Before(Block):
        __block__ = BlockType(slug="schema-secret")
        password: SecretStr

    class After(Block):
        __block__ = BlockType(slug="schema-secret")
        password: str

    assert definition_of(Before).digest != definition_of(After).digest


def test_the_digest_is_the_same_in_every_process():
    script = (
        "from typecase.blocks.schema import definition_of\n"
        "from typecase.integrations.postgres import PostgresDatabase\n"
        "print(definition_of(PostgresDatabase).digest)"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_schemas_are_closed():
    schema = definition_of(Wide).schema
    assert schema["additionalProperties"] is False


def test_field_names_and_not_aliases_are_in_the_schema():
    class Aliased(Block):
        __block__ = BlockType(slug="schema-aliased")
        port: int = field(1, alias="portNumber")

    assert set(definition_of(Aliased).schema["properties"]) == {"port"}


@pytest.mark.parametrize(
    "part", [str | SecretStr, SecretStr | str | None, bytes | SecretStr, list[str] | Secret[list[str]]]
)
def test_a_field_that_may_be_secret_or_plain_is_refused(part):
    class Ambiguous(Block):
        __block__ = BlockType(slug="schema-ambiguous")
        value: part

    with pytest.raises(InvalidBlockType, match=r"'value'.*secret"):
        definition_of(Ambiguous)


@pytest.mark.parametrize("part", [dict[SecretStr, int], list[dict[SecretStr, int]]])
def test_secret_keys_are_refused(part):
    class Keyed(Block):
        __block__ = BlockType(slug="schema-keyed")
        value: part

    with pytest.raises(InvalidBlockType, match="keys that are secrets"):
        definition_of(Keyed)


@pytest.mark.parametrize("part", [bytes, SecretBytes, list[bytes] | None, dict[str, Secret[bytes]]])
def test_bytes_in_a_model_that_would_not_come_back_are_refused(part):
    class Raw(BaseModel):
        value: part

    class Around(BaseModel):
        raw: list[Raw]

    class Holder(Block):
        __block__ = BlockType(slug="schema-holder")
        around: Around | None = None

    with pytest.raises(InvalidBlockType, match="base64"):
        definition_of(Holder)


def test_bytes_in_a_model_with_base64_are_taken():
    class Raw(BaseModel):
        model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
        value: bytes

    class Holder(Block):
        __block__ = BlockType(slug="schema-holder")
        raw: Raw | None = None

    assert definition_of(Holder).slug == "schema-holder"


def test_a_class_without_a_type_has_no_definition():
    class Loose(Block):
        pass

    with pytest.raises(InvalidBlockType, match="Loose"):
        definition_of(Loose)


def test_the_package_is_the_one_that_declares_the_block():
    from typecase.integrations.secret import Secret as SecretBlock

    assert (definition_of(SecretBlock).package, bool(definition_of(SecretBlock).package_version)) == ("typecase", True)


def test_a_recursive_secret_is_masked_at_every_depth():
    registry = MemoryRegistry()
    deep = Step(token="s3cret-0", inner=Step(token="s3cret-1", inner=Step(token="s3cret-2")))
    Wide(step=deep).save("wide", registry=registry)
    assert "s3cret" not in repr(registry.documents.get("wide", workspace="default"))


def test_any_json_has_a_schema():
    class Free(Block):
        __block__ = BlockType(slug="schema-free")
        value: dict[str, Any] = {}

    assert definition_of(Free).secret_paths == ()


def test_a_class_that_its_entry_point_reexports_belongs_to_that_package():
    assert CATALOG.get("webhook").__module__ == "typecase.integrations.webhook.receiver"
    assert definition_of(CATALOG.get("webhook")).package == "typecase"
