"""What every registry promises of references to secrets, and of the stores that they lead to."""

# ruff: noqa: ARG002, D102, PLR2004, S101  a fixture is asked for by its name, a test's name is its sentence,
# an expected number the specification, assert its verb

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from typecase.blocks.block import Block
from typecase.blocks.dumping import origin_of
from typecase.blocks.errors import (
    DocumentExists,
    DocumentInUse,
    InvalidBlock,
    InvalidDocument,
    ReferenceCycle,
    ReferenceNotFound,
    RevisionConflict,
)
from typecase.blocks.registries import use_registry
from typecase.blocks.registry import Registry
from typecase.blocks.secrets import secret
from typecase.blocks.testing.documents import MASKED, RegistryFixtures, names
from typecase.blocks.testing.samples import LOGIN, SECRET, Drawer, Login, Pipeline, Step, login, pipeline

FETCHED = "fetched-from-the-store-\u00e9"


def fetch(target: Any) -> dict[str, Any]:
    """A field that refers to the secret at `target`."""
    return {"$secret": target}


def shown(**target: Any) -> dict[str, Any]:
    """The same field as it is read."""
    return {"$secret": {"set": True, "source": target}}


def stored(registry: Registry, name: str) -> Any:
    """The data of a document as it is loaded, with ids of stores in references."""
    return json.loads(registry.load(name, workspace="default").root.data)


