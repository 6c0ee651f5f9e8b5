"""Pydantic models that evolve: what the old one wrote, the new one reads, whenever the checker says so.

TYPECASE_TEST_PROFILE=long tries 10,000 pairs of models instead of 200.
"""

import os
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from ipaddress import IPv4Address
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, Union
from uuid import UUID

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, ValidationError, create_model

from typecase.blocks.compatibility import Rule, check_compatibility
from typecase.blocks.schema import BlockSchema, canonical

LONG = os.environ.get("TYPECASE_TEST_PROFILE") == "long"
EXAMPLES = 10_000 if LONG else 200
FIELDS = ("host", "port", "user", "extra")
NUMBER = count()


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(Enum):
    LOW = 1
    HIGH = 2


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["dog"]
    name: str | None = None


class Bird(BaseModel):
    kind: Literal["bird", "parrot"]


class Tree(BaseModel):
    size: int = 0
    below: list["Tree"] = []


# No Decimal: pydantic's schema of it is a number or any string at all, so no schema tells what it reads.
LEAVES = {
    "int": (int, (0, 3, -7)),
    "positive": (Annotated[int, Field(ge=1)], (1, 4)),
    "port": (Annotated[int, Field(gt=0, lt=65536)], (1, 65535)),
    "even": (Annotated[int, Field(multiple_of=2)], (0, 4)),
    "float": (float, (0.0, 1.5, 2.0)),
    "str": (str, ("", "abc")),
    "short": (Annotated[str, Field(max_length=3)], ("", "abc")),
    "word": (Annotated[str, Field(pattern="^[a-z]+$")], ("abc",)),
    "bool": (bool, (True, False)),
    "none": (None, (None,)),
    "literal": (Literal["abc", "red"], ("abc", "red")),
    "literal one": (Literal[1], (1,)),
    "colour": (Colour, tuple(Colour)),
    "level": (Level, tuple(Level)),
    "date": (date, (date(2024, 1, 2),)),
    "datetime": (datetime, (datetime(2024, 1, 2, tzinfo=UTC),)),
    "duration": (timedelta, (timedelta(seconds=5),)),
    "uuid": (UUID, (UUID(int=7),)),
    "path": (Path, (Path("a/b"),)),
    "address": (IPv4Address, (IPv4Address("10.0.0.1"),)),
    "secret": (SecretStr, (SecretStr("abc"),)),
    "json": (JsonValue, (1, "abc", [None], {"a": {}})),
    "any": (Any, (1, "abc", None)),
    "cat": (Cat, (Cat(), Cat(lives=1))),
    "dog": (Dog, (Dog(kind="dog"),)),
    "tree": (Tree, (Tree(below=[Tree(size=1)]),)),
    "pet": (Annotated[Cat | Dog, Field(discriminator="kind")], (Cat(), Dog(kind="dog", name="x"))),
    "pets": (Annotated[Cat | Dog | Bird, Field(discriminator="kind")], (Cat(), Bird(kind="parrot"))),
}

WIDER = {
    "positive": "int",
    "port": "positive",
    "even": "int",
    "int": "float",
    "short": "str",
    "word": "str",
    "literal": "str",
    "literal one": "level",
    "pet": "pets",
    "uuid": "str",
}


