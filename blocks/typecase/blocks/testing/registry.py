"""What every registry promises: its workspaces, its types, loading."""

# ruff: noqa: D102, PLR2004, S101  a test's name is its sentence, an expected number the specification, assert its verb

import json
from dataclasses import replace
from threading import Thread

import pytest

from typecase.blocks.errors import (
    DocumentNotFound,
    InvalidCursor,
    InvalidName,
    ReferenceCycle,
    RevisionNotFound,
    TypeNotRegistered,
    WorkspaceExists,
    WorkspaceInUse,
    WorkspaceNotFound,
)
from typecase.blocks.registry import Registry
from typecase.blocks.schema import definition_of
from typecase.blocks.testing.compatibility import CompatibilityContract, evolving
from typecase.blocks.testing.documents import DocumentContract
from typecase.blocks.testing.evolution import EvolutionContract
from typecase.blocks.testing.history import HistoryContract
from typecase.blocks.testing.ownership import OwnershipContract
from typecase.blocks.testing.references import ReferenceContract
from typecase.blocks.testing.rotation import KeysContract
from typecase.blocks.testing.samples import LOGIN, SECRET, Login, login, pipeline, refer
from typecase.blocks.testing.secret_references import SecretReferenceContract


class TypeContract:
    """Block types and schema versions."""

    def test_registering_twice_changes_nothing(self, registry: Registry) -> None:
        first = registry.types.register(definition_of(Login))
        assert registry.types.register(definition_of(Login)) == first
        assert first.number == 1
        assert [record.slug for record in registry.types.all()] == [LOGIN]

    def test_a_type_is_kept_as_it_was_declared(self, registry: Registry) -> None:
        definition = definition_of(Login)
        version = registry.types.register(definition)
        record = registry.types.get(LOGIN)
        assert (record.title, record.icon, record.docs) == (definition.title, definition.icon, definition.docs)
        assert (record.description, record.package) == (definition.description, definition.package)
        assert (record.kinds, record.version, record.form) == (definition.kinds, 1, definition.form)
        assert (version.schema, version.digest) == (definition.schema, definition.digest)
        assert (version.secret_paths, version.kinds) == (definition.secret_paths, definition.kinds)

    def test_a_new_schema_is_a_new_version_and_the_old_one_stays(self, registry: Registry) -> None:
        definition = definition_of(Login)
        first = registry.types.register(definition)
        wider = {**definition.schema, "properties": {**definition.schema["properties"], "realm": {"type": "string"}}}
        second = registry.types.register(replace(definition, schema=wider, digest="0" * 64, title="Renamed"))
        assert second.number == 2
        assert registry.types.version(LOGIN, 1) == first
        assert registry.types.version(LOGIN, 2).schema == wider
        assert (registry.types.get(LOGIN).version, registry.types.get(LOGIN).title) == (2, "Renamed")

    def test_registering_an_old_schema_again_gives_its_old_number(self, registry: Registry) -> None:
        definition = definition_of(Login)
        registry.types.register(definition)
        registry.types.register(replace(definition, digest="0" * 64))
        assert registry.types.register(definition).number == 1
        assert registry.types.get(LOGIN).version == 2

    def test_an_unknown_type_or_version_is_named(self, registry: Registry) -> None:
        registry.types.register(definition_of(Login))
        with pytest.raises(TypeNotRegistered, match="contract-nothing"):
            registry.types.get("contract-nothing")
        with pytest.raises(TypeNotRegistered, match="7"):
            registry.types.version(LOGIN, 7)

    def test_types_are_listed_page_by_page(self, registry: Registry) -> None:
        for name in ("e", "b", "d", "a", "c"):
            registry.types.register(evolving({}, slug=f"contract-{name}"))
        met: list[str] = []
        cursor: str | None = None
        for _ in range(3):
            page = registry.types.list(cursor=cursor, limit=2)
            met += [record.slug for record in page.items]
            cursor = page.cursor
        assert met == [f"contract-{name}" for name in "abcde"]
        assert cursor is None
        assert [record.slug for record in registry.types.all()] == met

    def test_types_are_found_by_slug_and_title(self, registry: Registry) -> None:
        registry.types.register(evolving({}, slug="contract-mail"))
        registry.types.register(replace(evolving({}, slug="contract-post"), title="E-Mail_relay"))
        registry.types.register(evolving({}, slug="contract-other"))
        for text, slugs in (
            ("mail", ["contract-mail", "contract-post"]),
            ("MAIL_", ["contract-post"]),
            ("nothing", []),
        ):
            assert [record.slug for record in registry.types.list(search=text).items] == slugs

    def test_a_cursor_of_no_list_is_refused(self, registry: Registry) -> None:
        with pytest.raises(InvalidCursor):
            registry.types.list(cursor="nonsense")


