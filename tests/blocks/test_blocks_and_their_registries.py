"""A block remembers which registry it belongs to, and a document who wrote it."""

import getpass
import io

import pytest
from pydantic import SecretStr
from rich.console import Console
from rich.traceback import Traceback

from typecase.blocks import Block, BlockType, Database, current_registry, use_registry
from typecase.blocks.errors import DuplicateBlockType, InvalidBlock, RevisionConflict
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.schema import definition_of
from typecase.blocks.storing import in_thread


class Station(Block):
    __block__ = BlockType(slug="places-station")

    city: str
    token: SecretStr = SecretStr("station-token")


class Report(Block):
    __block__ = BlockType(slug="places-report")

    source: Database | None = None


def test_a_block_of_one_registry_is_new_to_another():
    first, second = MemoryRegistry(), MemoryRegistry()
    Station(city="Oslo").save("main", registry=first)
    station = Block.load("main", registry=first)
    assert station.save("main", registry=second).number == 1


def test_a_block_of_one_registry_does_not_pass_for_the_other_s_document_of_that_name():
    first, second = MemoryRegistry(), MemoryRegistry()
    Station(city="Oslo").save("main", registry=first)
    Station(city="Bergen").save("main", registry=second)
    Station(city="Bodø").save("main", registry=second, overwrite=True)
    Block.load("main", registry=first).save("main", registry=second, overwrite=True)
    assert Station.load("main", registry=second).city == "Oslo"


def test_a_block_of_the_same_registry_cannot_undo_a_change_it_never_saw():
    registry = MemoryRegistry()
    Station(city="Oslo").save("main", registry=registry)
    stale = Station.load("main", registry=registry)
    Station(city="Bergen").save("main", registry=registry, overwrite=True)
    with pytest.raises(RevisionConflict):
        stale.model_copy(update={"city": "Bodø"}).save("main", registry=registry, overwrite=True)


def test_history_names_the_author():
    registry = MemoryRegistry()
    Station(city="Oslo").save("main", registry=registry)
    assert registry.documents.history("main", workspace="default").items[0].author == getpass.getuser()


def test_a_plain_dict_where_a_kind_is_needed_is_refused():
    with pytest.raises(InvalidBlock, match="source: a block of kind Database is needed"):
        Report(source={})


async def test_an_error_in_a_worker_thread_shows_no_argument(canary, assert_no_canary):
    def fail(_: str) -> None:
        message = "no"
        raise ValueError(message)

    try:
        await in_thread(fail, canary)
    except ValueError as error:
        trace = error.__traceback__.tb_next
        text = io.StringIO()
        Console(file=text, width=400).print(Traceback.from_exception(ValueError, error, trace, show_locals=True))
    frames = text.getvalue().split("in fail")[0]
    assert_no_canary(frames, secret=canary)


def test_local_code_cannot_take_a_type_from_its_package():
    registry = MemoryRegistry()
    local = definition_of(Station)
    registry.types.register(_in_package(local, "acme-blocks"))
    with pytest.raises(DuplicateBlockType):
        registry.types.register(local)


def test_a_changed_typecase_home_is_followed(monkeypatch, tmp_path):
    monkeypatch.setenv("TYPECASE_HOME", str(tmp_path / "one"))
    first = current_registry()
    monkeypatch.setenv("TYPECASE_HOME", str(tmp_path / "two"))
    assert current_registry().url != first.url


def test_the_registry_chosen_for_a_block_of_code_wins():
    with use_registry(MemoryRegistry()) as chosen:
        assert current_registry() is chosen


def _in_package(definition, package):
    from dataclasses import replace

    return replace(definition, package=package, package_version="1.0")
