"""References survive: saving what was loaded, copies, pickles, restored revisions, renamed stores, migrations."""

import copy
import json
import pickle

import cloudpickle
import pytest
from fakes.memory_vault import SHELVES, MemoryVault, shelf
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, Secret, SecretBytes, SecretStr

from typecase.blocks import Block, BlockType, Credentials, migration, secret, use_registry
from typecase.blocks.errors import ReferenceNotFound, SecretMalformed, UnsavedSecrets
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.records import Draft
from typecase.blocks.schema import definition_of
from typecase.blocks.secrets.cache import CACHE
from typecase.blocks.testing import memory_registry

__all__ = ["memory_registry"]


class Step(BaseModel):
    name: str = ""
    token: SecretStr | None = None


class Login(Credentials):
    __block__ = BlockType(slug="trips-login")

    user: str = ""
    password: SecretStr | None = None

    def client(self):
        return self.user


class Flow(Block):
    __block__ = BlockType(slug="trips-flow")

    host: str = "localhost"
    port: int = 1
    password: SecretStr | None = None
    raw: SecretBytes | None = None
    step: Step | None = None
    steps: list[Step] = []
    keys: dict[str, SecretStr] = {}
    options: dict[str, str] = {}
    login: Login | None = None
    nested: dict[str, list[dict[str, str]]] = {}


class Guarded(Block):
    __block__ = BlockType(slug="trips-guarded")

    long: SecretStr | None = Field(None, min_length=8)
    tables: list[Secret[dict[str, int]]] = []


class Old(Block):
    __block__ = BlockType(slug="trips-moved")

    address: str = ""
    secret_word: SecretStr | None = None


class New(Block):
    __block__ = BlockType(slug="trips-moved")

    host: str
    password: SecretStr

    @migration(from_version=1)
    @staticmethod
    def rename(data):
        return {"host": data["address"], "password": data["secret_word"]}


@pytest.fixture(autouse=True)
def vault(memory_registry):
    SHELVES.clear()
    CACHE.clear()
    MemoryVault().save("vault")
    held = shelf()
    held.secrets = {
        "a": "first-value",
        "b": "second-value",
        "n": "7",
        "o": json.dumps({"name": "N", "token": "T-token"}),
    }
    yield held
    CACHE.clear()


def written(name="mine", registry=None):
    from typecase.blocks import current_registry

    return json.loads((registry or current_registry()).load(name, workspace="default").root.data)


def refer(key, **more):
    return {"$secret": {"store": {"id": Block.load("vault")._origin.document_id}, "key": key, **more}}


def everything():
    return Flow(
        host=secret("vault", "a"),
        port=secret("vault", "n"),
        password=secret("vault", "b", version=None),
        step={"name": secret("vault", "a"), "token": secret("vault", "b")},
        steps=[Step(token=secret("vault", "a")), Step(name="x")],
        keys={"$k": secret("vault", "a"), "lit": "literal"},
        options={"$x": secret("vault", "a"), "y": "plain"},
        login=Login(user=secret("vault", "a"), password=secret("vault", "b")),
        nested={"a": [{"b": secret("vault", "b"), "c": "d"}]},
    )


