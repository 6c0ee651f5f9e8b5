"""Whatever a block's fields may hold comes back from a registry as it was saved.

TYPECASE_TEST_PROFILE=long tries 10,000 block classes instead of a few hundred.
"""

import os
import string
from collections import deque
from dataclasses import make_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import ConfigDict, JsonValue, Secret, SecretBytes, SecretStr, create_model

from typecase.blocks import Block, BlockType
from typecase.blocks.kinds import Credentials
from typecase.blocks.memory import MemoryRegistry
from typecase.registry.embedded import EmbeddedRegistry

LONG = os.environ.get("TYPECASE_TEST_PROFILE") == "long"
IN_MEMORY = 10_000 if LONG else 200
EMBEDDED = 500 if LONG else 25

# Shrinking makes thousands of classes, and a failing example is small enough to read.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)

MARK = "s3cr3t"
MARK_IN_BASE64 = "czNjcjN0"
NUMBER = count()


class Colour(Enum):
    RED = "$red"
    BLUE = 2


class Size(StrEnum):
    SMALL = "$small"
    LARGE = "large"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Account(Credentials):
    """A block of a kind, to stand in fields of that kind."""

    __block__ = BlockType(slug="roundtrip-account")

    user: str = ""
    password: SecretStr | None = None

    def client(self):
        return self.user


class Other(Credentials):
    """Another block of the same kind with the same fields."""

    __block__ = BlockType(slug="roundtrip-other")

    user: str = ""
    password: SecretStr | None = None

    def client(self):
        return self.user


zones = st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-8))])
plain_keys = st.text(max_size=5) | st.sampled_from(["$block", "$type", "$version", "$secret", "$", "$$", "$$block"])
secret_text = st.text(max_size=8).map(MARK.__add__)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain_keys, inner, max_size=3),
    max_leaves=6,
)

HASHABLE = [
    (str, st.text(max_size=8)),
    (int, st.integers()),
    (bool, st.booleans()),
    (bytes, st.binary(max_size=8)),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (UUID, st.uuids()),
    (Path, st.text(string.ascii_letters + "/.é ", min_size=1, max_size=8).map(Path)),
    (PurePosixPath, st.just(PurePosixPath("/a/$b"))),
    (Colour, st.sampled_from(Colour)),
    (Size, st.sampled_from(Size)),
    (Level, st.sampled_from(Level)),
    (Literal["$a", 1], st.sampled_from(["$a", 1])),
]
LEAVES = [
    *HASHABLE,
    (float, st.floats(allow_nan=False)),
    (datetime, st.datetimes(timezones=zones)),
    (date, st.dates()),
    (time, st.times()),
    (timedelta, st.timedeltas(timedelta(days=-9999), timedelta(days=9999))),
    (JsonValue, json_values),
    (dict[str, Any], st.dictionaries(plain_keys, json_values, max_size=3)),
]
SECRETS = [
    (SecretStr, secret_text.map(SecretStr)),
    (SecretBytes, st.binary(max_size=6).map(lambda raw: SecretBytes(MARK.encode() + raw))),
    (Secret[int], st.integers().map(Secret[int])),
    (
        Secret[dict[str, list[str]]],
        st.dictionaries(plain_keys, st.lists(secret_text, max_size=2), max_size=2).map(Secret[dict[str, list[str]]]),
    ),
]


def leaf(draw):
    return draw(st.sampled_from([*LEAVES, *SECRETS, *SECRETS]))


def in_container(draw, depth, registry):
    inner, values = kind(draw, depth - 1, registry)
    key, keys = draw(
        st.sampled_from([(str, plain_keys), *HASHABLE[:2], (Size, st.sampled_from(Size)), (UUID, st.uuids())])
    )
    hashable, members = draw(st.sampled_from([*HASHABLE, (SecretStr, secret_text.map(SecretStr))]))
    return draw(
        st.sampled_from(
            [
                (list[inner], st.lists(values, max_size=3)),
                (deque[inner], st.lists(values, max_size=3).map(deque)),
                (tuple[inner, ...], st.lists(values, max_size=3).map(tuple)),
                (tuple[inner, hashable], st.tuples(values, members)),
                (dict[key, inner], st.dictionaries(keys, values, max_size=3)),
                (set[hashable], st.sets(members, max_size=3)),
                (frozenset[hashable], st.frozensets(members, max_size=3)),
                (inner | None, st.none() | values),
            ]
        )
    )


