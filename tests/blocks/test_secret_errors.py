"""A secret that does not come: which error, with which search in it, and never an empty value or a default."""

import json

import pytest
from fakes.memory_vault import SHELVES, MemoryVault, shelf
from pydantic import SecretStr, field_validator

from typecase.blocks import Block, BlockType, Credentials, secret
from typecase.blocks.errors import (
    AuthenticationFailed,
    DocumentNotFound,
    InvalidBlock,
    InvalidSecretKey,
    KindMismatch,
    ReferenceNotFound,
    SecretError,
    SecretExpired,
    SecretForbidden,
    SecretMalformed,
    SecretNotFound,
    SecretStoreUnreachable,
)
from typecase.blocks.secrets.cache import CACHE
from typecase.blocks.testing import memory_registry

__all__ = ["memory_registry"]


class Account(Credentials):
    __block__ = BlockType(slug="failing-account")

    user: str = "default-user"
    number: int = 7
    password: SecretStr = SecretStr("default-password")

    def client(self):
        return self.user

    @field_validator("user")
    @classmethod
    def known(cls, value):
        if value.startswith("bad"):
            raise ValueError(f"{value} is not known")
        return value


class Holder(Block):
    __block__ = BlockType(slug="failing-holder")

    account: Account
    accounts: dict[str, Account] = {}


@pytest.fixture(autouse=True)
def vault(memory_registry):
    SHELVES.clear()
    CACHE.clear()
    MemoryVault().save("vault")
    held = shelf()
    held.secrets = {"json": json.dumps({"user": "ada", "null": None, "list": [1]}), "text": "not json", "empty": ""}
    yield held
    CACHE.clear()


def eager(**fields):
    """The error of a load whose non-secret fields refer."""
    Account(**fields).save("mine", overwrite=True)
    with pytest.raises(Exception) as raised:  # noqa: PT011 - the tests name its type
        Account.load("mine")
    return raised.value


def lazy(reference):
    """The error of a secret that is asked for its value."""
    Account(password=reference).save("mine", overwrite=True)
    account = Account.load("mine")
    with pytest.raises(Exception) as raised:  # noqa: PT011 - the tests name its type
        account.password.get_secret_value()
    return raised.value


STEP = "field {!r} of default/mine in workspace 'default' -> secret://vault/{}"


def raising(vault, error):
    def on_read(*_):
        raise error

    vault.on_read = on_read


