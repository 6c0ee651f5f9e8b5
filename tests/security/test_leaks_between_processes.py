"""Blocks cross process borders as references: the bytes hold no secret, and the other side has the real value."""

import copy
import os
import pickle
import pickletools
import subprocess
import sys
from dataclasses import dataclass

import cloudpickle
import pytest
from pydantic import BaseModel, PrivateAttr, Secret, SecretBytes, SecretStr

from typecase.blocks import Block, BlockType, use_registry
from typecase.blocks.errors import UnsavedSecrets, WrongRegistry
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.testing import memory_registry

__all__ = ["memory_registry"]

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Held(BaseModel):
    token: SecretStr


@dataclass
class HeldInDataclass:
    token: SecretStr


class Key(Block):
    __block__ = BlockType(slug="crossing-key")

    value: SecretStr


class Plain(Block):
    __block__ = BlockType(slug="crossing-plain")

    name: str = "x"
    key: Key | None = None


class Holder(Block):
    __block__ = BlockType(slug="crossing-holder")

    raw: SecretBytes | None = None
    table: Secret[dict[str, str]] | None = None
    many: list[dict[str, SecretStr]] = []
    held: Held | None = None
    pair: tuple[int, SecretStr] | None = None
    unique: frozenset[SecretStr] = frozenset()
    dataclass: HeldInDataclass | None = None
    _kept: SecretStr | None = PrivateAttr(default=None)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
def test_a_saved_block_is_a_reference_in_every_protocol(dumps, protocol, memory_registry, canary, assert_no_canary):
    key = Key(value=canary)
    key.save("mine")
    sent = dumps(key, protocol=protocol)
    assert_no_canary(sent)
    arrived = pickle.loads(sent)
    assert arrived == key
    assert arrived.value.get_secret_value() == canary


def test_a_loaded_block_inside_other_values_is_a_reference(memory_registry, canary, assert_no_canary):
    Key(value=canary).save("mine")
    sent = pickle.dumps({"task": [Key.load("mine"), 1]})
    assert_no_canary(sent)
    assert pickle.loads(sent)["task"][0].value.get_secret_value() == canary


def test_a_copy_of_a_saved_block_is_the_same_reference(memory_registry, canary, assert_no_canary):
    key = Key(value=canary)
    key.save("mine")
    for copied in (copy.copy(key), copy.deepcopy(key), key.model_copy(deep=True)):
        assert_no_canary(pickle.dumps(copied))


def test_an_unsaved_block_around_a_saved_one_carries_the_reference(memory_registry, canary, assert_no_canary):
    key = Key(value=canary)
    key.save("mine")
    sent = pickle.dumps(Plain(key=key))
    assert_no_canary(sent)
    assert pickle.loads(sent).key.value.get_secret_value() == canary


def test_the_reference_keeps_its_revision(memory_registry, canary):
    key = Key(value=canary)
    key.save("mine")
    sent = pickle.dumps(key)
    key.model_copy(update={"value": "later"}).save("mine")
    assert pickle.loads(sent).value.get_secret_value() == canary
    assert Key.load("mine").value.get_secret_value() == "later"


@pytest.mark.parametrize(
    "fields",
    [
        {"raw": b"x"},
        {"table": {"a": "b"}},
        {"many": [{"a": "b"}]},
        {"held": {"token": "x"}},
        {"pair": (1, "x")},
        {"unique": ["x"]},
        {"dataclass": {"token": "x"}},
    ],
    ids=lambda fields: next(iter(fields)),
)
@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
def test_an_unsaved_block_with_a_secret_anywhere_is_not_pickled(dumps, fields):
    with pytest.raises(UnsavedSecrets, match="Save it first"):
        dumps(Holder(**fields))


def test_a_secret_in_a_private_attribute_is_not_pickled():
    holder = Holder()
    holder._kept = SecretStr("x")
    with pytest.raises(UnsavedSecrets):
        pickle.dumps(holder)


def test_a_changed_copy_of_a_saved_block_is_unsaved(memory_registry, canary):
    key = Key(value=canary)
    key.save("mine")
    with pytest.raises(UnsavedSecrets):
        pickle.dumps(key.model_copy(update={"value": "other"}))


def test_the_refusal_shows_no_secret(canary, assert_no_canary):
    with pytest.raises(UnsavedSecrets) as raised:
        pickle.dumps(Key(value=canary))
    assert_no_canary(repr(raised.value) + repr(vars(raised.value)))


def test_a_block_without_secrets_is_pickled_as_a_value():
    assert pickle.loads(pickle.dumps(Plain(name="y"))) == Plain(name="y")