class TestSavingAgain:
    def test_a_block_that_was_loaded_is_saved_as_it_was(self):
        everything().save("mine")
        before = written()
        Flow.load("mine").save("mine")
        assert written() == before

    def test_one_changed_field_changes_nothing_else(self):
        everything().save("mine")
        before = written()
        Flow.load("mine").model_copy(update={"raw": b"raw"}).save("mine")
        assert {**written(), "raw": None} == before

    def test_so_it_is_after_everything_was_fetched(self):
        everything().save("mine")
        before = written()
        loaded = Flow.load("mine", resolve="eager")
        assert loaded.password.get_secret_value() == "second-value"
        loaded.model_copy(update={"raw": b"raw"}).save("mine")
        assert {**written(), "raw": None} == before

    def test_a_change_of_a_change_still_knows(self):
        everything().save("mine")
        before = written()
        changed = Flow.load("mine").model_copy(update={"raw": b"raw"}).model_copy(update={"raw": None}, deep=True)
        changed.save("mine")
        assert written() == before

    def test_a_literal_in_place_of_a_reference_is_the_new_value(self):
        everything().save("mine")
        Flow.load("mine").model_copy(update={"host": "other", "password": SecretStr("literal")}).save("mine")
        assert (written()["host"], written()["password"]) == ("other", "literal")
        assert written()["port"] == refer("n")

    def test_a_reference_in_place_of_another_is_the_new_one(self):
        everything().save("mine")
        Flow.load("mine").model_copy(
            update={"host": secret("vault", "b"), "options": {"q": secret("vault", "b")}}
        ).save("mine")
        assert (written()["host"], written()["options"]) == (refer("b"), {"q": refer("b")})
        assert Flow.load("mine").host == "second-value"

    def test_a_change_beside_a_reference_keeps_it(self):
        everything().save("mine")
        loaded = Flow.load("mine")
        loaded.model_copy(update={"options": {**loaded.options, "y": "new"}}).save("mine")
        assert written()["options"] == {"$$x": refer("a"), "y": "new"}

    def test_a_field_changed_in_a_whole_model_leaves_references_to_the_others(self):
        Flow(step=secret("vault", "o")).save("mine")
        assert written()["step"] == refer("o")
        loaded = Flow.load("mine")
        loaded.model_copy(update={"step": loaded.step.model_copy(update={"name": "mine"})}).save("mine")
        assert written()["step"] == {"name": "mine", "token": refer("o", field="token")}
        assert Flow.load("mine").step.token.get_secret_value() == "T-token"

    def test_a_whole_block_stays_one_reference_until_it_is_changed(self, vault):
        vault.secrets["login"] = json.dumps({"user": "ada", "password": "hunter-22"})
        Login.model_validate({"$secret": "vault/login"}).save("mine")
        loaded = Login.load("mine")
        loaded.save("mine")
        assert written() == refer("login")
        loaded.model_copy(update={"user": "bob"}).save("mine")
        assert written() == {"user": "bob", "password": refer("login", field="password")}

    def test_a_block_inside_keeps_its_own_references(self):
        Login(user=secret("vault", "a"), password=secret("vault", "b")).save("login")
        Flow(login=Login.load("login")).save("mine")
        loaded = Flow.load("mine")
        loaded.model_copy(update={"port": 2}).save("mine")
        assert written("login") == {"user": refer("a"), "password": refer("b")}
        assert set(written()["login"]) == {"$block"}

    def test_an_inline_block_keeps_its_references(self):
        Flow(login=Login(user=secret("vault", "a"), password=secret("vault", "b"))).save("mine")
        Flow.load("mine").model_copy(update={"port": 2}).save("mine")
        inner = written()["login"]
        assert (inner["user"], inner["password"]) == (refer("a"), refer("b"))

    def test_what_was_changed_is_not_undone_by_a_refresh(self):
        Flow(host=secret("vault", "a"), port=secret("vault", "n"), password=secret("vault", "b")).save("mine")
        changed = Flow.load("mine").model_copy(update={"host": "other"})
        assert (changed.refreshed().host, changed.refreshed().port) == ("other", 7)

    def test_nor_is_a_field_of_a_block_that_one_secret_gave(self, vault):
        vault.secrets["whole"] = json.dumps({"host": "db", "port": 9})
        Flow.model_validate(secret("vault", "whole")).save("mine")
        changed = Flow.load("mine").model_copy(update={"host": "other"})
        vault.secrets["whole"] = json.dumps({"host": "db", "port": 10})
        CACHE.clear()
        assert (changed.refreshed().host, changed.refreshed().port) == ("other", 10)

    def test_what_was_overwritten_is_not_asked_for_any_more(self, vault):
        Flow(host=secret("vault", "a")).save("mine")
        changed = Flow.load("mine").model_copy(update={"host": "other"})
        del vault.secrets["a"]
        CACHE.clear()
        assert changed.refreshed() == changed

    def test_items_that_moved_in_a_list_take_their_references_along(self):
        Flow(steps=[{"name": secret("vault", "a")}, {"name": "own"}, {"name": secret("vault", "b")}]).save("mine")
        loaded = Flow.load("mine")
        loaded.model_copy(update={"steps": loaded.steps[::-1]}).save("turned")
        assert [step["name"] for step in written("turned")["steps"]] == [refer("b"), "own", refer("a")]
        loaded.model_copy(update={"steps": loaded.steps[1:]}).save("fewer")
        assert [step["name"] for step in written("fewer")["steps"]] == ["own", refer("b")]

    def test_a_secret_that_rotated_since_the_load_changes_no_reference(self, vault):
        everything().save("mine")
        before = written()
        loaded = Flow.load("mine")
        vault.secrets["a"] = "rotated"
        CACHE.clear()
        loaded.model_copy(update={"raw": b"raw"}).save("mine")
        assert {**written(), "raw": None} == before

    def test_a_refreshed_block_keeps_references_and_knows_its_document(self, vault):
        everything().save("mine")
        before, loaded = written(), Flow.load("mine")
        vault.secrets["a"] = "rotated"
        CACHE.clear()
        fresh = loaded.refreshed()
        assert (fresh.host, fresh.options["$x"], fresh.login.user) == ("rotated", "rotated", "rotated")
        assert fresh.save("mine").number == 2
        assert written() == before

    def test_under_another_name_references_go_along(self):
        everything().save("mine")
        Flow.load("mine").save("copy")
        assert written("copy") == written("mine")

    def test_in_another_registry_the_store_is_looked_for_and_missed(self):
        everything().save("mine")
        loaded = Flow.load("mine")
        with pytest.raises(ReferenceNotFound):
            loaded.save("mine", registry=MemoryRegistry())


