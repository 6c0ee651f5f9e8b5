"""Many processes register schemas of one type at once: the rule holds for whoever comes second."""

import multiprocessing
from dataclasses import replace

import pytest

from typecase.blocks import open_registry
from typecase.blocks.errors import IncompatibleSchema
from typecase.blocks.records import TypeDefinition
from typecase.blocks.settings import reload_settings

PROCESSES = 5
CONTEXT = multiprocessing.get_context("spawn")


def definition(**properties):
    schema = {"type": "object", "properties": {name: {"type": kind} for name, kind in properties.items()}}
    return TypeDefinition(
        slug="rival",
        title="Rival",
        description="",
        icon="",
        docs="",
        kinds=(),
        package="rivals",
        package_version="1",
        schema=schema,
        form=schema,
        secret_paths=(),
        digest=repr(sorted(properties.items())).encode().hex()[-64:],
    )


def register(url, candidate, barrier, queue):
    registry = open_registry(url)
    barrier.wait(60)
    try:
        queue.put(("registered", registry.types.register(candidate).number))
    except IncompatibleSchema as error:
        queue.put(("refused", error.differences[0].version))
    finally:
        registry.close()


def race(url, candidates):
    """Register each candidate in a process of its own, all at once; return what became of them, sorted."""
    barrier, queue = CONTEXT.Barrier(len(candidates)), CONTEXT.Queue()
    processes = [CONTEXT.Process(target=register, args=(url, item, barrier, queue)) for item in candidates]
    for process in processes:
        process.start()
    found = sorted(queue.get(timeout=90) for _ in processes)
    for process in processes:
        process.join(60)
    return found


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/registry.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    monkeypatch.setenv("TYPECASE_KEY", (tmp_path / "root.key").as_uri())
    reload_settings()
    registry = open_registry(url)
    registry.init(create_key_if_missing=True)
    registry.types.register(definition(host="string"))
    yield url, registry
    registry.close()


def test_of_rivals_that_exclude_each_other_exactly_one_is_registered(place):
    url, registry = place
    kinds = ("integer", "boolean", "array", "object", "null")
    found = race(url, [definition(host="string", size=kind) for kind in kinds])
    assert found == [("refused", 2)] * (PROCESSES - 1) + [("registered", 2)]
    assert [item.number for item in registry.types.versions("rival")] == [1, 2]


def test_the_same_schema_from_many_processes_is_one_version(place):
    url, registry = place
    found = race(url, [definition(host="string", size="integer")] * PROCESSES)
    assert found == [("registered", 2)] * PROCESSES
    assert registry.types.get("rival").version == 2


def test_a_registry_that_remembers_a_type_still_takes_it_back_by_force(place):
    url, registry = place
    other = open_registry(url)
    mine = definition(host="string")
    other.types.register(replace(mine, package="elsewhere"), force=True)
    assert registry.types.get("rival").package == "elsewhere"
    registry.types.register(mine, force=True)
    assert other.types.get("rival").package == "rivals"
    other.close()
