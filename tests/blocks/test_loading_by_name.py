"""`Block.load`: by name, through a kind, with the type in front, in a workspace, at a revision."""

from dataclasses import replace

import pytest
from pydantic import SecretStr

from typecase.blocks import Block, BlockType, use_registry
from typecase.blocks.errors import (
    BlockTypeNotFound,
    DocumentNotFound,
    InvalidBlock,
    KindMismatch,
    RevisionNotFound,
    WorkspaceNotFound,
)
from typecase.blocks.kinds import Credentials, Database
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.records import Draft
from typecase.blocks.redaction import MASK
from typecase.blocks.schema import definition_of
from typecase.blocks.testing import memory_registry

__all__ = ["memory_registry"]


class Login(Credentials):
    __block__ = BlockType(slug="loading-login")

    user: str = ""
    password: SecretStr | None = None

    def client(self):
        return self.user


class Strict(Block):
    __block__ = BlockType(slug="loading-strict")

    name: str = ""
    login: Login | None = None


@pytest.fixture(autouse=True)
def registry(memory_registry):
    Login(user="ada", password="s3cret-value").save("main")
    return memory_registry


def test_a_load_gives_the_block_with_its_secrets():
    login = Block.load("main")
    assert type(login) is Login
    assert login.password.get_secret_value() == "s3cret-value"


@pytest.mark.parametrize("cls", [Block, Credentials, Login])
def test_a_load_through_any_of_its_classes_and_kinds_works(cls):
    assert cls.load("main") == Login(user="ada", password="s3cret-value")


@pytest.mark.parametrize(("cls", "words"), [(Database, "of kind Database"), (Strict, "loading-strict block")])
def test_a_load_through_another_class_says_what_it_is(cls, words):
    with pytest.raises(KindMismatch, match=f"main is a loading-login block, not a.*{words}"):
        cls.load("main")


def test_a_mismatch_is_a_type_error():
    with pytest.raises(TypeError):
        Database.load("main")


def test_the_type_in_front_is_asserted():
    assert Block.load("loading-login/main").user == "ada"
    with pytest.raises(KindMismatch, match="loading-login"):
        Block.load("loading-strict/main")


def test_a_missing_name_lists_near_ones():
    with pytest.raises(DocumentNotFound, match="'main'") as raised:
        Block.load("mian")
    assert raised.value.near == ("main",)
    assert isinstance(raised.value, LookupError)


def test_a_missing_workspace_is_another_error():
    with pytest.raises(WorkspaceNotFound):
        Block.load("main", workspace="nowhere")


def test_a_workspace_is_chosen_by_argument(registry):
    registry.workspaces.create("staging")
    Login(user="bob").save("main", workspace="staging")
    assert Login.load("main", workspace="staging").user == "bob"
    assert Login.load("main").user == "ada"


def test_a_workspace_is_chosen_by_the_settings(registry, monkeypatch):
    registry.workspaces.create("staging")
    Login(user="bob").save("main", workspace="staging")
    monkeypatch.setenv("TYPECASE_WORKSPACE", "staging")
    assert Login.load("main").user == "bob"


def test_a_revision_is_chosen_by_argument():
    Login.load("main").model_copy(update={"user": "eve"}).save("main")
    assert [Login.load("main", revision=number).user for number in (1, 2)] == ["ada", "eve"]
    with pytest.raises(RevisionNotFound):
        Login.load("main", revision=3)


def test_a_registry_is_chosen_by_argument():
    other = MemoryRegistry()
    Login(user="other").save("main", registry=other)
    assert Login.load("main", registry=other).user == "other"
    assert Login.load("main").user == "ada"


def test_a_registry_is_chosen_for_a_with_block():
    other = MemoryRegistry()
    with use_registry(other):
        Login(user="other").save("main")
        assert Login.load("main").user == "other"
    assert Login.load("main").user == "ada"


def test_two_loads_give_equal_blocks():
    assert Block.load("main") == Block.load("main")
    assert Block.load("main") is not Block.load("main")


def put(registry, name, text):
    """Writes what another version of the class may have written."""
    document_id = registry.load(name, workspace="default").root.document_id
    registry._state.documents[document_id].revisions[-1].text = text


def test_a_document_that_does_not_fit_the_class_names_fields_and_the_fix(registry):
    Strict(name="x").save("old")
    put(registry, "old", b'{"name": 7}')
    with pytest.raises(InvalidBlock, match="typecase blocks edit old") as raised:
        Block.load("old")
    assert raised.value.problems[0][:2] == ("name", "string_type")


def test_fields_that_a_newer_package_added_are_ignored(registry):
    Strict(name="x").save("new")
    put(registry, "new", b'{"name": "x", "added_later": 1}')
    assert Strict.load("new") == Strict(name="x")


def test_a_type_that_is_not_installed_names_the_package(registry):
    registry.types.register(replace(definition_of(Strict), slug="loading-gone", package="gone-package"))
    registry.documents.save(
        Draft(name="gone", workspace="default", type_slug="loading-gone", schema_version=1, data={})
    )
    with pytest.raises(BlockTypeNotFound, match="pip install gone-package"):
        Block.load("gone")


def test_the_secrets_of_a_loaded_block_are_masked_in_logs_from_then_on():
    Login(password="masked-from-now-on").save("other")
    Block.load("other")
    assert "masked-from-now-on" not in MASK.mask("the password is masked-from-now-on")


@pytest.mark.parametrize("text", ['{"$block": "main"}', '{"$block": {"id": "x"}}'])
def test_a_reference_is_resolved_by_loading_only(text):
    with pytest.raises(InvalidBlock, match="pass the loaded block itself"):
        Strict.model_validate_json(f'{{"login": {text}}}')
