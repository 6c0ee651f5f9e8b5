"""What every registry promises of revisions."""

# ruff: noqa: D102, PLR2004, S101  a test's name is its sentence, an expected number the specification, assert its verb

import json

import pytest

from typecase.blocks.errors import InvalidCursor, ReferenceNotFound, RevisionConflict, RevisionNotFound
from typecase.blocks.records import Change
from typecase.blocks.registry import Registry
from typecase.blocks.testing.documents import RegistryFixtures
from typecase.blocks.testing.samples import LOGIN, SECRET, SECRETS_EVERYWHERE, login, pipeline, refer


class HistoryContract(RegistryFixtures):
    """History, differences, restoring."""

    def test_history_is_newest_first(self, typed: Registry) -> None:
        for author in ("ada", "bob", "eve"):
            typed.documents.save(login("db", overwrite=True, author=author))
        page = typed.documents.history("db", workspace="default")
        authors = [self.author or name for name in ("eve", "bob", "ada")]
        assert [(item.number, item.author) for item in page.items] == list(zip((3, 2, 1), authors, strict=True))
        assert page.cursor is None
        assert page.items[0].created_at >= page.items[2].created_at

    def test_history_is_paged_while_revisions_are_added(self, typed: Registry) -> None:
        for _ in range(5):
            typed.documents.save(login("db", overwrite=True))
        met: list[int] = []
        cursor = None
        for _ in range(3):
            page = typed.documents.history("db", workspace="default", cursor=cursor, limit=2)
            met += [item.number for item in page.items]
            cursor = page.cursor
            typed.documents.save(login("db", overwrite=True))
        assert met == [5, 4, 3, 2, 1]
        assert cursor is None

    def test_a_cursor_of_another_list_does_not_page_history(self, typed: Registry) -> None:
        typed.documents.save(login("a"))
        typed.documents.save(login("b"))
        other = typed.documents.list(workspace="default", limit=1).cursor
        for cursor in ("nonsense", other):
            with pytest.raises(InvalidCursor):
                typed.documents.history("a", workspace="default", cursor=cursor)

    def test_older_revisions_can_be_read_masked(self, typed: Registry) -> None:
        typed.documents.save(login("db", user="first"))
        typed.documents.save(login("db", user="second", overwrite=True))
        old = typed.documents.get("db", workspace="default", revision=1)
        assert (old.revision, old.data["user"]) == (1, "first")
        assert SECRET[:10] not in repr(old)
        with pytest.raises(RevisionNotFound, match="3"):
            typed.documents.get("db", workspace="default", revision=3)

    def test_a_difference_names_fields(self, typed: Registry) -> None:
        typed.documents.save(pipeline("flow", fields={"size": 1, "step": {"name": "a"}, "either": 1}))
        typed.documents.save(pipeline("flow", fields={"size": 2, "step": {"name": "a"}}, overwrite=True))
        changes = typed.documents.diff("flow", workspace="default", before=1, after=2)
        assert Change(path="size", action="changed", secret=False, before=1, after=2) in changes
        assert [(change.path, change.action) for change in changes] == [("either", "removed"), ("size", "changed")]

    def test_a_difference_shows_of_a_secret_only_that_it_changed(self, typed: Registry) -> None:
        typed.documents.save(pipeline("flow", fields=SECRETS_EVERYWHERE))
        other = json.loads(json.dumps(SECRETS_EVERYWHERE).replace("contract-secret", "contract-secreT"))
        typed.documents.save(pipeline("flow", fields=other, overwrite=True))
        changes = typed.documents.diff("flow", workspace="default", before=1, after=2)
        assert {change.path for change in changes} == {
            "login.password", "step.token", "steps.all.0.token", "tokens.0", "keys.a", "pair.1", "either", "table",
        }  # fmt: skip
        assert {(change.secret, change.before, change.after) for change in changes} == {(True, None, None)}

    def test_equal_revisions_do_not_differ(self, typed: Registry) -> None:
        typed.documents.save(pipeline("flow", fields=SECRETS_EVERYWHERE))
        typed.documents.save(pipeline("flow", fields=SECRETS_EVERYWHERE, overwrite=True))
        assert typed.documents.diff("flow", workspace="default", before=1, after=2) == ()
        with pytest.raises(RevisionNotFound):
            typed.documents.diff("flow", workspace="default", before=1, after=3)

    def test_a_difference_names_the_documents_that_are_referred_to(self, typed: Registry) -> None:
        typed.documents.save(login("one"))
        typed.documents.save(login("two"))
        typed.documents.save(pipeline("flow", fields={"login": refer("one")}))
        typed.documents.save(pipeline("flow", fields={"login": refer("two")}, overwrite=True))
        changes = typed.documents.diff("flow", workspace="default", before=1, after=2)
        assert ["one" in repr(change.before) and "two" in repr(change.after) for change in changes] == [True]

    def test_restoring_writes_an_old_revision_again(self, typed: Registry) -> None:
        typed.documents.save(login("db", user="first"))
        typed.documents.save(login("db", user="second", overwrite=True))
        restored = typed.documents.restore("db", workspace="default", revision=1, author="bob")
        assert (restored.number, restored.restored_from, restored.author) == (3, 1, self.author or "bob")
        assert (restored.type_slug, restored.schema_version) == (LOGIN, 1)
        assert json.loads(typed.load("db", workspace="default").root.data) == {"user": "first", "password": SECRET}
        assert typed.documents.diff("db", workspace="default", before=1, after=3) == ()

    def test_restoring_can_expect_a_revision(self, typed: Registry) -> None:
        typed.documents.save(login("db"))
        typed.documents.save(login("db", overwrite=True))
        with pytest.raises(RevisionConflict):
            typed.documents.restore("db", workspace="default", revision=1, expected_revision=1)
        with pytest.raises(RevisionNotFound):
            typed.documents.restore("db", workspace="default", revision=5)
        assert typed.documents.restore("db", workspace="default", revision=1, expected_revision=2).number == 3

    def test_restoring_what_refers_to_a_deleted_document_is_refused(self, typed: Registry) -> None:
        typed.documents.save(login("gone"))
        typed.documents.save(pipeline("flow", fields={"login": refer("gone")}))
        typed.documents.save(pipeline("flow", overwrite=True))
        typed.documents.delete("gone", workspace="default")
        with pytest.raises(ReferenceNotFound):
            typed.documents.restore("flow", workspace="default", revision=1)
        assert typed.documents.get("flow", workspace="default").revision == 2