class Shapes:
    """Makes types with values that they hold, and models of them."""

    def __init__(self, random):
        self.random = random

    def shape(self, depth=2):
        """Return (type, values)."""
        if depth == 0 or self.random.random() < 0.55:
            return LEAVES[self.random.choice(sorted(LEAVES))]
        if self.random.random() < 0.2:
            return self.model_of(self.fields(depth - 1))
        inner, values = self.shape(depth - 1)
        other, others = self.shape(0)
        optional = Optional[inner]  # noqa: UP045  None and forms of typing have no |
        return self.random.choice(
            [
                (list[inner], ([], list(values[:2]))),
                (Annotated[list[inner], Field(min_length=1, max_length=3)], ([values[0]],)),
                (dict[str, inner], ({}, {"a": values[-1]})),
                (dict[Colour, inner], ({}, {Colour.RED: values[0]})),
                (dict[Annotated[str, Field(pattern="^x")], inner], ({"x1": values[0]},)),
                (tuple[inner, other], ((values[0], others[0]),)),
                (optional, (None, *values)),
                (optional, (None, *values)),
            ]
        )

    def fields(self, depth=2):
        """Return name: (type, values, whether required)."""
        names = self.random.sample(FIELDS, self.random.randrange(1, 4))
        return {name: (*self.shape(depth), self.random.random() < 0.5) for name in names}

    def changed(self, fields):
        fields = dict(fields)
        for _ in range(self.random.randrange(1, 3)):
            pick = self.random.randrange(6)
            name = self.random.choice(FIELDS)
            if name not in fields or pick == 0:
                fields[name] = (*self.shape(), self.random.random() < 0.2)
            elif pick == 1 and len(fields) > 1:
                del fields[name]
            elif pick == 2:
                kind, values, required = fields[name]
                fields[name] = (kind, values, not required)
            elif pick == 3:
                kind, values, required = fields[name]
                either = Union[kind, self.shape(0)[0]]  # noqa: UP007  as above
                fields[name] = (either, values, required)
            elif pick == 4:
                small = next((leaf for leaf in WIDER if LEAVES[leaf][0] is fields[name][0]), "uuid")
                fields[name] = (*LEAVES[WIDER[small]], fields[name][2])
            else:
                fields[name] = (*self.shape(), fields[name][2])
        return fields

    def model_of(self, fields):
        config = ConfigDict(extra=self.random.choice(("ignore", "ignore", "forbid")))
        model = create_model(
            f"Model{next(NUMBER)}",
            __config__=config,
            **{name: (kind, ... if required else values[0]) for name, (kind, values, required) in fields.items()},
        )
        values = [
            model.model_construct(**{name: self.random.choice(held) for name, (_, held, _) in fields.items()})
            for _ in range(3)
        ]
        return model, tuple(values)


def clear(value):
    """The value with secrets in clear, as a document has it once decrypted."""
    if isinstance(value, BaseModel):
        return {name: clear(item) for name, item in value if name in type(value).model_fields}
    if isinstance(value, dict):
        return {(key.value if isinstance(key, Enum) else key): clear(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clear(item) for item in value]
    return value.get_secret_value() if isinstance(value, SecretStr) else value


class Document(BaseModel):
    data: Any


@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=True))
def test_a_class_reads_what_an_earlier_one_wrote_when_they_are_called_compatible(random):
    shapes = Shapes(random)
    fields = shapes.fields()
    old, values = shapes.model_of(fields)
    new, _ = shapes.model_of(shapes.changed(fields))
    differences = check_compatibility(schema_of(old), schema_of(new))
    event(f"compatible: {not differences}")
    event(f"undecidable: {any(difference.rule is Rule.UNDECIDABLE for difference in differences)}")
    if not differences:
        for value in values:
            text = Document(data=clear(value)).model_dump_json().removeprefix('{"data":').removesuffix("}")
            try:
                new.__pydantic_validator__.validate_json(text, extra="ignore", by_name=True)
            except ValidationError as error:
                pytest.fail(f"{schema_of(old)}\n{schema_of(new)}\n{text}\n{error}")


def schema_of(model):
    return canonical(model.model_json_schema(by_alias=False, schema_generator=BlockSchema))


@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=True))
def test_whatever_pydantic_emits_is_compatible_with_itself_and_with_a_further_optional_field(random):
    shapes = Shapes(random)
    fields = shapes.fields()
    old, _ = shapes.model_of(fields)
    new, _ = shapes.model_of({**fields, "added": (int | None, (None,), False)})
    for direction in ("backward", "forward"):
        assert check_compatibility(schema_of(old), schema_of(new), direction=direction) == ()
    assert check_compatibility(schema_of(old), schema_of(old), policy="strict") == ()
