"""The memory registry as users' own tests have it."""

import subprocess
import sys

import pytest

from typecase.blocks import Block, BlockType, current_registry, open_registry, use_registry
from typecase.blocks.errors import DocumentNotFound, SettingsError
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.testing import memory_registry

__all__ = ["memory_registry"]


class Note(Block):
    __block__ = BlockType(slug="memory-note")

    text: str = ""


def test_the_fixture_is_the_current_registry(memory_registry):
    assert current_registry() is memory_registry
    Note(text="a").save("note")
    assert Note.load("note", registry=memory_registry) == Note(text="a")


def test_the_fixture_is_empty_each_time(memory_registry):
    with pytest.raises(DocumentNotFound):
        Note.load("note")


def test_the_fixture_is_a_plugin_for_pytest(tmp_path):
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["typecase.blocks.testing.fixtures"]')
    (tmp_path / "test_it.py").write_text(
        "from typecase.blocks import current_registry\n"
        "def test_it(memory_registry):\n    assert current_registry() is memory_registry\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "1 passed" in done.stdout, done.stdout


def test_without_pytest_the_kit_says_what_it_needs():
    script = "import sys; sys.modules['pytest'] = None; import typecase.blocks.testing"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "MissingPackage: typecase.blocks.testing needs pytest" in done.stderr
    assert "pip install pytest" in done.stderr


def test_using_a_registry_ends_with_the_block_even_after_an_error(memory_registry):
    with pytest.raises(KeyError), use_registry(MemoryRegistry()):
        raise KeyError
    assert current_registry() is memory_registry


def test_registries_are_opened_by_url():
    assert isinstance(open_registry("memory:"), MemoryRegistry)
    assert open_registry("memory:") is not open_registry("memory:")


def test_the_registry_of_the_settings_is_opened_once_per_process(monkeypatch):
    monkeypatch.setenv("TYPECASE_URL", "memory://first")
    first = current_registry()
    assert current_registry() is first
    monkeypatch.setenv("TYPECASE_URL", "memory://second")
    assert current_registry() is not first


def test_an_unknown_scheme_names_the_known_ones():
    with pytest.raises(SettingsError, match="memory, postgresql, sqlite"):
        open_registry("mongodb://ada:s3cret-value@host/db")


def test_an_unknown_scheme_does_not_show_the_url():
    with pytest.raises(SettingsError) as raised:
        open_registry("mongodb://ada:s3cret-value@host/db")
    assert "s3cret" not in f"{raised.value} {vars(raised.value)}"