class WorkspaceContract:
    """Workspaces and their parents."""

    def test_default_is_there_from_the_start(self, registry: Registry) -> None:
        assert registry.workspaces.get("default").parent is None
        assert [item.name for item in registry.workspaces.list()] == ["default"]

    def test_a_workspace_is_kept_as_it_was_made(self, registry: Registry) -> None:
        made = registry.workspaces.create("prod", parent="default", description="Live")
        assert (made.name, made.parent, made.description) == ("prod", "default", "Live")
        assert registry.workspaces.get("prod") == made
        assert [item.name for item in registry.workspaces.list()] == ["default", "prod"]

    def test_a_name_is_given_once(self, registry: Registry) -> None:
        registry.workspaces.create("prod")
        with pytest.raises(WorkspaceExists, match="prod"):
            registry.workspaces.create("prod")

    @pytest.mark.parametrize("name", ["", "Prod", "a b", "../up", "x" * 64])
    def test_a_bad_name_is_refused(self, registry: Registry, name: str) -> None:
        with pytest.raises(InvalidName):
            registry.workspaces.create(name)
        assert [item.name for item in registry.workspaces.list()] == ["default"]

    def test_a_missing_workspace_is_named_with_near_ones(self, registry: Registry) -> None:
        registry.workspaces.create("staging")
        with pytest.raises(WorkspaceNotFound, match=r"'stagin'.*'staging'"):
            registry.workspaces.get("stagin")
        with pytest.raises(WorkspaceNotFound, match="nowhere"):
            registry.workspaces.create("prod", parent="nowhere")
        with pytest.raises(WorkspaceNotFound, match="nowhere"):
            registry.documents.list(workspace="nowhere")

    def test_parent_and_description_change_one_by_one(self, registry: Registry) -> None:
        registry.workspaces.create("prod", parent="default", description="Live")
        assert registry.workspaces.update("prod", description="Dead").parent == "default"
        changed = registry.workspaces.update("prod", parent=None)
        assert (changed.parent, changed.description) == (None, "Dead")
        assert registry.workspaces.get("prod") == changed

    def test_a_workspace_never_becomes_its_own_ancestor(self, registry: Registry) -> None:
        registry.workspaces.create("a")
        registry.workspaces.create("b", parent="a")
        registry.workspaces.create("c", parent="b")
        for parent in ("a", "b", "c"):
            with pytest.raises(ReferenceCycle):
                registry.workspaces.update("a", parent=parent)
        assert registry.workspaces.get("a").parent is None

    def test_an_empty_workspace_can_be_removed(self, registry: Registry) -> None:
        registry.workspaces.create("prod")
        registry.workspaces.delete("prod")
        with pytest.raises(WorkspaceNotFound):
            registry.workspaces.get("prod")

    def test_one_that_holds_documents_or_is_a_parent_or_default_cannot(self, typed: Registry) -> None:
        typed.workspaces.create("full")
        typed.documents.save(login("one", workspace="full"))
        typed.workspaces.create("mother")
        typed.workspaces.create("child", parent="mother")
        for name in ("full", "mother", "default"):
            with pytest.raises(WorkspaceInUse, match=name):
                typed.workspaces.delete(name)
        assert len(typed.workspaces.list()) == 4


