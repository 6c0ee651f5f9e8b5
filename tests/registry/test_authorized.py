"""What one caller has of a registry: what they may not see is as absent, what they do is written down."""

import json

import pytest

from typecase.blocks.errors import DocumentInUse, DocumentNotFound, PermissionDenied, ReferenceNotFound
from typecase.blocks.testing.samples import SECRET, login, pipeline, refer, register_samples
from typecase.registry.access.callers import Caller, Grant
from typecase.registry.access.permissions import Permission, Role
from typecase.registry.audit.journal import Journal
from typecase.registry.authorized import Asking, AuthorizedRegistry
from typecase.registry.data_keys import DataKeys
from typecase.registry.file_registry import FileRegistry


@pytest.fixture
def registry(tmp_path):
    found = FileRegistry(tmp_path / "registry.db", DataKeys(f"file://{tmp_path}/root.key"))
    found.init(create_key_if_missing=True)
    register_samples(found)
    found.workspaces.create("child", parent="default")
    found.documents.save(login("inherited"))
    found.documents.save(login("own", workspace="child", tags=("etl",)))
    found.documents.save(login("other", workspace="child"))
    yield found
    found.close()


@pytest.fixture
def as_caller(registry):
    def make(*grants, **narrowed):
        caller = Caller(id="c" * 32, name="bob", kind="person", grants=grants, **narrowed)
        return AuthorizedRegistry(registry, Asking(caller, Journal(registry.store)))

    return make


def events(registry):
    return [(item.action, item.outcome, item.document) for item in reversed(registry.audit.list().items)]


class TestInherited:
    def test_a_name_of_a_parent_needs_a_role_there_and_is_as_absent_without(self, as_caller):
        mine = as_caller(Grant(role=Role.RUNNER, workspace="child"))
        for name in ("inherited", "nowhere"):
            for ask in (mine.load, mine.documents.get, mine.documents.history, mine.documents.dependents):
                with pytest.raises(DocumentNotFound) as raised:
                    ask(name, workspace="child")
                assert (raised.value.searched, raised.value.near) == (("child",), ())

    def test_with_a_role_in_both_it_is_found(self, as_caller):
        mine = as_caller(Grant(role=Role.RUNNER, workspace="child"), Grant(role=Role.RUNNER, workspace="default"))
        assert mine.load("inherited", workspace="child").root.workspace == "default"


class TestNarrow:
    def test_a_role_for_a_tag_shows_its_documents_only(self, as_caller):
        mine = as_caller(Grant(role=Role.RUNNER, workspace="child", tag="etl"))
        assert [item.name for item in mine.documents.list(workspace="child").items] == ["own"]
        assert json.loads(mine.load("own", workspace="child").root.data)["password"] == SECRET
        for name in ("other", "nowhere"):
            with pytest.raises(DocumentNotFound):
                mine.load(name, workspace="child")
            with pytest.raises(DocumentNotFound):
                mine.documents.get(name, workspace="child")

    def test_a_role_for_one_document_holds_under_another_name(self, as_caller, registry):
        identity = registry.documents.get("own", workspace="child").id
        registry.documents.rename("own", "renamed", workspace="child")
        mine = as_caller(Grant(role=Role.EDITOR, workspace="child", document_id=identity))
        mine.documents.save(login("renamed", workspace="child", user="new", overwrite=True))
        with pytest.raises(PermissionDenied):
            mine.documents.save(login("brand-new", workspace="child"))

    def test_an_editor_of_a_tag_makes_documents_with_that_tag_only(self, as_caller):
        mine = as_caller(Grant(role=Role.EDITOR, workspace="child", tag="etl"))
        mine.documents.save(login("with", workspace="child", tags=("etl",)))
        with pytest.raises(PermissionDenied):
            mine.documents.save(login("without", workspace="child"))


class TestReferences:
    def test_a_reference_to_what_one_may_not_see_is_as_one_to_nothing(self, as_caller):
        mine = as_caller(Grant(role=Role.EDITOR, workspace="child"))
        texts = []
        for name in ("inherited", "nowhere"):
            target = refer({"name": name, "workspace": "default"})
            with pytest.raises(ReferenceNotFound) as raised:
                mine.documents.save(pipeline("line", fields={"login": target}, workspace="child"))
            texts.append(str(raised.value).replace(name, "..."))
        assert texts[0] == texts[1]

    def test_a_tree_is_revealed_whole_or_not_at_all(self, as_caller, registry):
        registry.documents.save(pipeline("line", fields={"login": refer("inherited")}, workspace="child"))
        mine = as_caller(Grant(role=Role.RUNNER, workspace="child"))
        with pytest.raises(PermissionDenied):
            mine.load("line", workspace="child")
        assert events(registry)[-1][1:] == ("denied", "inherited")

    def test_dependents_that_one_may_not_see_are_counted_not_named(self, as_caller, registry):
        registry.documents.save(pipeline("hidden", fields={"login": refer("inherited")}, workspace="child"))
        mine = as_caller(Grant(role=Role.EDITOR, workspace="default"))
        assert mine.documents.dependents("inherited", workspace="default") == ()
        with pytest.raises(DocumentInUse, match="1 that you may not see") as raised:
            mine.documents.delete("inherited", workspace="default")
        assert "hidden" not in str(raised.value)


class TestEvents:
    def test_a_change_is_written_with_its_field_names(self, as_caller, registry):
        mine = as_caller(Grant(role=Role.EDITOR))
        mine.documents.save(login("own", workspace="child", user="new", overwrite=True))
        event = registry.audit.list().items[0]
        assert (event.action, event.document, event.facts["fields"]) == ("document.save", "own", ["user"])
        assert SECRET not in repr(event)

    def test_every_document_of_a_loaded_tree_has_an_event(self, as_caller, registry):
        registry.documents.save(pipeline("line", fields={"login": refer("inherited")}, workspace="child"))
        as_caller(Grant(role=Role.RUNNER)).load("line", workspace="child")
        assert events(registry) == [("document.load", "done", "line"), ("document.load", "done", "inherited")]

    def test_what_is_refused_is_written_too(self, as_caller, registry):
        with pytest.raises(PermissionDenied):
            as_caller(Grant(role=Role.VIEWER)).load("own", workspace="child")
        assert events(registry) == [("document.load", "denied", "own")]

    def test_a_change_that_fails_leaves_no_event(self, as_caller, registry):
        with pytest.raises(DocumentNotFound):
            as_caller(Grant(role=Role.EDITOR)).documents.rename("nowhere", "else", workspace="child")
        assert events(registry) == []


class TestTokens:
    def test_a_token_for_some_workspaces_opens_no_other(self, as_caller):
        mine = as_caller(Grant(role=Role.ADMIN), workspaces=frozenset({"child"}))
        assert [item.name for item in mine.workspaces.list()] == ["child"]
        with pytest.raises(PermissionDenied):
            mine.load("inherited", workspace="default")

    def test_a_token_for_some_permissions_gives_no_other(self, as_caller):
        mine = as_caller(Grant(role=Role.ADMIN), permissions=frozenset({Permission.DOCUMENTS_READ}))
        assert mine.documents.get("own", workspace="child").name == "own"
        with pytest.raises(PermissionDenied):
            mine.load("own", workspace="child")
