"""Saving with `secrets_to`: literals go to a vault, references stay, and a half that fails takes the other back."""

import base64
import json

import pytest
from fakes.memory_vault import SHELVES, MemoryVault, ReadOnlyVault, shelf
from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from typecase.blocks import Block, BlockType, Credentials, secret
from typecase.blocks.errors import (
    AuthenticationFailed,
    DocumentExists,
    DocumentNotFound,
    InvalidSecretReference,
    KindMismatch,
    NotSupported,
    RegistryUnreachable,
    RevisionConflict,
    SecretError,
    SecretForbidden,
    SecretStoreUnreachable,
)
from typecase.blocks.memory.documents import MemoryDocuments
from typecase.blocks.secrets.cache import CACHE
from typecase.blocks.testing import memory_registry

__all__ = ["memory_registry"]


class Step(BaseModel):
    name: str = ""
    token: SecretStr | None = None


class Login(Credentials):
    __block__ = BlockType(slug="moving-login")

    user: str = ""
    password: SecretStr | None = None

    def client(self):
        return self.user


class Flow(Block):
    __block__ = BlockType(slug="moving-flow")

    host: str = "localhost"
    password: SecretStr | None = None
    other: SecretStr | None = None
    raw: SecretBytes | None = None
    binary: Secret[bytes] | None = None
    text: Secret[str] | None = None
    table: Secret[dict[str, int]] | None = None
    either: int | SecretStr | None = None
    step: Step | None = None
    steps: dict[str, list[Step]] = {}
    tokens: list[SecretStr] = []
    keys: dict[str, SecretStr] = {}
    deep: dict[str, dict[str, SecretStr]] = {}
    login: Login | None = None
    saved: Login | None = None


@pytest.fixture(autouse=True)
def vault(memory_registry):
    SHELVES.clear()
    CACHE.clear()
    MemoryVault().save("vault")
    held = shelf()
    held.secrets = {"kept": "was-there"}
    yield held
    CACHE.clear()


def written(registry, name="mine"):
    return registry.load(name, workspace="default").root.data.decode()


def everything():
    return Flow(
        password="pw-é-value",
        raw=b"\xff\x00raw",
        binary=b"\x00binary",
        text="text-value",
        table={"a": 1},
        either=SecretStr("either-value"),
        step={"name": "one", "token": "step-value"},
        steps={"a": [{"token": "deep-value"}]},
        tokens=["first-value", "second-value"],
        keys={"$k": "dollar-value", "a/b": "slash-value"},
        login=Login(user="ada", password="login-value"),
    )


def clear(block):
    """Every field of `block` with its secrets in clear."""
    return {name: plain(value) for name, value in vars(block).items()}


