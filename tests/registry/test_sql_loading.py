"""Loads from an SQLite file: little is imported, references come along, a fork is survived."""

import json
import os
import subprocess
import sys
import threading

import pytest

from typecase.blocks.errors import DocumentNotFound, RevisionNotFound
from typecase.blocks.records import Draft, TypeDefinition
from typecase.registry.data_keys import DataKeys
from typecase.registry.embedded import EmbeddedRegistry
from typecase.registry.file_registry import FileRegistry

SCHEMA = {"type": "object"}
LINK = TypeDefinition(
    slug="link",
    title="Link",
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

LOAD = """
import sys
from pathlib import Path
from typecase.registry.embedded import EmbeddedRegistry

registry = EmbeddedRegistry(Path(sys.argv[1]), key=sys.argv[2])
print(registry.load("d1", workspace="default").root.revision)
slow = {"sqlalchemy", "alembic", "keyring", "jsonschema", "yaml"}
print(sorted(slow & set(sys.modules)))
"""


@pytest.fixture(params=[EmbeddedRegistry, FileRegistry])
def registry(request, tmp_path):
    keys = (tmp_path / "root.key").as_uri()
    if request.param is EmbeddedRegistry:
        registry = EmbeddedRegistry(tmp_path / "registry.db", key=keys)
    else:
        registry = FileRegistry(tmp_path / "registry.db", DataKeys(keys))
    registry.types.register(LINK)
    save(registry, "d0", {"depth": 0})
    for depth in range(1, 6):
        save(registry, f"d{depth}", {"depth": depth, "next": {"$block": f"d{depth - 1}"}})
    yield registry
    registry.close()


def save(registry, name, data, *, workspace="default", **options):
    return registry.documents.save(
        Draft(name=name, workspace=workspace, type_slug="link", schema_version=1, data=data, **options)
    )


def test_a_load_imports_no_sqlalchemy(registry, tmp_path):
    command = [sys.executable, "-c", LOAD, str(tmp_path / "registry.db"), (tmp_path / "root.key").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n[]\n"


def test_references_come_along_at_any_depth(registry):
    tree = registry.load("d5", workspace="default")
    assert tree.root.name == "d5"
    assert {block.name for block in tree.referenced.values()} == {"d0", "d1", "d2", "d3", "d4"}
    target = json.loads(tree.root.data)["next"]["$block"]["id"]
    assert tree.referenced[target].name == "d4"


def test_an_old_revision_brings_what_it_referred_to_then_as_that_is_now(registry):
    save(registry, "d5", {"depth": 5}, overwrite=True)
    save(registry, "d4", {"depth": 44}, overwrite=True)
    tree = registry.load("d5", workspace="default", revision=1)
    (only,) = tree.referenced.values()
    assert (only.name, json.loads(only.data)) == ("d4", {"depth": 44})
    assert registry.load("d5", workspace="default").referenced == {}


def test_an_old_revision_may_refer_to_what_refers_to_the_newest(registry):
    save(registry, "d1", {"depth": 1}, overwrite=True)
    save(registry, "d0", {"next": {"$block": "d1"}}, overwrite=True)
    tree = registry.load("d1", workspace="default", revision=1)
    assert tree.root.revision == 1
    assert {(block.name, block.revision) for block in tree.referenced.values()} == {("d0", 2), ("d1", 2)}


def test_a_rename_keeps_references_working(registry):
    registry.documents.rename("d4", "renamed", workspace="default")
    assert "renamed" in {block.name for block in registry.load("d5", workspace="default").referenced.values()}
    assert registry.documents.get("d5", workspace="default").data["next"] == {"$block": "renamed"}


def test_names_are_found_through_parents_nearest_first(registry):
    registry.workspaces.create("staging", parent="default")
    registry.workspaces.create("mine", parent="staging")
    save(registry, "d1", {"from": "staging"}, workspace="staging")
    assert registry.load("d1", workspace="mine").root.workspace == "staging"
    tree = registry.load("d5", workspace="mine")
    assert (tree.root.workspace, len(tree.referenced)) == ("default", 5)


def test_what_a_parent_hides_is_shown_with_its_workspace(registry):
    registry.workspaces.create("staging", parent="default")
    save(registry, "use", {"next": {"$block": "d1"}}, workspace="staging")
    assert registry.documents.get("use", workspace="staging").data == {"next": {"$block": "d1"}}
    save(registry, "d1", {}, workspace="staging")
    shown = registry.documents.get("use", workspace="staging").data
    assert shown == {"next": {"$block": {"name": "d1", "workspace": "default"}}}


def test_a_failed_load_lists_every_workspace_searched(registry):
    registry.workspaces.create("staging", parent="default")
    with pytest.raises(DocumentNotFound, match=r"'staging', then 'default'.*'d5'") as caught:
        registry.load("dd5", workspace="staging")
    assert caught.value.searched == ("staging", "default")


def test_loading_by_id_finds_the_pickled_revision(registry):
    first = registry.load("d0", workspace="default").root
    save(registry, "d0", {"depth": "new"}, overwrite=True)
    assert registry.load_id(first.document_id, revision=1).root == first
    assert registry.load_id(first.document_id).root.revision == 2
    with pytest.raises(RevisionNotFound):
        registry.load_id(first.document_id, revision=3)
    with pytest.raises(DocumentNotFound):
        registry.load_id("0" * 32)


def test_a_closed_registry_opens_again(registry):
    registry.close()
    assert registry.load("d0", workspace="default").root.name == "d0"


def test_each_thread_may_load(registry):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(registry.load("d5", workspace="default"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {tree.root.name for tree in found} == {"d5"}
    assert len(found) == 8


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_opens_its_own_connection(registry):
    registry.load("d0", workspace="default")
    registry.documents.get("d0", workspace="default")
    child = os.fork()
    if not child:
        code = 1
        try:
            loaded = registry.load("d0", workspace="default").root.name
            save(registry, "from-child", {"by": loaded})
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert registry.load("from-child", workspace="default").root.revision == 1
    save(registry, "from-parent", {})


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_never_uses_the_connection_of_its_parent(tmp_path):
    registry = EmbeddedRegistry(tmp_path / "registry.db", key=(tmp_path / "root.key").as_uri())
    registry.workspaces.list()
    inherited = registry._connection()
    child = os.fork()
    if not child:
        os._exit(0 if registry._connection() is not inherited else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert registry._connection() is inherited
    registry.close()
