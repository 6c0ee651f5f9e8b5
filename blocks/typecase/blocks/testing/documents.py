"""What every registry promises of documents."""

# ruff: noqa: D102, PLR2004, S101  a test's name is its sentence, an expected number the specification, assert its verb

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from typecase.blocks.errors import (
    DocumentExists,
    DocumentNotFound,
    InvalidCursor,
    InvalidDocument,
    InvalidName,
    KindMismatch,
    RevisionConflict,
    TypeNotRegistered,
    WorkspaceNotFound,
)
from typecase.blocks.records import DocumentFilter
from typecase.blocks.registry import Registry
from typecase.blocks.testing.samples import (
    LOGIN,
    PIPELINE,
    SECRET,
    SECRETS_EVERYWHERE,
    login,
    pipeline,
    refer,
    register_samples,
)

MASKED = {"$secret": {"set": True, "source": "literal"}}


def names(registry: Registry, where: DocumentFilter | None = None, *, workspace: str = "default") -> list[str]:
    """The names that a list shows."""
    return [item.name for item in registry.documents.list(workspace=workspace, where=where).items]


class RegistryFixtures:
    """What the parts of the registry contract share."""

    #: Whom the registry writes down as author where it knows who asks; empty where it believes its caller.
    author: str = ""

    @pytest.fixture
    def registry(self) -> Registry:
        """The registry under test."""
        raise NotImplementedError

    @pytest.fixture
    def typed(self, registry: Registry) -> Registry:
        """The registry under test, which knows the sample types."""
        register_samples(registry)
        return registry


