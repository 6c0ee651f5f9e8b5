"""Block classes that cannot work are refused where they are written, in words; unusual ones that can, do."""

import warnings
from datetime import date
from enum import Enum, IntEnum
from typing import Generic, Literal, TypeVar

import pytest
from pydantic import BaseModel

from typecase.blocks import Block, BlockType, Database
from typecase.blocks.errors import InvalidBlockType
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.schema import definition_of

T = TypeVar("T")


class Opaque:
    """A class that JSON cannot express."""


class Early(Block):
    __block__ = BlockType(slug="clumsy-early")

    part: "Part | None" = None


class Part(BaseModel):
    size: int = 1


class Box(Block, Generic[T]):
    content: T


class NumberBox(Box[int]):
    __block__ = BlockType(slug="clumsy-number-box")


@pytest.mark.parametrize("name", ["load", "save", "delete", "check", "aload"])
@pytest.mark.filterwarnings("ignore:Field name .* shadows an attribute")
def test_a_field_named_like_a_method_is_refused(name):
    with pytest.raises(InvalidBlockType, match=f"the field '{name}' hides the method Block.{name}"):
        type("Hiding", (Block,), {"__module__": __name__, "__annotations__": {name: str}, name: "x"})


@pytest.mark.filterwarnings("ignore:Field name .* shadows an attribute")
def test_a_field_named_like_a_method_of_its_kind_is_refused():
    with pytest.raises(InvalidBlockType, match=r"hides the method Database\.execute"):
        type("Hiding", (Database,), {"__module__": __name__, "__annotations__": {"execute": str}, "execute": "x"})


def test_a_field_may_have_a_name_that_pydantic_gave_up():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        named = type(
            "Named", (Block,), {"__module__": __name__, "__annotations__": {"schema": str}, "schema": "public"}
        )
    assert named().schema == "public"


def test_a_type_that_json_cannot_express_is_named():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")

        class Holder(Block):
            model_config = {"arbitrary_types_allowed": True}
            __block__ = BlockType(slug="clumsy-holder")

            inside: Opaque | None = None

    with pytest.raises(InvalidBlockType, match=r"Holder has no JSON Schema: .*Opaque"):
        definition_of(Holder)


def test_a_reference_to_a_class_that_is_nowhere_is_named():
    class Lost(Block):
        __block__ = BlockType(slug="clumsy-lost")

        part: "Nowhere"  # noqa: F821  that it is undefined is what is tested

    with pytest.raises(InvalidBlockType, match=r"Lost has no JSON Schema: .*Nowhere"):
        definition_of(Lost)


def test_a_class_may_name_one_that_is_defined_after_it():
    registry = MemoryRegistry()
    Early(part=Part(size=3)).save("early", registry=registry)
    assert Early.load("early", registry=registry).part == Part(size=3)


def test_a_generic_block_is_saved_through_a_class_that_settles_its_type():
    registry = MemoryRegistry()
    NumberBox(content=3).save("box", registry=registry)
    assert NumberBox.load("box", registry=registry).content == 3


def test_a_generic_block_itself_is_no_type():
    with pytest.raises(InvalidBlockType, match="is not a block type"):
        Box[int](content=1).save("box", registry=MemoryRegistry())


class Level(Enum):
    LOW = 1


class Size(IntEnum):
    SMALL = 1


class Color(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (Level, "the enum Level, whose values are not all texts,"),
        (Literal[1, "one"], "literals that are not all texts"),
        (int | None, "None"),
        (tuple[int, int], "tuples"),
        (frozenset[int], "sets"),
    ],
)
def test_keys_of_a_dict_that_would_not_come_back_are_refused(keys, words):
    class Keyed(Block):
        __block__ = BlockType(slug="clumsy-keyed")
        nested: list[dict[keys, str]] = []

    with pytest.raises(InvalidBlockType, match=f"Keyed has no JSON Schema: a dict has {words} as keys.*enum of texts"):
        Keyed().save("keyed", registry=MemoryRegistry())


def test_keys_of_a_type_that_is_used_twice_are_refused_too():
    class Keyed(Block):
        __block__ = BlockType(slug="clumsy-keyed")
        level: Level
        items: dict[Level, str]
        more: dict[Level, int]

    with pytest.raises(InvalidBlockType, match="the enum Level"):
        definition_of(Keyed)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (Size, Size.SMALL),
        (Color, Color.RED),
        (Literal["one"], "one"),
        (int, 1),
        (bool, True),
        (date, date(2026, 1, 31)),
    ],
)
def test_keys_of_a_dict_come_back_as_they_were(keys, value):
    class Keyed(Block):
        __block__ = BlockType(slug="clumsy-keyed")
        items: dict[keys, str]

    registry = MemoryRegistry()
    Keyed(items={value: "x"}).save("keyed", registry=registry)
    ((key, _),) = Keyed.load("keyed", registry=registry).items.items()
    assert (key, type(key)) == (value, type(value))
