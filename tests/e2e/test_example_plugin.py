"""The example plugin, installed on its own: found, saved, loaded, and held to the contract in five lines."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PLUGIN = Path(__file__).resolve().parents[2] / "docs/examples/plugin"

CONFORMANCE = """
from pydantic import SecretStr
from typecase.blocks.testing import BlockContract
from typecase_example import WeatherStation
class TestWeatherStation(BlockContract):
    block = WeatherStation(station="KSFO", api_key=SecretStr("a secret of some length"))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with nothing in it but the plugin, as an installer puts it there from its wheel."""
    folder = tmp_path_factory.mktemp("plugin")
    source = folder / "source"
    shutil.copytree(PLUGIN, source, ignore=shutil.ignore_patterns("__pycache__"))
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    environment = dict(os.environ)
    if "PIP_CERT" in environment:
        environment.setdefault("SSL_CERT_FILE", environment["PIP_CERT"])
    command = [uv, "pip", "install", "--quiet", "--no-deps", "--no-sources", "--python", sys.executable]
    done = subprocess.run(
        [*command, "--target", str(folder / "site"), str(source)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture
def run(installed, home):
    """Runs Python where the plugin is installed; returns what it printed."""

    def run(*arguments):
        environment = {**os.environ, "PYTHONPATH": str(installed)}
        command = [sys.executable, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_plugin_is_two_files():
    files = {path.name for path in PLUGIN.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert files == {"pyproject.toml", "typecase_example.py"}


def test_it_is_found_without_being_imported(run):
    script = """
        import sys
        from typecase.blocks.catalog import CATALOG
        (entry,) = [entry for entry in CATALOG if entry.slug == "weather-station"]
        print(entry.package, entry.package_version, entry.target, "typecase_example" in sys.modules)
    """
    assert run("-c", textwrap.dedent(script)).split() == [
        "typecase-example",
        "0.1.0",
        "typecase_example:WeatherStation",
        "False",
    ]


def test_it_is_saved_in_one_process_and_loaded_in_another(run):
    save = """
        from pydantic import SecretStr
        from typecase_example import WeatherStation
        print(WeatherStation(station="KSFO", api_key=SecretStr("a key")).save("airport").number)
    """
    load = """
        from typecase.blocks import Block
        block = Block.load("airport")
        print(type(block).__module__, block.station, block.api_key.get_secret_value())
    """
    assert run("-c", textwrap.dedent(save)).split() == ["1"]
    assert run("-c", textwrap.dedent(load)).split() == ["typecase_example", "KSFO", "a", "key"]


def test_without_it_the_error_says_what_to_install(run):
    run(
        "-c",
        "from typecase_example import WeatherStation; from pydantic import SecretStr;"
        "WeatherStation(station='KSFO', api_key=SecretStr('k')).save('airport')",
    )
    from typecase.blocks import Block
    from typecase.blocks.errors import BlockTypeNotFound

    with pytest.raises(BlockTypeNotFound, match="pip install typecase-example"):
        Block.load("airport")


def test_it_keeps_the_contract_of_blocks_in_five_lines(run, tmp_path):
    assert len(CONFORMANCE.strip().splitlines()) == 5
    (tmp_path / "test_weather.py").write_text(CONFORMANCE)
    out = run(
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        "-W",
        "error",
        str(tmp_path / "test_weather.py"),
    )
    assert " passed" in out
    assert "failed" not in out