class LoadContract:
    """Reading with secrets."""

    def test_a_load_gives_every_value_in_clear(self, typed: Registry) -> None:
        saved = typed.documents.save(login("db"))
        root = typed.load("db", workspace="default").root
        assert json.loads(root.data) == {"user": "ada", "password": SECRET}
        assert (root.document_id, root.workspace, root.name) == (saved.document_id, "default", "db")
        assert (root.type_slug, root.revision, root.schema_version) == (LOGIN, 1, 1)
        assert root.package == typed.types.get(LOGIN).package

    def test_a_loaded_record_does_not_show_its_values(self, typed: Registry) -> None:
        typed.documents.save(login("db"))
        tree = typed.load("db", workspace="default")
        assert SECRET[:10] not in repr(tree)

    def test_an_older_revision_can_be_loaded(self, typed: Registry) -> None:
        typed.documents.save(login("db", user="first"))
        typed.documents.save(login("db", user="second", overwrite=True))
        assert json.loads(typed.load("db", workspace="default", revision=1).root.data)["user"] == "first"
        assert json.loads(typed.load("db", workspace="default", revision=2).root.data)["user"] == "second"
        assert json.loads(typed.load("db", workspace="default").root.data)["user"] == "second"

    @pytest.mark.parametrize("revision", [0, 3, -1])
    def test_a_missing_revision_is_an_error(self, typed: Registry, revision: int) -> None:
        typed.documents.save(login("db"))
        with pytest.raises(RevisionNotFound, match="db"):
            typed.load("db", workspace="default", revision=revision)

    def test_a_missing_document_lists_the_search_and_near_names(self, typed: Registry) -> None:
        typed.workspaces.create("prod", parent="default")
        typed.documents.save(login("warehouse"))
        with pytest.raises(DocumentNotFound, match=r"'prod', then 'default'.*'warehouse'") as raised:
            typed.load("warehose", workspace="prod")
        assert raised.value.near == ("warehouse",)  # type: ignore[attr-defined] # a fact of the error
        assert raised.value.searched == ("prod", "default")  # type: ignore[attr-defined] # as above

    def test_a_missing_workspace_is_another_error(self, typed: Registry) -> None:
        with pytest.raises(WorkspaceNotFound, match="nowhere"):
            typed.load("db", workspace="nowhere")

    def test_names_fall_back_through_all_parents(self, typed: Registry) -> None:
        typed.workspaces.create("team", parent="default")
        typed.workspaces.create("mine", parent="team")
        typed.documents.save(login("db", user="default"))
        assert typed.load("db", workspace="mine").root.workspace == "default"
        typed.documents.save(login("db", workspace="team", user="team"))
        assert typed.load("db", workspace="mine").root.workspace == "team"
        assert typed.load("db", workspace="default").root.workspace == "default"

    def test_a_document_id_loads_the_same(self, typed: Registry) -> None:
        saved = typed.documents.save(login("db"))
        typed.documents.save(login("db", user="second", overwrite=True))
        assert typed.load_id(saved.document_id) == typed.load("db", workspace="default")
        assert typed.load_id(saved.document_id, revision=1).root.revision == 1
        with pytest.raises(DocumentNotFound):
            typed.load_id("0" * 32)
        with pytest.raises(RevisionNotFound):
            typed.load_id(saved.document_id, revision=9)

    def test_everything_that_it_refers_to_comes_along(self, typed: Registry) -> None:
        leaf = typed.documents.save(login("leaf"))
        middle = typed.documents.save(pipeline("middle", fields={"login": refer("leaf")}))
        typed.documents.save(pipeline("top", fields={"blocks": {"x": refer("middle"), "y": refer("leaf")}}))
        tree = typed.load("top", workspace="default")
        assert set(tree.referenced) == {leaf.document_id, middle.document_id}
        assert json.loads(tree.referenced[leaf.document_id].data)["password"] == SECRET

    def test_it_can_be_shared_between_threads(self, typed: Registry) -> None:
        typed.documents.save(login("db"))
        seen: list[int] = []

        def work(number: int) -> None:
            typed.documents.save(login(f"db-{number}"))
            seen.append(typed.load("db", workspace="default").root.revision)

        threads = [Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == [1] * 4
        assert len(typed.documents.list(workspace="default").items) == 5

    def test_it_can_be_used_after_it_was_closed(self, typed: Registry) -> None:
        typed.documents.save(login("db"))
        typed.close()
        assert typed.load("db", workspace="default").root.name == "db"

    def test_it_is_not_sealed(self, typed: Registry) -> None:
        status = typed.key_status()
        assert not status.sealed
        assert SECRET[:10] not in repr(status)


class RegistryContract(
    TypeContract,
    CompatibilityContract,
    OwnershipContract,
    WorkspaceContract,
    LoadContract,
    DocumentContract,
    HistoryContract,
    ReferenceContract,
    SecretReferenceContract,
    EvolutionContract,
    KeysContract,
):
    """Subclass it and give the fixture `registry`: an empty registry that is ready to be written to."""