class TestAnswers:
    @pytest.mark.parametrize(
        "error",
        [
            SecretNotFound("Nothing there.", hint="Name another.", reason="absent"),
            SecretForbidden("Not for you.", hint="Ask."),
            SecretStoreUnreachable("No answer.", hint="Wait.", reason="timeout"),
            SecretExpired("It ended.", hint="Renew it."),
            SecretMalformed("Odd.", hint="Correct it."),
            InvalidSecretKey("No such key.", hint="Write another."),
            AuthenticationFailed("Who are you?", hint="Sign in."),
            SecretError("It failed.", hint="Look."),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_each_keeps_its_class_facts_and_hint_and_tells_the_search(self, vault, error):
        raising(vault, error)
        for name, raised in (("user", eager(user=secret("vault", "k"))), ("password", lazy(secret("vault", "k")))):
            assert type(raised) is type(error)
            assert (raised.store, raised.key, raised.hint) == ("vault", "k", error.hint)
            assert getattr(raised, "reason", None) == getattr(error, "reason", None)
            assert raised.trace == (STEP.format(name, "k"),)
            assert str(raised).startswith(error.message)
            assert f"1. {raised.trace[0]}" in str(raised)
            assert str(raised).endswith(error.hint)

    def test_asking_again_asks_again_and_says_the_same(self, vault):
        Account(password=secret("vault", "gone")).save("mine")
        account = Account.load("mine")
        said = []
        for _ in range(2):
            with pytest.raises(SecretNotFound) as raised:
                account.password.get_secret_value()
            said.append(str(raised.value))
        assert said[0] == said[1]
        assert len(vault.reads) == 2

    def test_an_absent_secret_is_no_default(self):
        assert type(eager(number=secret("vault", "gone"))) is SecretNotFound
        assert type(lazy(secret("vault", "gone"))) is SecretNotFound

    def test_an_eager_load_fails_with_the_lazy_one_s_error(self):
        Account(password=secret("vault", "gone")).save("mine")
        with pytest.raises(SecretNotFound):
            Account.load("mine", resolve="eager")

    def test_a_version_and_a_field_are_named_in_the_search(self):
        assert "secret://vault/gone?version=3#a/b" in str(eager(user=secret("vault", "gone", version="3", field="a/b")))

    def test_one_of_many_that_fails_fails_the_load(self, vault):
        vault.secrets["number"] = "5"
        assert type(eager(user=secret("vault", "gone"), number=secret("vault", "number"))) is SecretNotFound


class TestMalformed:
    @pytest.mark.parametrize(
        ("reference", "reason"),
        [
            (("text", "user"), "not JSON"),
            (("json", "nobody"), "no such field"),
            (("json", "/user/deeper"), "no such field"),
            (("json", "null"), "null"),
            (("empty", "user"), "not JSON"),
        ],
    )
    def test_what_is_there_and_not_what_was_asked_for(self, reference, reason):
        key, field = reference
        for raised in (eager(user=secret("vault", key, field=field)), lazy(secret("vault", key, field=field))):
            assert (type(raised), raised.reason) == (SecretMalformed, reason)
            assert len(raised.trace) == 1
            assert "not json" not in str(raised)

    def test_fields_that_are_there_are_named_without_values(self):
        raised = eager(user=secret("vault", "json", field="nobody"))
        assert "'list', 'null', 'user'" in str(raised).replace("'user', 'null', 'list'", "'list', 'null', 'user'")
        assert "ada" not in str(raised)

    def test_binary_is_no_text(self, vault):
        vault.secrets["binary"] = b"\xff"
        assert type(lazy(secret("vault", "binary"))) is SecretMalformed
        assert type(eager(user=secret("vault", "binary"))) is SecretMalformed


class TestUnfit:
    def test_a_value_that_its_field_refuses_says_which_and_whence(self, vault):
        vault.secrets["number"] = '"many"'
        raised = eager(number=secret("vault", "number"))
        assert (type(raised), raised.reason) == (SecretMalformed, "unfit")
        assert "'number' of Account" in str(raised)
        assert raised.trace == (STEP.format("number", "number"),)
        assert "many" not in str(raised)

    def test_a_validator_that_repeats_the_value_does_not_show_it(self, vault, canary, assert_no_canary):
        vault.secrets["user"] = f"bad{canary}"
        raised = eager(user=secret("vault", "user"))
        assert "is not known" in str(raised)
        assert_no_canary(str(raised), repr(raised))

    def test_beside_another_wrong_field_it_is_an_invalid_block_that_does_not_show_it_either(
        self, vault, canary, assert_no_canary, memory_registry
    ):
        vault.secrets["user"] = f"bad{canary}"
        Account(user=secret("vault", "user")).save("mine")
        tree = memory_registry.load("mine", workspace="default")
        spoilt = json.dumps({**json.loads(tree.root.data), "number": "no number"}).encode()
        tree = tree._replace(root=tree.root._replace(data=spoilt))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(memory_registry), "load", lambda *_, **__: tree)
            with pytest.raises(InvalidBlock, match="number") as raised:
                Account.load("mine", registry=memory_registry)
        assert_no_canary(str(raised.value), repr(raised.value))

    def test_an_empty_secret_is_an_empty_secret_and_no_default(self, vault):
        Account(password=secret("vault", "empty"), user=secret("vault", "empty")).save("mine")
        account = Account.load("mine")
        assert (account.password.get_secret_value(), account.user) == ("", "")


class TestStores:
    def test_a_store_that_is_not_saved_is_refused_by_the_save(self):
        with pytest.raises(ReferenceNotFound, match="nowhere"):
            Account(password=secret("nowhere", "k")).save("mine")

    def test_a_block_that_was_only_built_says_so_when_asked(self):
        account = Account(password=secret("nowhere", "k"))
        with pytest.raises(DocumentNotFound, match="nowhere") as raised:
            account.password.get_secret_value()
        assert raised.value.trace == ("field 'password' in workspace 'default' -> secret://nowhere/k",)

    def test_a_store_that_was_destroyed_is_told(self):
        Account(password=secret("vault", "k")).save("mine")
        Block.delete("vault", force=True)
        with pytest.raises(ReferenceNotFound, match="no longer exists"):
            Account.load("mine").password.get_secret_value()

    def test_a_block_of_another_kind_is_no_store(self):
        Account(user="bob").save("bob")
        with pytest.raises(KindMismatch, match="SecretStore"):
            Account(password=secret("bob", "k")).password.get_secret_value()
        Account(password=secret("bob", "k")).save("mine")
        with pytest.raises(KindMismatch, match="SecretStore"):
            Account.load("mine").password.get_secret_value()

    @pytest.mark.parametrize("error", [ValueError, KeyError, TimeoutError, RuntimeError, AssertionError])
    def test_whatever_a_store_raises_becomes_a_secret_error_without_its_text(
        self, vault, error, canary, assert_no_canary
    ):
        raising(vault, error(f"held {canary}"))
        for raised in (eager(user=secret("vault", "k")), lazy(secret("vault", "k"))):
            assert type(raised) is SecretError
            assert error.__name__ in str(raised)
            assert (raised.__context__, raised.__cause__) == (None, None)
            assert_no_canary(str(raised), repr(raised))


class TestNested:
    @pytest.fixture(autouse=True)
    def guarded(self, vault):
        """A vault whose token is in the environment, and which lets in who has it."""
        MemoryVault(place="guarded", token=secret("env", "VAULT_TOKEN")).save("guarded")
        held = shelf("guarded")
        held.secrets = {"user": "ada"}

        def on_read(_key, block):
            if block.token.get_secret_value() != "let-me-in":
                raise AuthenticationFailed("The token is refused.", hint="Give another one.")

        held.on_read = on_read
        return held

    def test_a_store_finds_its_own_secrets_in_another(self, monkeypatch):
        monkeypatch.setenv("VAULT_TOKEN", "let-me-in")
        Account(user=secret("guarded", "user"), password=secret("guarded", "user")).save("mine")
        account = Account.load("mine")
        assert (account.user, account.password.get_secret_value()) == ("ada", "ada")

    def test_the_search_goes_through_both(self):
        raised = eager(user=secret("guarded", "user"))
        assert type(raised) is SecretNotFound
        assert raised.trace == (
            "field 'user' of default/mine in workspace 'default' -> secret://guarded/user",
            "field 'token' of default/guarded in workspace 'default' -> secret://env/VAULT_TOKEN",
        )
        assert (raised.store, raised.key) == ("env", "VAULT_TOKEN")
        assert "1. field 'user'" in str(raised)
        assert "2. field 'token'" in str(raised)
        assert str(raised).count("It was looked for by:") == 1

    def test_a_token_that_is_refused_is_read_anew_once(self, monkeypatch, guarded):
        monkeypatch.setenv("VAULT_TOKEN", "let-me-in")
        Account(user=secret("guarded", "user")).save("mine")
        monkeypatch.setenv("VAULT_TOKEN", "old")
        assert type(eager(user=secret("guarded", "user"))) is AuthenticationFailed
        monkeypatch.setenv("VAULT_TOKEN", "let-me-in")
        assert Account.load("mine").user == "ada"

    def test_a_store_of_a_store_of_a_store(self, monkeypatch, vault, guarded):
        monkeypatch.setenv("VAULT_TOKEN", "let-me-in")
        guarded.secrets["place"] = "third"
        MemoryVault(place=secret("guarded", "place"), token=secret("guarded", "user")).save("far")
        shelf("third").secrets["k"] = "found"
        Account(user=secret("far", "k"), password=secret("far", "k")).save("mine")
        assert Account.load("mine", resolve="eager").user == "found"

    def test_a_circle_of_stores_is_refused_by_the_save(self):
        from typecase.blocks.errors import ReferenceCycle

        MemoryVault(place="b").save("b")
        MemoryVault(place="a", token=secret("b", "k")).save("a")
        with pytest.raises(ReferenceCycle):
            MemoryVault.load("b").model_copy(update={"token": secret("a", "k")}).save("b")


class TestInside:
    def test_a_field_of_an_inline_block_is_named_by_its_own_path(self):
        Holder(account=Account(user=secret("vault", "gone"))).save("mine")
        with pytest.raises(SecretNotFound, match="field 'user' of default/mine"):
            Holder.load("mine")

    def test_a_saved_block_is_named_by_its_own_document(self):
        Account(user=secret("vault", "gone")).save("inner")
        shelf().secrets["gone"] = "there"
        Holder(account=Account.load("inner")).save("outer")
        del shelf().secrets["gone"]
        CACHE.clear()
        with pytest.raises(SecretNotFound, match="field 'user' of default/inner"):
            Holder.load("outer")

    def test_the_path_goes_through_dicts_and_lists(self):
        Holder(account=Account(), accounts={"a": Account(password=secret("vault", "gone"))}).save("mine")
        holder = Holder.load("mine")
        with pytest.raises(SecretNotFound, match="field 'password'"):
            holder.accounts["a"].password.get_secret_value()