def test_a_registry_that_lacks_the_document_says_so(memory_registry, canary):
    key = Key(value=canary)
    key.save("mine")
    sent = pickle.dumps(key)
    with use_registry(MemoryRegistry()), pytest.raises(WrongRegistry, match="TYPECASE_URL"):
        pickle.loads(sent)


def test_the_pickle_names_what_it_needs_and_nothing_else(memory_registry, canary):
    Key(value=canary).save("mine")
    texts = {arg for _, arg, _ in pickletools.genops(pickle.dumps(Key.load("mine"))) if isinstance(arg, str)}
    (document,) = memory_registry.documents.list(workspace="default").items
    assert texts - {""} == {
        "typecase.blocks.storing",
        "reload",
        __name__,
        "Key",
        "typecase.blocks.stored",
        "Origin",
        document.id,
        "default",
        "mine",
    }


MAIN = """
import multiprocessing, pickle, sys
import cloudpickle
from pydantic import SecretStr
from typecase.blocks import Block, BlockType

class Mine(Block):
    __block__ = BlockType(slug="crossing-main")
    value: SecretStr

def work(block, answers):
    answers.put((type(block).__module__, block.value.get_secret_value()))

def work_on_bytes(sent, answers):
    answers.put(pickle.loads(sent)())

def run(target, argument):
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=target, args=(argument, answers))
    process.start()
    answer = answers.get(timeout=60)
    process.join(60)
    return answer

if __name__ == "__main__":
    with open("secret") as file:
        Mine(value=file.read()).save("mine")
    block = Mine.load("mine")
    sent = cloudpickle.dumps(lambda: block.value.get_secret_value())
    with open("sent", "wb") as file:
        file.write(sent + pickle.dumps(block) + cloudpickle.dumps(block))
    print(run(work, block)[1])
    print(run(work_on_bytes, sent))
    print(cloudpickle.loads(cloudpickle.dumps(block)).value.get_secret_value())
"""


def test_a_class_of_main_crosses_by_spawn_and_by_cloudpickle(home, tmp_path, canary, assert_no_canary):
    (tmp_path / "secret").write_text(canary, "utf-8")
    (tmp_path / "script.py").write_text(MAIN)
    done = subprocess.run(
        [sys.executable, "script.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    assert done.stdout.split() == [canary] * 3, done.stderr
    (tmp_path / "secret").unlink()
    assert_no_canary(tmp_path / "sent", done.stderr, home)


FAILING = """
import os
import pytest
from pydantic import SecretStr, model_validator
from typecase.blocks import Block, BlockType
from typecase.blocks.memory import MemoryRegistry

class Key(Block):
    __block__ = BlockType(slug="crossing-failing")
    value: SecretStr
    port: int = 1

    @model_validator(mode="after")
    def check(self, info):
        if info.context is not None:
            raise RuntimeError("a bug")
        if self.port == 2:
            raise ValueError(f"bad {self.value.get_secret_value()}")
        return self

@pytest.fixture
def key():
    return Key(value=os.environ["SECRET"])

def test_construction():
    Key(value=os.environ["SECRET"], port="x")

def test_after_validator():
    Key(value=os.environ["SECRET"], port=2)

def test_validation():
    Key.model_validate({"value": os.environ["SECRET"], "port": 2})

def test_json():
    Key.model_validate_json('{"value": "%s", "port": 2}' % os.environ["SECRET"])

def test_copy(key):
    key.model_copy(update={"port": 2})

def test_load(key):
    registry = MemoryRegistry()
    key.save("mine", registry=registry)
    Key.load("mine", registry=registry)

def test_save(key):
    registry = MemoryRegistry()
    key.save("mine", registry=registry)
    Key(value=os.environ["SECRET"]).save("mine", registry=registry)

def test_assertion(key):
    other = Key(value="x", port=3)
    assert key == other

def test_comparison_of_many(key):
    assert [key, {"a": key}] == [key, {"a": None}]

def test_change(key):
    key.value = os.environ["SECRET"]
"""


@pytest.mark.parametrize("style", ["--tb=long", "--full-trace"])
def test_pytest_shows_no_secret_of_a_failing_test(style, tmp_path, canary, assert_no_canary):
    (tmp_path / "test_failing.py").write_text(FAILING)
    secret = canary.replace('"', "")
    command = [sys.executable, "-m", "pytest", "-vv", "--showlocals", style, "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "test_failing.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "SECRET": secret},
    )
    assert "10 failed" in done.stdout, done.stdout + done.stderr
    assert_no_canary(done.stdout + done.stderr, secret=secret)
