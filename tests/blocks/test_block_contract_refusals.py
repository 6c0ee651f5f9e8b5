"""The conformance kit finds what it is for: each fault fails the test that is named after it."""

import inspect

import pytest

from typecase.blocks.testing import RegistryContract

FAULTS = '''
from typing import Any, ClassVar
from pydantic import BaseModel, SecretStr, field_serializer, model_validator
from typecase.blocks import Block, BlockType, field
from typecase.blocks.testing import BlockContract

SECRET = SecretStr("a-secret-of-some-length")

class Sound(Block):
    """A block without a fault."""
    __block__ = BlockType(slug="sound", icon="x")
    token: SecretStr = field(help="A token")

class TestSound(BlockContract):
    block = Sound(token=SECRET)

class Bare(Block):
    """A block that says too little."""
    __block__ = BlockType(slug="bare")
    token: SecretStr

class TestBare(BlockContract):
    block = Bare(token=SECRET)

class Chatty(Block):
    """A block that shows its secret."""
    __block__ = BlockType(slug="chatty", icon="x")
    token: SecretStr = field(help="A token")
    def __str__(self):
        return self.token.get_secret_value()

class TestChatty(BlockContract):
    block = Chatty(token=SECRET)

class Lossy(Block):
    """A block that comes back as another."""
    __block__ = BlockType(slug="lossy", icon="x")
    name: str = field(help="A name")
    @field_serializer("name")
    def shorten(self, value: str) -> str:
        return value[:1]

class TestLossy(BlockContract):
    block = Lossy(name="long")

class Online(Block):
    """A block that looks names up while it is validated."""
    __block__ = BlockType(slug="online", icon="x")
    host: str = field(help="A host")
    @model_validator(mode="after")
    def look_up(self):
        import socket
        socket.getaddrinfo(self.host, None)
        return self

class TestOnline(BlockContract):
    block = Online(host="localhost")

class Undeclared(Block):
    """A block without a type."""

class TestUndeclared(BlockContract):
    block = Undeclared()

class TestEmpty(BlockContract):
    block = Sound.model_construct(token=None)
'''


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """The tests that fail for the faulty blocks, by class."""
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("faults")
    (folder / "test_faults.py").write_text(FAULTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no", "-rfE", "test_faults.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    found = {}
    for line in done.stdout.splitlines():
        if line.startswith(("FAILED", "ERROR")):
            _, owner, name = line.split(" - ")[0].split("::")
            found.setdefault(owner, set()).add(name)
    assert found, done.stdout + done.stderr
    return found


def test_a_sound_block_passes(failed):
    assert "TestSound" not in failed


def test_a_block_that_says_too_little_fails(failed):
    assert failed["TestBare"] == {
        "test_it_has_a_title_an_icon_and_a_description",
        "test_every_field_has_help",
    }


def test_a_block_that_shows_its_secret_fails(failed):
    assert failed["TestChatty"] == {"test_no_text_form_shows_a_secret", "test_a_log_record_shows_no_secret"}


def test_a_block_that_does_not_survive_saving_fails(failed):
    assert "test_it_comes_back_from_a_registry_as_it_was_saved" in failed["TestLossy"]


def test_a_block_that_uses_the_network_fails(failed):
    assert failed["TestOnline"] == {"test_it_is_built_and_described_without_a_network"}


def test_a_block_without_a_type_fails(failed):
    assert "test_it_declares_its_type" in failed["TestUndeclared"]


def test_a_sample_without_secrets_fails_where_its_type_has_some(failed):
    assert "test_the_sample_holds_a_secret_if_its_type_can" in failed["TestEmpty"]


def test_no_part_of_the_registry_contract_hides_a_test_of_another():
    parts = [part for part in RegistryContract.__mro__ if part.__module__.startswith("typecase.blocks.testing")]
    names = [name for part in parts for name, _ in inspect.getmembers(part) if name in vars(part)]
    tests = [name for name in names if name.startswith("test_")]
    assert len(tests) == len(set(tests)) > 60