def plain(value):
    if hasattr(value, "get_secret_value"):
        return value.get_secret_value()
    if isinstance(value, BaseModel):
        return clear(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


class TestMoving:
    def test_no_literal_is_left_in_the_document(self, memory_registry):
        everything().save("mine", secrets_to="vault")
        text = written(memory_registry)
        assert "value" not in text
        assert [raw for raw in (b"\xff\x00raw", b"\x00binary") if base64.b64encode(raw).decode() in text] == []
        assert text.count('"$secret"') == 13

    def test_all_of_it_comes_back(self):
        before = everything()
        expected = clear(before)
        before.save("mine", secrets_to="vault")
        assert clear(Flow.load("mine")) == expected

    def test_texts_share_one_secret_and_bytes_have_their_own(self, vault):
        everything().save("mine", secrets_to="vault")
        assert len(vault.puts) == 3
        assert len(set(vault.puts)) == 3

    def test_keys_name_the_workspace_and_the_document(self, vault):
        everything().save("mine", secrets_to="vault")
        assert all(key.startswith("typecase/default/mine/") for key in vault.puts)

    def test_what_is_no_secret_stays_in_the_document(self, memory_registry):
        everything().save("mine", secrets_to="vault")
        data = json.loads(written(memory_registry))
        assert (data["host"], data["step"]["name"], data["login"]["user"]) == ("localhost", "one", "ada")

    def test_a_value_that_is_no_secret_where_one_could_be_stays(self, vault, memory_registry):
        Flow(either=5, password="p").save("mine", secrets_to="vault")
        assert json.loads(written(memory_registry))["either"] == 5
        assert Flow.load("mine").either == 5

    def test_names_that_look_alike_are_kept_apart(self):
        Flow(keys={"a.b": "one", "a": "x"}, deep={"a": {"b.c": "two"}, "a.b": {"c": "three"}}).save(
            "mine", secrets_to="vault"
        )
        loaded = Flow.load("mine")
        assert plain(loaded.deep) == {"a": {"b.c": "two"}, "a.b": {"c": "three"}}
        assert plain(loaded.keys) == {"a.b": "one", "a": "x"}

    def test_references_stay(self, memory_registry, vault):
        Flow(password=secret("vault", "kept"), other="moves").save("mine", secrets_to="vault")
        data = json.loads(written(memory_registry))
        assert data["password"]["$secret"]["key"] == "kept"
        assert data["other"]["$secret"]["key"] == vault.puts[0]
        assert json.loads(vault.secrets[vault.puts[0]]) == {"other": "moves"}

    def test_a_loaded_block_moves_only_its_literals(self, vault):
        Flow(password=secret("vault", "kept"), other="first").save("mine")
        Flow.load("mine", resolve="eager").save("mine", secrets_to="vault")
        assert json.loads(vault.secrets[vault.puts[0]]) == {"other": "first"}

    def test_a_saved_block_inside_is_left_alone(self, memory_registry, vault):
        Login(password="inner").save("login")
        Flow(saved=Login.load("login"), other="outer").save("mine", secrets_to="vault")
        assert "inner" in written(memory_registry, "login")
        assert json.loads(vault.secrets[vault.puts[0]]) == {"other": "outer"}

    @pytest.mark.parametrize("fields", [{}, {"password": secret("vault", "kept")}, {"host": "only"}])
    def test_without_a_literal_the_vault_is_not_written_to(self, vault, fields):
        Flow(**fields).save("mine", secrets_to="vault")
        assert vault.puts == []

    def test_nothing_is_overwritten_and_earlier_revisions_keep_theirs(self, vault):
        Flow(password="first").save("mine", secrets_to="vault")
        Flow.load("mine").model_copy(update={"password": "second"}).save("mine", secrets_to="vault")
        assert len(set(vault.puts)) == 2
        assert Flow.load("mine", revision=1).password.get_secret_value() == "first"
        assert Flow.load("mine").password.get_secret_value() == "second"
        assert vault.secrets["kept"] == "was-there"

    def test_saving_again_moves_nothing_twice(self, vault, memory_registry):
        everything().save("mine", secrets_to="vault")
        before, puts = written(memory_registry), list(vault.puts)
        Flow.load("mine").save("mine", secrets_to="vault")
        assert (written(memory_registry), vault.puts) == (before, puts)

    async def test_the_async_twin_moves_them_too(self, vault):
        await Flow(password="first").asave("mine", secrets_to="vault")
        assert len(vault.puts) == 1


class TestFailing:
    def left(self, vault):
        return set(vault.secrets) - {"kept"}

    def test_a_save_that_is_refused_leaves_nothing_in_the_vault(self, vault, memory_registry):
        Flow(host="first").save("mine")
        before = written(memory_registry)
        with pytest.raises(DocumentExists):
            everything().save("mine", secrets_to="vault")
        assert len(vault.puts) == 3
        assert self.left(vault) == set()
        assert written(memory_registry) == before

    def test_a_lost_race_leaves_nothing_in_the_vault(self, vault):
        Flow(password="first").save("mine")
        stale = Flow.load("mine")
        Flow.load("mine").model_copy(update={"host": "new"}).save("mine")
        with pytest.raises(RevisionConflict):
            stale.save("mine", secrets_to="vault")
        assert self.left(vault) == set()

    @pytest.mark.parametrize("failing", [0, 1, 2])
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_put_that_fails_takes_back_those_before_and_itself(self, vault, failing, when):
        def on_put(_key, moment):
            if len(vault.puts) == failing + 1 and moment == when:
                raise SecretForbidden("No more.", hint="Ask.")

        vault.on_put = on_put
        with pytest.raises(SecretForbidden) as raised:
            everything().save("mine", secrets_to="vault")
        assert self.left(vault) == set()
        assert not hasattr(raised.value, "__notes__")
        with pytest.raises(DocumentNotFound):
            Flow.load("mine")

    def test_a_key_that_cannot_be_taken_back_is_named(self, vault):
        def down(*_):
            raise SecretStoreUnreachable("It is down.", reason="timeout")

        vault.on_delete = down
        Flow(host="first").save("mine")
        with pytest.raises(DocumentExists) as raised:
            Flow(password="p").save("mine", secrets_to="vault")
        assert raised.value.__notes__ == [
            f"{vault.puts[0]!r} may be left in the store 'vault': SecretStoreUnreachable."
        ]

    def test_whatever_the_store_raises_is_told_without_its_text(self, vault, canary, assert_no_canary):
        def on_put(*_):
            raise ValueError(f"cannot write {canary}")

        vault.on_put = on_put
        with pytest.raises(SecretError, match="ValueError") as raised:
            Flow(password=canary).save("mine", secrets_to="vault")
        assert raised.value.__context__ is None
        assert_no_canary(str(raised.value), repr(raised.value))

    def test_a_store_whose_own_token_was_rotated_is_written_to(self, vault, monkeypatch):
        monkeypatch.setenv("VAULT_TOKEN", "old-token")
        MemoryVault(token=secret("env", "VAULT_TOKEN")).save("guarded")
        assert MemoryVault.load("guarded").token.get_secret_value() == "old-token"
        monkeypatch.setenv("VAULT_TOKEN", "new-token")
        put = MemoryVault.put

        def guarded(store, key, value):
            if store.token.get_secret_value() != "new-token":
                raise AuthenticationFailed("The token is refused.")
            put(store, key, value)

        monkeypatch.setattr(MemoryVault, "put", guarded)
        Flow(password="typed-in").save("mine", secrets_to="guarded")
        assert Flow.load("mine").password.get_secret_value() == "typed-in"

    def test_an_interrupt_takes_back_what_was_put(self, vault):
        def on_put(_key, when):
            if when == "after":
                raise KeyboardInterrupt

        vault.on_put = on_put
        with pytest.raises(KeyboardInterrupt):
            Flow(password="p").save("mine", secrets_to="vault")
        assert self.left(vault) == set()

    def test_a_registry_that_fails_before_it_writes_leaves_nothing(self, vault, monkeypatch):
        def fail(*_):
            raise RegistryUnreachable("It is gone.")

        monkeypatch.setattr(MemoryDocuments, "save", fail)
        with pytest.raises(RegistryUnreachable):
            Flow(password="p").save("mine", secrets_to="vault")
        assert self.left(vault) == set()

    def test_a_registry_whose_answer_is_lost_after_it_wrote_keeps_what_the_document_needs(self, vault, monkeypatch):
        save = MemoryDocuments.save

        def lose(self, draft):
            save(self, draft)
            raise RegistryUnreachable("No answer.")

        monkeypatch.setattr(MemoryDocuments, "save", lose)
        with pytest.raises(RegistryUnreachable) as raised:
            Flow(password="p").save("mine", secrets_to="vault")
        assert "refers to it" in raised.value.__notes__[0]
        assert Flow.load("mine").password.get_secret_value() == "p"

    def test_where_nobody_can_tell_nothing_is_taken_back(self, vault, monkeypatch):
        def fail(*_, **__):
            raise RegistryUnreachable("It is gone.")

        monkeypatch.setattr(MemoryDocuments, "save", fail)
        monkeypatch.setattr(MemoryDocuments, "get", fail)
        with pytest.raises(RegistryUnreachable) as raised:
            Flow(password="p").save("mine", secrets_to="vault")
        assert "not known" in raised.value.__notes__[0]
        assert len(self.left(vault)) == 1


class TestRefused:
    @pytest.mark.parametrize("name", ["env", "file"])
    def test_stores_without_a_document_are_refused(self, name):
        with pytest.raises(InvalidSecretReference, match="read-only"):
            Flow(password="p").save("mine", secrets_to=name)

    def test_a_read_only_store_is_refused(self, memory_registry):
        ReadOnlyVault().save("sealed")
        with pytest.raises(NotSupported):
            Flow(password="p").save("mine", secrets_to="sealed")
        with pytest.raises(DocumentNotFound):
            memory_registry.load("mine", workspace="default")

    def test_a_store_that_is_not_there_is_refused(self):
        with pytest.raises(DocumentNotFound, match="nowhere"):
            Flow(password="p").save("mine", secrets_to="nowhere")

    def test_a_block_of_another_kind_is_refused(self):
        Login().save("login")
        with pytest.raises(KindMismatch):
            Flow(password="p").save("mine", secrets_to="login")