class TestCopies:
    @pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, Flow.model_copy])
    def test_a_copy_is_the_saved_block_with_its_references(self, vault, duplicate):
        everything().save("mine")
        before = written()
        copied = duplicate(Flow.load("mine"))
        reads = len(vault.reads)
        assert copied.save("mine").number == 2
        assert written() == before
        assert len(vault.reads) == reads

    @pytest.mark.parametrize("pickler", [pickle, cloudpickle])
    def test_a_saved_block_travels_by_reference_and_resolves_where_it_arrives(self, vault, pickler):
        everything().save("mine")
        data = pickler.dumps(Flow.load("mine"))
        vault.secrets["a"] = "rotated"
        CACHE.clear()
        arrived = pickle.loads(data)
        assert (arrived.host, arrived.step.token.get_secret_value()) == ("rotated", "second-value")
        assert b"first-value" not in data

    @pytest.mark.parametrize("pickler", [pickle, cloudpickle])
    def test_an_unsaved_block_travels_with_its_references(self, vault, pickler):
        built = Flow(host=secret("vault", "a"), password=secret("vault", "b"), raw=secret("vault", "a"))
        data = pickler.dumps(built)
        assert vault.reads == []
        arrived = pickle.loads(data)
        assert arrived == built
        assert arrived.raw.get_secret_value() == b"first-value"
        arrived.save("mine")
        assert (written()["host"], written()["password"]) == (refer("a"), refer("b"))

    @pytest.mark.parametrize("pickler", [pickle, cloudpickle])
    def test_rules_of_a_field_travel_along(self, vault, pickler):
        vault.secrets["a"] = "short"
        block = Guarded(long=secret("vault", "a"), tables=[secret("vault", "a")])
        arrived = pickler.loads(pickler.dumps(block))
        for placeholder in (arrived.long, arrived.tables[0]):
            with pytest.raises(SecretMalformed):
                placeholder.get_secret_value()

    def test_a_changed_block_that_holds_fetched_values_does_not_travel(self):
        everything().save("mine")
        changed = Flow.load("mine").model_copy(update={"raw": None})
        with pytest.raises(UnsavedSecrets):
            pickle.dumps(changed)

    def test_beside_a_literal_secret_a_reference_is_no_passport(self):
        with pytest.raises(UnsavedSecrets):
            pickle.dumps(Flow(password=secret("vault", "a"), keys={"x": "literal"}))


class TestHistory:
    def test_a_restored_revision_refers_as_it_did(self, memory_registry):
        Flow(host=secret("vault", "a")).save("mine")
        Flow.load("mine").model_copy(update={"host": "literal"}).save("mine")
        memory_registry.documents.restore("mine", workspace="default", revision=1)
        assert written()["host"] == refer("a")
        assert Flow.load("mine").host == "first-value"

    def test_an_older_revision_is_resolved_as_things_are_now(self, vault):
        Flow(host=secret("vault", "a")).save("mine")
        Flow.load("mine").model_copy(update={"host": "literal"}).save("mine")
        vault.secrets["a"] = "rotated"
        CACHE.clear()
        assert Flow.load("mine", revision=1).host == "rotated"

    def test_a_renamed_store_is_still_the_store(self, memory_registry):
        Flow(host=secret("vault", "a"), password=secret("vault", "b")).save("mine")
        loaded = Flow.load("mine")
        memory_registry.documents.rename("vault", "safe", workspace="default")
        assert loaded.password.get_secret_value() == "second-value"
        again = Flow.load("mine")
        assert repr(again.password) == "secret('safe', 'b')"
        assert again.password.get_secret_value() == "second-value"
        shown = memory_registry.documents.get("mine", workspace="default").data
        assert shown["host"]["$secret"]["source"]["store"] == "safe"

    def test_a_store_that_is_replaced_under_its_name_is_followed(self, vault):
        Flow(host=secret("vault", "a")).save("mine")
        shelf("other").secrets["a"] = "from-other"
        MemoryVault.load("vault").model_copy(update={"place": "other"}).save("vault")
        assert Flow.load("mine").host == "from-other"