class SecretReferenceContract(RegistryFixtures):
    """References to secrets: shown, never followed by the registry, kept by blocks, their stores protected."""

    @pytest.fixture
    def drawer(self, typed: Registry, tmp_path: Path) -> Iterator[Drawer]:
        """A store in the registry, saved as `vault`, with the secret under `db`; the registry is the current one."""
        folder = tmp_path / "drawer"
        folder.mkdir()
        made = Drawer(folder=str(folder))
        made.put("db", SecretStr(FETCHED))
        made.put("json", SecretStr(json.dumps({"user": "eve", "password": FETCHED, "name": "n", "token": FETCHED})))
        made.save("vault", registry=typed)
        with use_registry(typed):
            yield made

    @pytest.fixture
    def store(self, drawer: Drawer) -> str:
        """The document id of `drawer`."""
        origin = origin_of(drawer)
        assert origin is not None
        return origin.document_id

    @pytest.mark.parametrize(
        "target",
        [
            "vault/db",
            "secret://vault/db",
            {"store": "vault", "key": "db"},
            {"store": "contract-drawer/vault", "key": "db"},
            {"store": {"name": "vault"}, "key": "db"},
            {"store": {"name": "vault", "workspace": "default"}, "key": "db"},
        ],
    )
    def test_a_secret_is_referred_to_in_many_ways_and_shown_in_one(
        self, typed: Registry, store: str, target: Any
    ) -> None:
        typed.documents.save(pipeline("flow", fields={"tokens": [fetch(target)]}))
        assert typed.documents.get("flow", workspace="default").data == {"tokens": [shown(store="vault", key="db")]}
        assert stored(typed, "flow") == {"tokens": [fetch({"store": {"id": store}, "key": "db"})]}

    def test_a_store_is_named_by_its_id(self, typed: Registry, store: str) -> None:
        typed.documents.save(pipeline("flow", fields={"tokens": [fetch({"store": {"id": store}, "key": "db"})]}))
        assert typed.documents.get("flow", workspace="default").data == {"tokens": [shown(store="vault", key="db")]}

    def test_field_and_version_are_kept(self, typed: Registry, drawer: Drawer) -> None:
        reference = {"store": "vault", "key": "a/b c", "field": "x", "version": "3"}
        typed.documents.save(pipeline("flow", fields={"tokens": [fetch(reference)]}))
        assert typed.documents.get("flow", workspace="default").data == {"tokens": [shown(**reference)]}

    def test_reading_covers_literals_and_shows_references(self, typed: Registry, drawer: Drawer) -> None:
        typed.documents.save(pipeline("flow", fields={"tokens": [SECRET, fetch("vault/db")]}))
        found = typed.documents.get("flow", workspace="default").data
        assert found == {"tokens": [MASKED, shown(store="vault", key="db")]}

    def test_any_field_may_be_a_reference_at_any_depth(self, typed: Registry, store: str) -> None:
        fields = {
            "size": fetch("vault/db"),
            "step": fetch("vault/json"),
            "steps": {"a": [{"name": fetch("vault/db")}]},
            "keys": {"k": fetch("vault/db")},
            "login": {"$type": LOGIN, "user": fetch("vault/db")},
        }
        typed.documents.save(pipeline("flow", fields=fields))
        paths = [item.path for item in typed.documents.dependents("vault", workspace="default")]
        assert sorted(paths) == ["/keys/k", "/login/user", "/size", "/step", "/steps/a/0/name"]

    def test_a_whole_document_may_be_one_reference(self, typed: Registry, store: str) -> None:
        typed.documents.save(pipeline("flow", fields=fetch("vault/json")))
        assert typed.documents.get("flow", workspace="default").data == shown(store="vault", key="json")
        assert stored(typed, "flow") == fetch({"store": {"id": store}, "key": "json"})

    def test_dict_keys_that_look_like_secrets_are_plain_data(self, typed: Registry) -> None:
        typed.documents.save(pipeline("flow", fields={"keys": {"$$secret": SECRET}}))
        assert typed.documents.get("flow", workspace="default").data == {"keys": {"$$secret": MASKED}}
        assert typed.load("flow", workspace="default").referenced == {}

    @pytest.mark.parametrize("target", ["vault", {"store": "vault"}, {"key": "db"}, 5, {"store": "vault", "key": ""}])
    def test_what_is_no_reference_is_refused_in_its_place(self, typed: Registry, drawer: Drawer, target: Any) -> None:
        with pytest.raises(InvalidDocument, match=r"tokens\.0"):
            typed.documents.save(pipeline("flow", fields={"tokens": [fetch(target)]}))

    @pytest.mark.parametrize("target", ["vautl/db", {"store": {"id": "0" * 32}, "key": "db"}, f"{LOGIN}%2Fvault/db"])
    def test_a_store_that_is_not_there_is_refused(self, typed: Registry, drawer: Drawer, target: Any) -> None:
        with pytest.raises(ReferenceNotFound):
            typed.documents.save(pipeline("flow", fields={"tokens": [fetch(target)]}))
        assert names(typed) == ["vault"]

    @pytest.mark.parametrize("store", ["env", "file"])
    def test_a_store_that_needs_no_document_is_none(self, typed: Registry, store: str) -> None:
        typed.documents.save(pipeline("flow", fields={"tokens": [fetch(f"{store}/db")]}))
        assert typed.documents.get("flow", workspace="default").data == {"tokens": [shown(store=store, key="db")]}
        assert typed.load("flow", workspace="default").referenced == {}

    def test_the_store_comes_along_with_the_document(self, typed: Registry, store: str) -> None:
        typed.documents.save(login("gate"))
        Drawer(folder="elsewhere", token=secret("vault", "db")).save("inner", registry=typed)
        typed.documents.save(pipeline("flow", fields={"tokens": [fetch("inner/x")]}))
        tree = typed.load("flow", workspace="default")
        assert sorted(item.name for item in tree.referenced.values()) == ["inner", "vault"]
        assert tree.referenced[store].type_slug == "contract-drawer"

    def test_an_older_revision_comes_with_the_newest_of_its_store(self, typed: Registry, store: str) -> None:
        typed.documents.save(pipeline("flow", fields={"tokens": [fetch("vault/db")]}))
        typed.documents.save(pipeline("flow", overwrite=True))
        Drawer(folder="elsewhere").save("vault", overwrite=True)
        tree = typed.load("flow", workspace="default", revision=1)
        assert tree.referenced[store].revision == 2

    def test_a_store_in_use_is_not_deleted(self, typed: Registry, drawer: Drawer) -> None:
        typed.documents.save(pipeline("flow", fields={"tokens": [fetch("vault/db")]}))
        with pytest.raises(DocumentInUse, match="default/flow"):
            typed.documents.delete("vault", workspace="default")
        assert names(typed) == ["flow", "vault"]

    def test_without_its_store_a_document_says_where_it_looked(self, typed: Registry, drawer: Drawer) -> None:
        Login(user="ada", password=secret("vault", "db")).save("db")
        (broken,) = typed.documents.delete("vault", workspace="default", force=True)
        assert (broken.name, broken.path) == ("db", "/password")
        password = Login.load("db").password
        with pytest.raises(ReferenceNotFound, match="field 'password' of default/db"):
            password.get_secret_value()  # type: ignore[union-attr] # it was given above

    def test_a_renamed_store_is_followed(self, typed: Registry, drawer: Drawer) -> None:
        Login(user="ada", password=secret("vault", "db")).save("db")
        typed.documents.rename("vault", "safe", workspace="default")
        assert typed.documents.get("db", workspace="default").data["password"] == shown(store="safe", key="db")
        assert _password("db") == FETCHED

    def test_a_store_of_the_parent_is_used_in_its_children(self, typed: Registry, drawer: Drawer) -> None:
        typed.workspaces.create("prod", parent="default")
        Login(user="ada", password=secret("vault", "db")).save("db", workspace="prod")
        found = typed.documents.get("db", workspace="prod").data["password"]
        assert found == shown(store="vault", key="db")
        assert _password("db", workspace="prod") == FETCHED

    def test_a_shadowed_store_is_shown_with_its_workspace_and_can_be_saved_so(
        self, typed: Registry, drawer: Drawer
    ) -> None:
        typed.workspaces.create("prod", parent="default")
        typed.documents.save(pipeline("flow", workspace="prod", fields={"tokens": [fetch("vault/db")]}))
        drawer.model_copy(update={"folder": "elsewhere"}).save("vault", workspace="prod")
        (found,) = typed.documents.get("flow", workspace="prod").data["tokens"]
        source = found["$secret"]["source"]
        assert source == {"store": {"name": "vault", "workspace": "default"}, "key": "db"}
        typed.documents.save(pipeline("flow", workspace="prod", fields={"tokens": [fetch(source)]}, overwrite=True))
        assert typed.documents.diff("flow", workspace="prod", before=1, after=2) == ()

    def test_a_store_never_needs_itself(self, typed: Registry, drawer: Drawer) -> None:
        with pytest.raises(ReferenceCycle, match="vault -> vault"):
            drawer.model_copy(update={"token": secret("vault", "db")}).save("vault")
        drawer.model_copy(update={"token": secret("vault", "db")}).save("other")
        with pytest.raises(ReferenceCycle, match="vault -> other -> vault"):
            drawer.model_copy(update={"token": secret("other", "db")}).save("vault", overwrite=True)
        assert typed.documents.get("vault", workspace="default").revision == 1

    def test_a_changed_reference_is_a_change_that_shows_no_literal(self, typed: Registry, drawer: Drawer) -> None:
        typed.documents.save(pipeline("flow", fields={"tokens": [fetch("vault/db")]}))
        typed.documents.save(pipeline("flow", fields={"tokens": [SECRET]}, overwrite=True))
        (change,) = typed.documents.diff("flow", workspace="default", before=1, after=2)
        assert (change.path, change.secret) == ("tokens.0", True)
        assert (change.before, change.after) == (shown(store="vault", key="db"), None)

    def test_a_restored_revision_refers_again(self, typed: Registry, drawer: Drawer) -> None:
        Login(user="ada", password=secret("vault", "db")).save("db")
        Login(user="ada", password=SecretStr("literal")).save("db", overwrite=True)
        typed.documents.restore("db", workspace="default", revision=1)
        assert _password("db") == FETCHED
        assert [item.name for item in typed.documents.dependents("vault", workspace="default")] == ["db"]

    def test_after_a_rotation_of_keys_references_lead_where_they_led(self, typed: Registry, drawer: Drawer) -> None:
        Login(user="ada", password=secret("vault", "db")).save("db")
        typed.keys.rotate(retire=True)
        assert _password("db") == FETCHED

    def test_a_whole_model_comes_from_one_secret(self, typed: Registry, drawer: Drawer) -> None:
        Pipeline(step=secret("vault", "json"), login=secret("vault", "json")).save("flow")
        before = stored(typed, "flow")
        loaded = Pipeline.load("flow")
        assert loaded.step == Step(name="n", token=SecretStr(FETCHED))
        assert loaded.login == Login(user="eve", password=SecretStr(FETCHED))
        loaded.save("flow")
        assert stored(typed, "flow") == before

    def test_an_unsaved_block_that_is_one_reference_stands_in_no_other(self, typed: Registry, drawer: Drawer) -> None:
        whole = Login.model_validate(fetch("vault/json"))
        with pytest.raises(InvalidBlock, match="login: this Login is one reference"):
            Pipeline(login=whole).save("flow")
        whole.save("db")
        Pipeline(login=whole).save("flow")
        assert Pipeline.load("flow").login == Login(user="eve", password=SecretStr(FETCHED))

    def test_what_was_fetched_is_never_saved(self, typed: Registry, drawer: Drawer) -> None:
        Login(user=secret("vault", "db"), password=secret("vault", "json", field="password")).save("db")
        before = stored(typed, "db")
        loaded = Login.load("db", resolve="eager")
        assert (loaded.user, _password("db")) == (FETCHED, FETCHED)
        loaded.save("db")
        loaded.save("copy")
        assert stored(typed, "db") == stored(typed, "copy") == before

    def test_a_changed_block_keeps_its_other_references(self, typed: Registry, store: str) -> None:
        Login(user=secret("vault", "db"), password=secret("vault", "db")).save("db")
        Login.load("db").model_copy(update={"user": "bob"}).save("db")
        assert stored(typed, "db") == {"user": "bob", "password": fetch({"store": {"id": store}, "key": "db"})}

    def test_a_changed_field_of_a_whole_model_leaves_references_to_the_others(
        self, typed: Registry, store: str
    ) -> None:
        Login.model_validate(fetch("vault/json")).save("db")
        Login.load("db").model_copy(update={"user": "bob"}).save("db")
        reference = {"store": {"id": store}, "key": "json", "field": "password"}
        assert stored(typed, "db") == {"user": "bob", "password": fetch(reference)}

    def test_literals_are_moved_to_a_store_on_request(self, typed: Registry, drawer: Drawer) -> None:
        Login(user="ada", password=SecretStr(SECRET)).save("db", secrets_to="vault")
        assert SECRET not in json.dumps(stored(typed, "db"), ensure_ascii=False)
        assert _password("db") == SECRET
        assert [item.path for item in typed.documents.dependents("vault", workspace="default")] == ["/password"]

    def test_a_save_that_is_refused_leaves_nothing_in_the_store(self, typed: Registry, drawer: Drawer) -> None:
        before = list(drawer.list())
        Login(user="ada").save("db")
        stale = Login.load("db")
        Login.load("db").model_copy(update={"user": "bob"}).save("db")
        with pytest.raises(DocumentExists):
            Login(password=SecretStr(SECRET)).save("db", secrets_to="vault")
        with pytest.raises(RevisionConflict):
            stale.model_copy(update={"password": SECRET}).save("db", secrets_to="vault")
        assert list(drawer.list()) == before

    def test_a_stale_change_is_refused_and_references_stay(self, typed: Registry, drawer: Drawer) -> None:
        Login(user="ada", password=secret("vault", "db")).save("db")
        stale = Login.load("db")
        Login.load("db").model_copy(update={"user": "bob"}).save("db")
        with pytest.raises(RevisionConflict):
            stale.model_copy(update={"password": SECRET}).save("db")
        assert _password("db") == FETCHED


def _password(name: str, *, workspace: str = "default") -> str:
    found = Block.load(name, workspace=workspace)
    assert isinstance(found, Login)
    assert found.password is not None
    return found.password.get_secret_value()