def in_union(draw, depth, registry):
    """Alternatives that differ in JSON: what is equal there cannot be told apart by anybody."""
    return draw(
        st.sampled_from(
            [
                (int | str | None, st.integers() | st.text(max_size=5) | st.none()),
                (int | SecretStr, st.integers() | secret_text.map(SecretStr)),
                (list[SecretStr] | SecretStr, st.lists(secret_text.map(SecretStr)) | secret_text.map(SecretStr)),
                (bool | list[int] | dict[str, SecretStr], st.booleans() | st.lists(st.integers(), max_size=2)),
            ]
        )
    )


def in_model(draw, depth, registry):
    fields = draw_fields(draw, depth - 1, registry)
    if draw(st.booleans()):
        made = make_dataclass(f"Data{next(NUMBER)}", [(name, part) for name, (part, _) in fields.items()])
    else:
        options = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
        parts = {name: (part, ...) for name, (part, _) in fields.items()}
        made = create_model(f"Model{next(NUMBER)}", __config__=options, **parts)
    return made, st.builds(made, **{name: values for name, (_, values) in fields.items()})


def in_block(draw, depth, registry):
    cls, values = block_type(draw, depth - 1, registry)
    credentials = st.builds(Account, user=st.text(max_size=3), password=secret_text) | st.builds(Other)
    part, values = draw(
        st.sampled_from([(cls, values), (Block, values | credentials), (Account | Other | cls, values | credentials)])
    )
    return part, values | values.map(lambda block: saved(block, registry))


def kind(draw, depth, registry):
    """A type for a field, and a strategy for its values."""
    if depth <= 0:
        return leaf(draw)
    make = draw(st.sampled_from([leaf, leaf, in_container, in_container, in_union, in_model, in_block]))
    return leaf(draw) if make is leaf else make(draw, depth, registry)


def draw_fields(draw, depth, registry):
    names = draw(st.lists(st.sampled_from(["alpha", "beta", "keys", "value", "items"]), max_size=4, unique=True))
    return {name: kind(draw, depth, registry) for name in names}


def block_type(draw, depth, registry):
    fields = draw_fields(draw, depth, registry)
    number = next(NUMBER)
    cls = create_model(
        f"Generated{number}", __base__=Block, **{name: (part, ...) for name, (part, _) in fields.items()}
    )
    cls.__block__ = BlockType(slug=f"generated-{number}")
    return cls, st.builds(cls, **{name: values for name, (_, values) in fields.items()})


def saved(block, registry):
    block.save(f"part-{next(NUMBER)}", registry=registry)
    return block


@st.composite
def blocks(draw, registry):
    """A block of a new class."""
    _, values = block_type(draw, 3, registry)
    return draw(values)


def check_round_trip(block, registry):
    name = f"whole-{next(NUMBER)}"
    block.save(name, registry=registry)
    loaded = Block.load(name, registry=registry)
    assert type(loaded) is type(block)
    assert loaded == block
    shown = repr(registry.documents.get(name, workspace="default"))
    assert MARK not in shown
    assert MARK_IN_BASE64 not in shown
    loaded.save(f"{name}-again", registry=registry)
    before = registry.load(name, workspace="default")
    after = registry.load(f"{name}-again", workspace="default")
    assert after.referenced == before.referenced


@given(data=st.data())
@settings(max_examples=IN_MEMORY, suppress_health_check=list(HealthCheck), deadline=None, phases=PHASES)
def test_a_block_of_any_shape_comes_back_equal(data):
    registry = MemoryRegistry()
    check_round_trip(data.draw(blocks(registry)), registry)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("roundtrip")
    registry = EmbeddedRegistry(folder / "registry.db", key=(folder / "root.key").as_uri())
    registry.init()
    yield registry
    registry.close()


@given(data=st.data())
@settings(max_examples=EMBEDDED, suppress_health_check=list(HealthCheck), deadline=None, phases=PHASES)
def test_it_comes_back_equal_from_a_file_too(embedded, data):
    check_round_trip(data.draw(blocks(embedded)), embedded)