class TestMigrations:
    @pytest.fixture(autouse=True)
    def older(self, memory_registry, monkeypatch):
        from typecase.blocks.catalog import CATALOG

        Old(address=secret("vault", "a"), secret_word=secret("vault", "b")).save("mine")
        found = CATALOG.get
        monkeypatch.setattr(CATALOG, "get", lambda slug, **how: New if slug == "trips-moved" else found(slug, **how))

    def test_a_migration_moves_references_like_values(self):
        loaded = New.load("mine")
        assert (loaded.host, loaded.password.get_secret_value()) == ("first-value", "second-value")

    def test_the_migrated_document_is_saved_with_references(self):
        New.load("mine").save("mine")
        assert written() == {"host": refer("a"), "password": refer("b")}

    def test_a_migration_costs_no_call_more(self, vault):
        MemoryVault.load("vault").model_copy(update={"cache_seconds": 0}).save("vault")
        New.load("mine")
        assert vault.reads == [("a", None)]


def references(store):
    part = st.none() | st.text(min_size=1, max_size=3)
    build = lambda key, field, version: {  # noqa: E731 - a strategy's small function
        "$secret": {
            "store": {"id": store},
            "key": key,
            **({"field": field} if field is not None else {}),
            **({"version": version} if version is not None else {}),
        }
    }
    return st.builds(build, st.text(min_size=1, max_size=8), part, part)


def documents(store):
    """Documents of `Flow` with a reference in place of any value, as a registry holds them."""
    reference = references(store)
    text = st.text(max_size=6)
    key = st.text(max_size=4).map(lambda name: f"${name}" if name.startswith("$") else name)
    word = text | reference
    step = st.fixed_dictionaries({"name": word, "token": st.none() | word}) | reference
    login = st.fixed_dictionaries(
        {"$type": st.just("trips-login"), "$version": st.just(1), "user": word, "password": st.none() | word}
    )
    return st.fixed_dictionaries(
        {
            "host": word,
            "port": st.integers(0, 9) | reference,
            "password": st.none() | word,
            "raw": st.none() | reference,
            "step": st.none() | step,
            "steps": st.lists(step, max_size=2) | reference,
            "keys": st.dictionaries(key, word, max_size=2) | reference,
            "options": st.dictionaries(key, word, max_size=2) | reference,
            "login": st.none() | login | reference,
            "nested": st.dictionaries(key, st.lists(st.dictionaries(key, word, max_size=2), max_size=2), max_size=2),
        }
    )


@given(st.data())
def test_any_document_with_references_anywhere_is_saved_as_it_was_loaded(data):
    CACHE.clear()
    with use_registry(MemoryRegistry()) as registry:
        store = MemoryVault(place="any").save("vault").document_id
        for cls in (Login, Flow):
            registry.types.register(definition_of(cls))
        document = data.draw(documents(store))
        draft = Draft(name="mine", workspace="default", type_slug="trips-flow", schema_version=1, data=document)
        registry.documents.save(draft)
        before = written(registry=registry)
        assert before == document
        loaded = load_with_fitting_values(registry)
        loaded.save("mine")
        assert written(registry=registry) == before
        load_with_fitting_values(registry).model_copy(update={"port": 77}).save("mine")
        assert written(registry=registry) == {**before, "port": 77}


def load_with_fitting_values(registry):
    """Load `mine` from a vault where each secret is what its field needs."""
    from typecase.blocks.secrets.sources import StoreSource

    def fitting(wanted):
        return [value_for(field, held) for _, held, field in wanted]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StoreSource, "values", lambda _self, wanted: fitting(wanted))
        return Flow.load("mine", registry=registry)


def value_for(field, held):
    last = field.rsplit(".", 1)[-1]
    fitting = {
        "port": 5,
        "step": {"name": "n", "token": "t"},
        "steps": [{"name": "n"}],
        "keys": {"k": "l"},
        "options": {"o": "p"},
        "login": {"user": "u", "password": "p"},
    }
    if field in fitting:
        return fitting[field]
    return {"name": "n", "token": "t"} if held is object and last.isdecimal() else "text"
