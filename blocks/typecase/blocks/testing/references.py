"""What every registry promises of references between documents."""

# ruff: noqa: D102, PLR2004, S101  a test's name is its sentence, an expected number the specification, assert its verb

from typing import Any

import pytest

from typecase.blocks.errors import DocumentInUse, DocumentNotFound, ReferenceCycle, ReferenceNotFound
from typecase.blocks.registry import Registry
from typecase.blocks.testing.documents import RegistryFixtures, names
from typecase.blocks.testing.samples import LOGIN, PIPELINE, login, pipeline, refer


class ReferenceContract(RegistryFixtures):
    """References: found on save, followed on load, protected on delete."""

    @pytest.mark.parametrize(
        "target",
        ["db", f"{LOGIN}/db", {"name": "db"}, {"name": "db", "workspace": "default"}, {"name": f"{LOGIN}/db"}],
    )
    def test_a_reference_is_written_in_many_ways_and_shown_by_name(self, typed: Registry, target: Any) -> None:
        saved = typed.documents.save(login("db"))
        typed.documents.save(pipeline("flow", fields={"login": refer(target)}))
        assert typed.documents.get("flow", workspace="default").data == {"login": refer("db")}
        assert set(typed.load("flow", workspace="default").referenced) == {saved.document_id}

    def test_a_reference_is_written_by_id(self, typed: Registry) -> None:
        saved = typed.documents.save(login("db"))
        typed.documents.save(pipeline("flow", fields={"login": refer({"id": saved.document_id})}))
        assert typed.documents.get("flow", workspace="default").data == {"login": refer("db")}

    @pytest.mark.parametrize(
        "target", ["db2", f"{PIPELINE}/db", {"name": "db", "workspace": "other"}, {"id": "0" * 32}, {"name": "db2"}]
    )
    def test_a_reference_to_nothing_is_refused(self, typed: Registry, target: Any) -> None:
        typed.workspaces.create("other")
        typed.documents.save(login("db"))
        with pytest.raises(ReferenceNotFound):
            typed.documents.save(pipeline("flow", fields={"login": refer(target)}))
        assert names(typed) == ["db"]

    def test_names_fall_back_to_parents_when_they_are_saved(self, typed: Registry) -> None:
        typed.workspaces.create("prod", parent="default")
        typed.documents.save(login("db"))
        typed.documents.save(pipeline("flow", workspace="prod", fields={"login": refer("db")}))
        assert typed.documents.get("flow", workspace="prod").data == {"login": refer("db")}
        (dependent,) = typed.documents.dependents("db", workspace="default")
        assert (dependent.workspace, dependent.name) == ("prod", "flow")
        assert (dependent.type_slug, dependent.path) == (PIPELINE, "/login")

    def test_a_shadowed_or_foreign_document_is_shown_with_its_workspace(self, typed: Registry) -> None:
        typed.workspaces.create("prod", parent="default")
        typed.documents.save(login("db"))
        typed.documents.save(pipeline("flow", workspace="prod", fields={"login": refer("db")}))
        typed.documents.save(login("db", workspace="prod"))
        shown = typed.documents.get("flow", workspace="prod").data["login"]
        assert shown == refer({"workspace": "default", "name": "db"})
        again = typed.documents.save(pipeline("flow", workspace="prod", fields={"login": shown}, overwrite=True))
        assert typed.documents.diff("flow", workspace="prod", before=1, after=again.number) == ()

    def test_what_is_shown_can_be_saved_again(self, typed: Registry) -> None:
        typed.documents.save(login("db"))
        typed.documents.save(pipeline("flow", fields={"login": refer("db"), "blocks": {"a": refer("db")}}))
        shown = dict(typed.documents.get("flow", workspace="default").data)
        typed.documents.save(pipeline("flow", fields=shown, overwrite=True))
        assert typed.documents.diff("flow", workspace="default", before=1, after=2) == ()

    def test_references_are_found_in_lists_dicts_and_inline_blocks(self, typed: Registry) -> None:
        typed.documents.save(login("db"))
        fields = {
            "logins": [refer("db")],
            "blocks": {"a/b": refer("db"), "c": {"$type": PIPELINE, "login": refer("db")}},
        }
        typed.documents.save(pipeline("flow", fields=fields))
        paths = [dependent.path for dependent in typed.documents.dependents("db", workspace="default")]
        assert sorted(paths) == ["/blocks/a~1b", "/blocks/c/login", "/logins/0"]

    def test_a_rename_keeps_references_working(self, typed: Registry) -> None:
        saved = typed.documents.save(login("db"))
        typed.documents.save(pipeline("flow", fields={"login": refer("db")}))
        typed.documents.rename("db", "warehouse", workspace="default")
        assert typed.documents.get("flow", workspace="default").data == {"login": refer("warehouse")}
        assert typed.load("flow", workspace="default").referenced[saved.document_id].name == "warehouse"

    def test_a_document_that_is_referred_to_is_not_deleted(self, typed: Registry) -> None:
        typed.documents.save(login("db"))
        typed.documents.save(pipeline("flow", fields={"login": refer("db")}))
        with pytest.raises(DocumentInUse, match="default/flow") as raised:
            typed.documents.delete("db", workspace="default")
        assert [item.name for item in raised.value.dependents] == ["flow"]
        assert names(typed) == ["db", "flow"]

    def test_force_deletes_and_says_what_breaks(self, typed: Registry) -> None:
        typed.documents.save(login("db"))
        typed.documents.save(pipeline("flow", fields={"login": refer("db")}))
        broken = typed.documents.delete("db", workspace="default", force=True)
        assert [(item.workspace, item.name, item.path) for item in broken] == [("default", "flow", "/login")]
        assert typed.load("flow", workspace="default").referenced == {}
        assert "$block" in typed.documents.get("flow", workspace="default").data["login"]

    def test_only_current_revisions_count_as_dependents(self, typed: Registry) -> None:
        typed.documents.save(login("db"))
        typed.documents.save(pipeline("flow", fields={"login": refer("db")}))
        typed.documents.save(pipeline("flow", overwrite=True))
        assert typed.documents.dependents("db", workspace="default") == ()
        typed.documents.delete("db", workspace="default")

    def test_a_deleted_document_is_no_dependent(self, typed: Registry) -> None:
        typed.documents.save(login("db"))
        typed.documents.save(pipeline("flow", fields={"login": refer("db")}))
        typed.documents.delete("flow", workspace="default")
        typed.documents.delete("db", workspace="default")
        assert names(typed) == []

    def test_dependents_of_a_missing_document_is_an_error(self, typed: Registry) -> None:
        with pytest.raises(DocumentNotFound):
            typed.documents.dependents("db", workspace="default")

    def test_a_document_that_refers_to_itself_is_refused(self, typed: Registry) -> None:
        typed.documents.save(pipeline("flow"))
        with pytest.raises(ReferenceCycle, match="flow"):
            typed.documents.save(pipeline("flow", fields={"blocks": {"x": refer("flow")}}, overwrite=True))
        with pytest.raises(ReferenceNotFound):
            typed.documents.save(pipeline("new", fields={"blocks": {"x": refer("new")}}))

    def test_a_circle_through_others_is_refused_and_spelled_out(self, typed: Registry) -> None:
        typed.documents.save(pipeline("one"))
        typed.documents.save(pipeline("two", fields={"blocks": {"x": refer("one")}}))
        typed.documents.save(pipeline("three", fields={"blocks": {"x": refer("two")}}))
        with pytest.raises(ReferenceCycle, match="one -> three -> two -> one"):
            typed.documents.save(pipeline("one", fields={"blocks": {"x": refer("three")}}, overwrite=True))
        assert typed.documents.get("one", workspace="default").revision == 1

    def test_restoring_cannot_make_a_circle(self, typed: Registry) -> None:
        typed.documents.save(pipeline("one"))
        typed.documents.save(pipeline("two", fields={"blocks": {"x": refer("one")}}))
        typed.documents.save(pipeline("two", overwrite=True))
        typed.documents.save(pipeline("one", fields={"blocks": {"x": refer("two")}}, overwrite=True))
        with pytest.raises(ReferenceCycle):
            typed.documents.restore("two", workspace="default", revision=1)

    def test_a_revision_keeps_pointing_at_the_newest_of_what_it_refers_to(self, typed: Registry) -> None:
        saved = typed.documents.save(login("db", user="first"))
        typed.documents.save(pipeline("flow", fields={"login": refer("db")}))
        typed.documents.save(login("db", user="second", overwrite=True))
        tree = typed.load("flow", workspace="default", revision=1)
        assert tree.referenced[saved.document_id].revision == 2
