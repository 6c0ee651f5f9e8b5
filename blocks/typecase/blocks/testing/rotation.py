"""What every registry promises of its data keys."""

# ruff: noqa: D102, S101  a test's name is its sentence, an expected number the specification, assert its verb

import json

import pytest

from typecase.blocks.errors import WorkspaceNotFound
from typecase.blocks.registry import Registry
from typecase.blocks.testing.documents import RegistryFixtures
from typecase.blocks.testing.samples import SECRET, login


class KeysContract(RegistryFixtures):
    """Rotation, retirement, another root key: none of them changes what a load gives."""

    def test_after_a_rotation_every_revision_loads_as_before(self, typed: Registry) -> None:
        typed.documents.save(login("db", user="first"))
        typed.documents.save(login("db", user="second", overwrite=True))
        trees = [typed.load("db", workspace="default", revision=number) for number in (1, 2)]
        typed.keys.rotate(retire=True, actor="ada")
        assert [typed.load("db", workspace="default", revision=number) for number in (1, 2)] == trees
        assert json.loads(trees[1].root.data) == {"user": "second", "password": SECRET}

    def test_after_a_rotation_documents_are_saved_restored_and_compared(self, typed: Registry) -> None:
        typed.documents.save(login("db", user="first"))
        typed.keys.rotate()
        typed.documents.save(login("db", user="second", overwrite=True))
        typed.keys.retire()
        typed.documents.restore("db", workspace="default", revision=1)
        assert typed.documents.diff("db", workspace="default", before=1, after=3) == ()
        assert json.loads(typed.load("db", workspace="default").root.data)["user"] == "first"

    def test_a_plan_changes_nothing(self, typed: Registry) -> None:
        typed.documents.save(login("db"))
        before = typed.key_status()
        typed.keys.plan()
        typed.keys.plan_rewrap()
        assert typed.key_status() == before
        assert typed.keys.events() == ()

    def test_a_rewrap_to_the_present_root_key_has_nothing_to_do(self, typed: Registry) -> None:
        assert typed.keys.rewrap().rewrapped == 0

    def test_a_workspace_that_is_not_there_is_named(self, registry: Registry) -> None:
        for call in (registry.keys.plan, registry.keys.rotate, registry.keys.retire):
            with pytest.raises(WorkspaceNotFound, match="nowhere"):
                call(["nowhere"])

    def test_what_is_on_record_holds_no_value(self, typed: Registry) -> None:
        typed.documents.save(login("db"))
        typed.keys.rotate(retire=True, actor="ada")
        assert SECRET[:10] not in repr(typed.keys.events())