class DocumentContract(RegistryFixtures):
    """Saving, reading without secrets, listing, describing, renaming."""

    def test_a_first_save_is_revision_one(self, typed: Registry) -> None:
        revision = typed.documents.save(login("db", author="ada"))
        assert (revision.workspace, revision.name, revision.number) == ("default", "db", 1)
        assert (revision.type_slug, revision.schema_version) == (LOGIN, 1)
        assert (revision.author, revision.restored_from) == (self.author or "ada", None)
        assert revision.created_at.utcoffset() == timedelta(0)

    def test_a_second_save_needs_overwrite_or_an_expectation(self, typed: Registry) -> None:
        first = typed.documents.save(login("db"))
        with pytest.raises(DocumentExists, match="db"):
            typed.documents.save(login("db"))
        second = typed.documents.save(login("db", overwrite=True))
        third = typed.documents.save(login("db", expected_revision=2))
        assert [item.number for item in (first, second, third)] == [1, 2, 3]
        assert first.document_id == second.document_id == third.document_id

    @pytest.mark.parametrize("expected", [0, 1, 3])
    @pytest.mark.parametrize("overwrite", [True, False])
    def test_a_lost_race_is_a_conflict(self, typed: Registry, expected: int, *, overwrite: bool) -> None:
        typed.documents.save(login("db"))
        typed.documents.save(login("db", overwrite=True))
        with pytest.raises(RevisionConflict) as raised:
            typed.documents.save(login("db", expected_revision=expected, overwrite=overwrite))
        assert (raised.value.expected, raised.value.actual) == (expected, 2)  # type: ignore[attr-defined] # facts
        assert typed.documents.get("db", workspace="default").revision == 2

    def test_an_expectation_of_a_document_that_is_not_there(self, typed: Registry) -> None:
        assert typed.documents.save(login("new", expected_revision=0)).number == 1
        with pytest.raises(RevisionConflict):
            typed.documents.save(login("other", expected_revision=1))
        assert names(typed) == ["new"]

    def test_a_document_keeps_its_type(self, typed: Registry) -> None:
        typed.documents.save(login("db"))
        with pytest.raises(KindMismatch, match=LOGIN):
            typed.documents.save(pipeline("db", overwrite=True))

    @pytest.mark.parametrize("name", ["", "a/b", "a b", ".hidden", "x" * 129, "é"])
    def test_a_bad_document_name_is_refused(self, typed: Registry, name: str) -> None:
        with pytest.raises(InvalidName):
            typed.documents.save(login(name))
        assert names(typed) == []

    def test_an_unknown_type_version_or_workspace_is_refused(self, registry: Registry) -> None:
        with pytest.raises(TypeNotRegistered, match=LOGIN):
            registry.documents.save(login("db"))
        register_samples(registry)
        with pytest.raises(WorkspaceNotFound, match="nowhere"):
            registry.documents.save(login("db", workspace="nowhere"))

    @pytest.mark.parametrize(
        ("fields", "path"),
        [
            ({"size": 0}, "size"),
            ({"size": "many"}, "size"),
            ({"nothing": 1}, "nothing"),
            ({"steps": {"all": [{"name": 1}]}}, "steps.all.0.name"),
            ({"login": {"$type": LOGIN, "user": 5}}, "login.user"),
            ({"tokens": [{"$secret": {"set": True}}]}, "tokens.0"),
            ({"size": {"$type": LOGIN}}, "size"),
            ({"steps": {"a": [{"name": {"$type": LOGIN}}]}}, "steps.a.0.name"),
        ],
    )
    def test_an_invalid_document_leaves_nothing_behind(self, typed: Registry, fields: Any, path: str) -> None:
        with pytest.raises(InvalidDocument) as raised:
            typed.documents.save(pipeline("bad", fields={**fields, "keys": {"a": SECRET}}, tags=("x",)))
        assert path in [problem[0] for problem in raised.value.problems]
        assert SECRET[:10] not in f"{raised.value} {vars(raised.value)}"
        assert names(typed) == []

    def test_an_invalid_revision_leaves_the_document_as_it_was(self, typed: Registry) -> None:
        typed.documents.save(pipeline("flow", fields={"size": 3}, tags=("old",)))
        with pytest.raises(InvalidDocument):
            typed.documents.save(pipeline("flow", fields={"size": 0}, tags=("new",), overwrite=True))
        found = typed.documents.get("flow", workspace="default")
        assert (found.revision, found.tags, found.data) == (1, ("old",), {"size": 3})

    def test_reading_masks_secrets_at_every_depth(self, typed: Registry) -> None:
        typed.documents.save(pipeline("flow", fields=SECRETS_EVERYWHERE))
        found = typed.documents.get("flow", workspace="default")
        assert SECRET[:10] not in repr(found)
        assert found.data["login"] == {"$type": LOGIN, "$version": 1, "user": "inline", "password": MASKED}
        assert found.data["step"] == {"name": "one", "token": MASKED}
        assert found.data["steps"] == {"all": [{"name": "two", "token": MASKED}]}
        assert (found.data["tokens"], found.data["keys"]) == ([MASKED], {"a": MASKED})
        assert (found.data["pair"], found.data["either"], found.data["table"]) == (["left", MASKED], MASKED, MASKED)
        assert found.data["size"] == 2

    def test_a_secret_that_is_null_is_shown_as_null(self, typed: Registry) -> None:
        typed.documents.save(pipeline("flow", fields={"step": {"token": None}, "either": None}))
        assert typed.documents.get("flow", workspace="default").data == {"step": {"token": None}, "either": None}

    def test_reading_falls_back_to_parents_and_writing_does_not(self, typed: Registry) -> None:
        typed.workspaces.create("prod", parent="default")
        typed.documents.save(login("db"))
        assert typed.documents.get("db", workspace="prod").workspace == "default"
        assert typed.documents.history("db", workspace="prod").items[0].workspace == "default"
        for write in (typed.documents.delete, typed.documents.describe):
            with pytest.raises(DocumentNotFound):
                write("db", workspace="prod")
        with pytest.raises(DocumentNotFound):
            typed.documents.rename("db", "other", workspace="prod")
        with pytest.raises(DocumentNotFound):
            typed.documents.restore("db", workspace="prod", revision=1)
        assert typed.documents.save(login("db", workspace="prod")).number == 1
        assert names(typed, workspace="prod") == ["db"]

    def test_what_is_known_about_a_document_is_kept_until_it_is_given_anew(self, typed: Registry) -> None:
        end = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
        typed.documents.save(login("db", description="Main", tags=("b", "a", "b"), owner="ada", expires_at=end))
        typed.documents.save(login("db", overwrite=True))
        found = typed.documents.get("db", workspace="default")
        assert (found.description, found.tags, found.owner, found.expires_at) == ("Main", ("a", "b"), "ada", end)
        typed.documents.save(login("db", overwrite=True, description="", tags=(), owner="", expires_at=None))
        found = typed.documents.get("db", workspace="default")
        assert (found.description, found.tags, found.owner, found.expires_at) == ("", (), "", None)

    def test_describing_changes_only_what_is_given_and_no_revision(self, typed: Registry) -> None:
        typed.documents.save(login("db", description="Main", tags=("a",)))
        changed = typed.documents.describe("db", workspace="default", owner="bob")
        assert (changed.description, changed.tags, changed.owner, changed.revision) == ("Main", ("a",), "bob", 1)
        cleared = typed.documents.describe("db", workspace="default", tags=(), description="")
        assert (cleared.description, cleared.tags, cleared.owner) == ("", (), "bob")
        assert cleared.updated_at >= cleared.created_at
        assert SECRET[:10] not in repr(changed)

    def test_a_list_is_ordered_by_name_and_shows_no_data(self, typed: Registry) -> None:
        for name in ("b", "C", "a-1", "a", "a.b", "Z9"):
            typed.documents.save(login(name))
        page = typed.documents.list(workspace="default")
        assert [item.name for item in page.items] == ["C", "Z9", "a", "a-1", "a.b", "b"]
        assert {repr(item.data) for item in page.items} == {"{}"}
        assert page.cursor is None

    def test_a_list_shows_exactly_one_workspace(self, typed: Registry) -> None:
        typed.workspaces.create("prod", parent="default")
        typed.documents.save(login("db"))
        assert names(typed, workspace="prod") == []

    def test_a_list_can_be_filtered(self, typed: Registry) -> None:
        now = datetime(2030, 1, 1, tzinfo=UTC)
        typed.documents.save(login("main-db", tags=("x", "y"), owner="ada", expires_at=now))
        typed.documents.save(login("other", tags=("y",), description="The MAIN copy", expires_at=now + timedelta(1)))
        typed.documents.save(pipeline("flow", owner="ada"))
        assert names(typed, DocumentFilter(type_slug=PIPELINE)) == ["flow"]
        assert names(typed, DocumentFilter(kind="Credentials")) == ["main-db", "other"]
        assert names(typed, DocumentFilter(tag="x")) == ["main-db"]
        assert names(typed, DocumentFilter(tag="y")) == ["main-db", "other"]
        assert names(typed, DocumentFilter(owner="ada")) == ["flow", "main-db"]
        assert names(typed, DocumentFilter(search="main")) == ["main-db", "other"]
        assert names(typed, DocumentFilter(search="%")) == []
        assert names(typed, DocumentFilter(expired_at=now)) == ["main-db"]
        assert names(typed, DocumentFilter(expired_at=now - timedelta(1))) == []
        assert names(typed, DocumentFilter(owner="ada", kind="Credentials")) == ["main-db"]
        assert names(typed, DocumentFilter(kind="Cred")) == []

    def test_paging_meets_each_document_once_while_others_are_added(self, typed: Registry) -> None:
        for number in range(5):
            typed.documents.save(login(f"m{number}"))
        met: list[str] = []
        cursor = None
        for round_number in range(3):
            page = typed.documents.list(workspace="default", cursor=cursor, limit=2)
            met += [item.name for item in page.items]
            cursor = page.cursor
            typed.documents.save(login(f"a{round_number}"))
        assert met == [f"m{number}" for number in range(5)]
        assert cursor is None

    @pytest.mark.parametrize("cursor", ["x", "", "W10", "WyIyIiwgImEiXQ", "é"])
    def test_a_cursor_from_elsewhere_is_refused(self, typed: Registry, cursor: str) -> None:
        with pytest.raises(InvalidCursor):
            typed.documents.list(workspace="default", cursor=cursor)

    def test_a_rename_keeps_the_history_and_frees_the_name(self, typed: Registry) -> None:
        first = typed.documents.save(login("old", user="first"))
        typed.documents.save(login("old", user="second", overwrite=True))
        renamed = typed.documents.rename("old", "new", workspace="default")
        assert (renamed.id, renamed.name, renamed.revision) == (first.document_id, "new", 2)
        assert [item.name for item in typed.documents.history("new", workspace="default").items] == ["new", "new"]
        with pytest.raises(DocumentNotFound):
            typed.documents.get("old", workspace="default")
        assert typed.documents.save(login("old")).number == 1

    def test_a_rename_takes_no_name_that_is_in_use_or_bad(self, typed: Registry) -> None:
        typed.documents.save(login("one"))
        typed.documents.save(login("two"))
        with pytest.raises(DocumentExists, match="two"):
            typed.documents.rename("one", "two", workspace="default")
        with pytest.raises(InvalidName):
            typed.documents.rename("one", "a/b", workspace="default")
        assert names(typed) == ["one", "two"]

    def test_a_deleted_document_is_gone_with_its_history(self, typed: Registry) -> None:
        saved = typed.documents.save(login("db"))
        assert typed.documents.delete("db", workspace="default") == ()
        for read in (typed.documents.get, typed.documents.history, typed.documents.delete, typed.load):
            with pytest.raises(DocumentNotFound):
                read("db", workspace="default")
        with pytest.raises(DocumentNotFound):
            typed.load_id(saved.document_id)
        again = typed.documents.save(login("db"))
        assert again.number == 1
        assert again.document_id != saved.document_id

    def test_a_delete_can_expect_a_revision(self, typed: Registry) -> None:
        typed.documents.save(login("db"))
        with pytest.raises(RevisionConflict):
            typed.documents.delete("db", workspace="default", expected_revision=2)
        typed.documents.delete("db", workspace="default", expected_revision=1)
        assert names(typed) == []

    def test_inline_blocks_are_checked_and_pinned_to_a_version(self, typed: Registry) -> None:
        inner = {"$type": LOGIN, "user": "x"}
        typed.documents.save(pipeline("flow", fields={"blocks": {"deep": {"$type": PIPELINE, "login": inner}}}))
        found = typed.documents.get("flow", workspace="default").data["blocks"]["deep"]
        assert (found["$version"], found["login"]["$version"]) == (1, 1)
        with pytest.raises((InvalidDocument, TypeNotRegistered), match="contract-nothing"):
            typed.documents.save(pipeline("bad", fields={"blocks": {"x": {"$type": "contract-nothing"}}}))

    def test_dict_keys_that_look_like_references_are_plain_data(self, typed: Registry) -> None:
        fields = {"keys": {"$$block": SECRET, "$$type": SECRET, "~/": SECRET}}
        typed.documents.save(pipeline("flow", fields=fields))
        found = typed.documents.get("flow", workspace="default").data
        assert found["keys"] == {"$$block": MASKED, "$$type": MASKED, "~/": MASKED}
        assert typed.load("flow", workspace="default").referenced == {}
        assert refer("x") not in found.values()
