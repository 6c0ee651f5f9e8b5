"""A block is a value: frozen, compared by its fields, strict about what it takes."""

import copy

import pytest
from pydantic import BaseModel, PrivateAttr, SecretStr

from typecase.blocks import Block, BlockType, field
from typecase.blocks.block_type import kinds_of, type_of
from typecase.blocks.errors import InvalidBlock, InvalidBlockType, InvalidName
from typecase.blocks.kinds import Credentials, Database


class Server(Block):
    __block__ = BlockType(slug="values-server")

    host: str
    port: int = field(5432, ge=1, alias="portNumber")
    password: SecretStr | None = None
    tags: list[str] = []
    _uses: int = PrivateAttr(default=0)


def test_equal_fields_make_equal_blocks():
    assert Server(host="a", password="x") == Server(host="a", password="x")
    assert Server(host="a", password="x") != Server(host="a", password="y")


def test_blocks_of_two_types_are_never_equal():
    class Twin(Block):
        __block__ = BlockType(slug="values-twin")
        host: str

    class Triplet(Block):
        __block__ = BlockType(slug="values-triplet")
        host: str

    assert Twin(host="a") != Triplet(host="a")


def test_a_field_cannot_be_set_or_deleted():
    server = Server(host="a")
    with pytest.raises(InvalidBlock, match="model_copy"):
        server.host = "b"
    with pytest.raises(InvalidBlock, match="host"):
        del server.host
    assert server.host == "a"


def test_a_name_that_is_no_field_cannot_be_set():
    with pytest.raises(InvalidBlock, match="hots"):
        Server(host="a").hots = "b"


def test_a_private_attribute_can_be_set():
    server = Server(host="a")
    server._uses = 3
    assert server._uses == 3


def test_a_changed_copy_is_validated():
    server = Server(host="a")
    assert server.model_copy(update={"port": 1}).port == 1
    with pytest.raises(InvalidBlock, match="port"):
        server.model_copy(update={"port": 0})
    with pytest.raises(InvalidBlock, match="hots"):
        server.model_copy(update={"hots": "b"})


def test_a_changed_copy_leaves_the_original_alone():
    server = Server(host="a", tags=["x"])
    server.model_copy(deep=True).tags.append("y")
    assert server.tags == ["x"]


def test_a_field_called_keys_does_not_confuse_copies():
    class Keys(Block):
        __block__ = BlockType(slug="values-keys")
        keys: list[str]
        items: int = 1

    assert Keys(keys=["a"]).model_copy(update={"items": 2}) == Keys(keys=["a"], items=2)


def test_an_unknown_field_is_refused_by_name():
    with pytest.raises(InvalidBlock, match="hots"):
        Server(hots="a", host="a")


def test_a_field_is_given_by_name_or_alias():
    assert Server(host="a", port=1) == Server(host="a", portNumber=1)


def test_every_problem_is_told_with_path_and_rule():
    with pytest.raises(InvalidBlock) as raised:
        Server(port=0, tags=["a", 1])
    assert [(path, rule) for path, rule, _ in raised.value.problems] == [
        ("host", "missing"),
        ("port", "greater_than_equal"),
        ("tags.1", "string_type"),
    ]
    assert all(text in str(raised.value) for _, _, text in raised.value.problems)


def test_an_invalid_block_is_a_value_error():
    with pytest.raises(ValueError, match="host"):
        Server()


def test_an_error_survives_pickling_with_its_facts():
    import pickle

    with pytest.raises(InvalidBlock) as raised:
        Server()
    again = pickle.loads(pickle.dumps(raised.value))
    assert (str(again), again.problems) == (str(raised.value), raised.value.problems)


def test_a_default_is_validated_so_that_a_secret_is_one():
    class Careless(Block):
        __block__ = BlockType(slug="values-careless")
        password: SecretStr = "abc"

    assert isinstance(Careless().password, SecretStr)


def test_a_model_that_is_no_block_can_hold_one():
    class Holder(BaseModel):
        server: Server

    assert Holder(server=Server(host="a")).server.host == "a"


def test_copying_keeps_equality():
    server = Server(host="a", password="x")
    assert copy.copy(server) == server
    assert copy.deepcopy(server) == server


# Types and kinds


@pytest.mark.parametrize("slug", ["", "A", "a_b", "a--b", "-a", "a-", "1a", "x" * 65, "é", "a b"])
def test_a_bad_slug_is_refused_where_it_is_written(slug):
    with pytest.raises(InvalidName, match="slug"):
        BlockType(slug=slug)


@pytest.mark.parametrize("slug", ["a", "a1", "postgres-database", "x" * 64])
def test_a_good_slug_is_kept(slug):
    assert BlockType(slug=slug).slug == slug


def test_a_title_is_made_from_the_slug_if_there_is_none():
    assert BlockType(slug="my-block").title == "My block"
    assert BlockType(slug="my-block", title="Mine").title == "Mine"


def test_a_block_type_is_not_inherited():
    class Child(Server):
        pass

    assert type_of(Server).slug == "values-server"
    with pytest.raises(InvalidBlockType, match="Child"):
        type_of(Child)
    with pytest.raises(InvalidBlockType, match="Child"):
        Child(host="a").save("x")


def test_kinds_are_listed_nearest_first():
    class Special(Database):
        __kind__ = "Special"

    class Both(Special, Credentials):
        pass

    assert kinds_of(Both) == ("Special", "Database", "Credentials")
    assert kinds_of(Server) == ()


def test_a_block_lacking_a_required_method_of_its_kind_cannot_be_built():
    class Half(Credentials):
        __block__ = BlockType(slug="values-half")

    with pytest.raises(TypeError, match="client"):
        Half()
