"""The kit for authors: every stored version of a type, as JSON files, is read by the class of today."""

import json

import pytest
from pydantic import SecretStr

from typecase.blocks import Block, BlockType, migration
from typecase.blocks.errors import InvalidBlock, MigrationFailed
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.testing import MigrationContract, assert_migrations, load_versions, write_version


class Lamp(Block):
    """A lamp."""

    __block__ = BlockType(slug="kit-lamp", aliases=("kit-candle",))

    watts: int
    key: SecretStr = SecretStr("")

    @migration(from_version=1)
    @staticmethod
    def count_watts(data):
        return {"watts": int(data["power"].removesuffix("W"))}

    @migration(from_version=1, slug="kit-candle")
    @staticmethod
    def light(data):
        return {"power": f"{data['flames']}W"}


@pytest.fixture
def versions(tmp_path):
    def write(**files):
        for name, data in files.items():
            path = tmp_path / f"{name.replace('__', '/').replace('_', '-')}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(data))
        return tmp_path

    return write


def test_every_version_is_read_also_those_of_an_alias(versions):
    folder = versions(version_1={"power": "40W"}, version_2={"watts": 60}, kit_candle__version_1={"flames": 3})
    found = load_versions(Lamp, folder)
    assert {place: block.watts for place, block in found.items()} == {
        "version-1.json": 40,
        "version-2.json": 60,
        "kit-candle/version-1.json": 3,
    }
    assert_migrations(Lamp, folder)


def test_versions_are_in_the_order_of_their_numbers(versions):
    folder = versions(version_10={"watts": 1}, version_9={"watts": 1}, version_1={"power": "1W"})
    assert list(load_versions(Lamp, folder)) == ["version-1.json", "version-9.json", "version-10.json"]


def test_a_version_that_is_not_read_fails(versions):
    with pytest.raises(InvalidBlock, match="watts"):
        assert_migrations(Lamp, versions(version_2={"light": "bright"}))
    with pytest.raises(MigrationFailed, match="count_watts"):
        assert_migrations(Lamp, versions(version_1={"light": "bright"}))


def test_a_migration_without_an_example_fails(versions):
    with pytest.raises(AssertionError, match=r"light.*kit-candle/version-1\.json is missing"):
        assert_migrations(Lamp, versions(version_1={"power": "1W"}))


def test_a_folder_without_versions_fails(tmp_path):
    with pytest.raises(FileNotFoundError, match="write_version"):
        assert_migrations(Lamp, tmp_path)


def test_the_version_of_today_is_written_as_a_registry_would_store_it(tmp_path):
    path = write_version(Lamp(watts=5, key=SecretStr("made-up")), tmp_path / "new", version=2)
    assert (path.name, json.loads(path.read_text())) == ("version-2.json", {"watts": 5, "key": "made-up"})
    assert load_versions(Lamp, path.parent)["version-2.json"] == Lamp(watts=5, key=SecretStr("made-up"))


def test_a_written_version_stays_as_it_is(tmp_path):
    write_version(Lamp(watts=5), tmp_path, version=2)
    write_version(Lamp(watts=5), tmp_path, version=2)
    with pytest.raises(FileExistsError, match="next version"):
        write_version(Lamp(watts=6), tmp_path, version=2)


def test_a_block_that_refers_to_a_saved_one_is_no_example(tmp_path):
    class Room(Block):
        __block__ = BlockType(slug="kit-room")
        lamp: Block

    lamp = Lamp(watts=1)
    lamp.save("lamp", registry=MemoryRegistry())
    with pytest.raises(InvalidBlock, match="refers to a saved block"):
        write_version(Room(lamp=lamp), tmp_path, version=1)


class TestLampVersions(MigrationContract):
    block = Lamp

    @pytest.fixture(autouse=True)
    def folder(self, versions):
        type(self).versions = versions(
            version_1={"power": "40W"}, version_2={"watts": 60, "key": "x"}, kit_candle__version_1={"flames": 3}
        )


def test_the_contract_notices_that_the_class_changed_since_the_newest_example(versions):
    contract = TestLampVersions()
    TestLampVersions.versions = versions(version_1={"power": "40W"}, version_2={"watts": 60})
    with pytest.raises(AssertionError, match="version-2"):
        contract.test_the_newest_version_needs_no_migration()


def test_a_migration_that_does_not_leave_newer_data_alone_fails(versions):
    class Bulb(Block):
        __block__ = BlockType(slug="kit-bulb")
        lumen: int

        @migration(from_version=1)
        @staticmethod
        def measure(data):
            return {"watts": int(data["power"])}

        @migration(from_version=2)
        @staticmethod
        def convert(data):
            return {"lumen": data["watts"] * 10}

    class CarefulBulb(Bulb):
        __block__ = BlockType(slug="kit-bulb")

        @migration(from_version=1)
        @staticmethod
        def measure(data):
            return {"watts": int(data["power"])} if "power" in data else data

        @migration(from_version=2)
        @staticmethod
        def convert(data):
            return {"lumen": data["watts"] * 10}

    folder = versions(version_1={"power": "4"}, version_2={"watts": 4}, version_3={"lumen": 40})
    assert_migrations(CarefulBulb, folder)
    with pytest.raises(AssertionError, match=r"version-2\.json is not read where a registry calls it version 1"):
        assert_migrations(Bulb, folder)
