"""`Block.save` and `Block.delete`: revisions, overwriting, lost races, what a document remembers."""

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from typecase.blocks import Block, BlockType
from typecase.blocks.errors import (
    DocumentExists,
    DocumentInUse,
    DocumentNotFound,
    InvalidBlockType,
    InvalidName,
    KindMismatch,
    RevisionConflict,
)
from typecase.blocks.kinds import Credentials, Database
from typecase.blocks.testing import memory_registry

__all__ = ["memory_registry"]


class Login(Credentials):
    __block__ = BlockType(slug="saving-login")

    user: str = ""
    password: SecretStr | None = None

    def client(self):
        return self.user


class Note(Block):
    __block__ = BlockType(slug="saving-note")

    text: str = ""
    login: Login | None = None


@pytest.fixture(autouse=True)
def registry(memory_registry):
    return memory_registry


def test_a_save_returns_the_revision():
    revision = Note(text="a").save("note")
    assert (revision.workspace, revision.name, revision.number) == ("default", "note", 1)
    assert revision.type_slug == "saving-note"


def test_another_block_does_not_replace_a_document_unasked():
    Note(text="a").save("note")
    with pytest.raises(DocumentExists, match="overwrite=True"):
        Note(text="b").save("note")
    assert Note(text="b").save("note", overwrite=True).number == 2


def test_a_loaded_block_is_saved_over_the_revision_that_it_came_from():
    Note(text="a").save("note")
    note = Note.load("note")
    assert note.model_copy(update={"text": "b"}).save("note").number == 2


def test_two_changes_of_one_revision_are_a_conflict_and_nobodys_is_lost():
    Note(text="a").save("note")
    mine, theirs = Note.load("note"), Note.load("note")
    theirs.model_copy(update={"text": "theirs"}).save("note")
    with pytest.raises(RevisionConflict) as raised:
        mine.model_copy(update={"text": "mine"}).save("note")
    assert (raised.value.expected, raised.value.actual) == (1, 2)
    assert Note.load("note").text == "theirs"


def test_overwrite_does_not_silence_a_conflict():
    Note(text="a").save("note")
    stale = Note.load("note")
    Note(text="b").save("note", overwrite=True)
    with pytest.raises(RevisionConflict):
        stale.save("note", overwrite=True)


def test_a_block_can_be_saved_again_and_again():
    note = Note(text="a")
    assert [note.save("note").number for _ in range(3)] == [1, 2, 3]


def test_an_expected_revision_is_taken_at_its_word():
    Note(text="a").save("note", expected_revision=0)
    with pytest.raises(RevisionConflict):
        Note(text="b").save("note", expected_revision=0)
    assert Note(text="b").save("note", expected_revision=1).number == 2


def test_a_loaded_block_can_be_saved_under_another_name_or_workspace(registry):
    registry.workspaces.create("prod")
    Note(text="a").save("note")
    note = Note.load("note")
    assert note.save("copy").number == 1
    assert Note.load("note").save("note", workspace="prod").number == 1
    assert [Note.load("copy"), Note.load("note", workspace="prod")] == [note, note]


def test_the_type_in_front_is_asserted():
    assert Note().save("saving-note/note").name == "note"
    with pytest.raises(KindMismatch):
        Note().save("saving-login/note")


def test_a_document_keeps_its_type():
    Note().save("note")
    with pytest.raises(KindMismatch, match="saving-note"):
        Login().save("note", overwrite=True)


@pytest.mark.parametrize("name", ["", "a b", "é", "a/b/c", "../x"])
def test_a_bad_name_is_refused(name):
    with pytest.raises((InvalidName, KindMismatch)):
        Note().save(name)


def test_a_class_without_a_type_is_not_saved():
    class Loose(Block):
        text: str = ""

    with pytest.raises(InvalidBlockType, match="BlockType"):
        Loose().save("loose")


def test_what_is_known_about_a_document_is_saved_with_it(registry):
    end = datetime(2030, 1, 1, tzinfo=UTC)
    Note().save("note", description="A note", tags=("x",), owner="ada", expires_at=end)
    found = registry.documents.get("note", workspace="default")
    assert (found.description, found.tags, found.owner, found.expires_at) == ("A note", ("x",), "ada", end)
    Note.load("note").save("note", owner="bob")
    found = registry.documents.get("note", workspace="default")
    assert (found.description, found.tags, found.owner, found.expires_at) == ("A note", ("x",), "bob", end)


def test_saving_registers_each_type_that_it_meets(registry):
    Note(login=Login()).save("note")
    assert [record.slug for record in registry.types.all()] == ["saving-login", "saving-note"]


def test_saving_a_loaded_block_never_writes_a_reference_as_a_literal(registry):
    Login(password="kept-apart").save("login")
    Note(login=Login.load("login")).save("note")
    Note.load("note").model_copy(update={"text": "b"}).save("note")
    stored = registry.load("note", workspace="default").root.data
    assert b"kept-apart" not in stored
    assert b'"$block"' in stored


def test_deleting_removes_the_document():
    Note().save("note")
    assert Note.delete("note") == ()
    with pytest.raises(DocumentNotFound):
        Note.load("note")


def test_deleting_through_another_class_is_refused():
    Login().save("login")
    with pytest.raises(KindMismatch, match="Delete it through `Block`"):
        Database.delete("login")
    with pytest.raises(KindMismatch):
        Block.delete("saving-note/login")
    Block.delete("saving-login/login")


def test_deleting_what_is_used_is_refused_unless_forced():
    login = Login(user="ada")
    login.save("login")
    Note(login=login).save("note")
    with pytest.raises(DocumentInUse, match="default/note"):
        Login.delete("login")
    (broken,) = Login.delete("login", force=True)
    assert (broken.name, broken.path) == ("note", "/login")


def test_deleting_reads_from_parents_but_deletes_only_here(registry):
    registry.workspaces.create("prod", parent="default")
    Note().save("note")
    with pytest.raises(DocumentNotFound):
        Note.delete("note", workspace="prod")
    assert Note.load("note", workspace="prod") == Note()
