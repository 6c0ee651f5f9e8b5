"""Saves on one SQLite file, from many threads, many processes, and from processes that are killed."""

import json
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from typecase.blocks.errors import RegistryUnreachable
from typecase.blocks.records import Draft, TypeDefinition
from typecase.registry import sqlite
from typecase.registry.embedded import EmbeddedRegistry

SCHEMA = {"type": "object", "properties": {"count": {"type": "integer"}, "next": {"type": "object"}}}
COUNTER = TypeDefinition(
    slug="counter",
    title="Counter",
    description="",
    icon="",
    docs="",
    kinds=(),
    package="tests",
    package_version="1",
    schema=SCHEMA,
    form=SCHEMA,
    secret_paths=(),
    digest="0" * 64,
)

# Forked before anything is opened, so that twelve imports of SQLAlchemy do not decide how long this takes.
WRITERS = """
import json, os, sys, threading
from pathlib import Path
from typecase.blocks.errors import RevisionConflict
from typecase.blocks.records import Draft
from typecase.registry.file_registry import FileRegistry
from typecase.registry.embedded import EmbeddedRegistry

path, key, rounds = Path(sys.argv[1]), sys.argv[2], 5

def increment(registry):
    while True:
        root = registry.load("shared", workspace="default").root
        data = {"count": json.loads(root.data)["count"] + 1}
        draft = Draft(name="shared", workspace="default", type_slug="counter", schema_version=1, data=data,
                      expected_revision=root.revision)
        try:
            return registry.documents.save(draft)
        except RevisionConflict:
            pass

def work(registry):
    for _ in range(rounds):
        increment(registry)

children = []
for _ in range(4):
    child = os.fork()
    if not child:
        registry = EmbeddedRegistry(path, key=key)
        threads = [threading.Thread(target=work, args=(registry,)) for _ in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        os._exit(0)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
"""

KILLED = """
import json, os, signal, sys
from pathlib import Path
from typecase.blocks.records import Draft
from typecase.registry.file_registry import FileRegistry
from typecase.registry.embedded import EmbeddedRegistry

path, key = Path(sys.argv[1]), sys.argv[2]
acknowledged = []
for point in range(50):
    receive, send = os.pipe()
    child = os.fork()
    if not child:
        registry = EmbeddedRegistry(path, key=key)
        for number in range(1000):
            name = f"doc-{point}-{number}"
            draft = Draft(name=name, workspace="default", type_slug="counter", schema_version=1, data={"count": number})
            os.write(send, f"{registry.documents.save(draft).name}\\n".encode())
    os.close(send)
    lines = os.fdopen(receive, "rb", buffering=0)
    for _ in range(1 + point % 4):
        acknowledged.append(lines.readline())
    for _ in range(point * 97):  # another moment within the next save each time
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    acknowledged += lines.readlines()
print(json.dumps([line.decode().strip() for line in acknowledged]))
"""


@pytest.fixture
def registry(tmp_path):
    registry = EmbeddedRegistry(tmp_path / "registry.db", key=(tmp_path / "root.key").as_uri())
    registry.types.register(COUNTER)
    yield registry
    registry.close()


def draft(name, data, **options):
    return Draft(name=name, workspace="default", type_slug="counter", schema_version=1, data=data, **options)


def run(script: str, tmp_path: Path) -> str:
    command = [sys.executable, "-c", script, str(tmp_path / "registry.db"), (tmp_path / "root.key").as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_sixteen_writers_in_four_processes_lose_no_update(registry, tmp_path):
    registry.documents.save(draft("shared", {"count": 0}))
    assert run(WRITERS, tmp_path) == "[0, 0, 0, 0]\n"
    root = registry.load("shared", workspace="default").root
    assert (json.loads(root.data), root.revision) == ({"count": 80}, 81)


def test_every_acknowledged_save_survives_fifty_kills(registry, tmp_path):
    names = json.loads(run(KILLED, tmp_path))
    assert len({name.rpartition("-")[0] for name in names}) == 50
    for name in names:
        assert json.loads(registry.load(name, workspace="default").root.data) == {"count": int(name.split("-")[2])}
    connection = sqlite.connect(tmp_path / "registry.db")
    answer = connection.execute("pragma integrity_check").fetchall()
    dangling = connection.execute("pragma foreign_key_check").fetchall()
    connection.close()
    assert (answer, dangling) == ([("ok",)], [])


def test_a_failed_save_leaves_nothing(registry, monkeypatch):
    def fail(*_, **__):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("typecase.registry.saving.write_references", fail)
    with pytest.raises(RegistryUnreachable, match="disk I/O error"):
        registry.documents.save(draft("halfway", {"count": 1}, tags=("a",)))
    monkeypatch.undo()
    assert registry.documents.list(workspace="default").items == ()
    assert registry.documents.save(draft("halfway", {"count": 1})).number == 1


def test_inline_blocks_get_the_newest_schema_version_written_in(registry):
    registry.types.register(replace(COUNTER, digest="1" * 64))
    registry.documents.save(draft("outer", {"next": {"$type": "counter", "count": 1}}))
    stored = json.loads(registry.load("outer", workspace="default").root.data)
    assert stored == {"next": {"$type": "counter", "$version": 2, "count": 1}}


def test_a_name_is_found_among_more_documents_than_are_compared(registry, monkeypatch):
    monkeypatch.setattr("typecase.registry.lookup._SAMPLE", 2)
    for name in ("a1", "a2", "a3", "warehouse"):
        registry.documents.save(draft(name, {}))
    with pytest.raises(LookupError) as caught:
        registry.load("warehose", workspace="default")
    assert caught.value.near == ("warehouse",)


def test_the_help_of_a_type_changes_without_a_new_version(registry):
    registry.types.register(replace(COUNTER, description="Counts things.", package_version="2"))
    found = registry.types.get("counter")
    assert (found.description, found.version) == ("Counts things.", 1)
