"""References to secrets: where they may stand, what a build leaves alone, what a load fetches and when."""

import json
from collections import deque
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import pytest
from fakes.memory_vault import SHELVES, MemoryVault, shelf
from pydantic import BaseModel, Secret, SecretBytes, SecretStr, field_validator, model_validator
from typing_extensions import TypedDict

from typecase.blocks import Block, BlockType, Credentials, SecretReference, field, secret
from typecase.blocks.errors import (
    InvalidBlock,
    InvalidSecretReference,
    SecretMalformed,
    SecretNotFound,
    UnresolvedReference,
)
from typecase.blocks.secrets.cache import CACHE
from typecase.blocks.secrets.placeholders import Unresolved
from typecase.blocks.testing import memory_registry

__all__ = ["memory_registry"]


class Step(BaseModel):
    name: str = ""
    token: SecretStr | None = None
    when: Secret[date] | None = None


class Named(NamedTuple):
    name: str
    token: SecretStr


class Typed(TypedDict):
    name: str
    token: SecretStr


@dataclass
class Pair:
    left: str
    right: SecretStr


class Login(Credentials):
    __block__ = BlockType(slug="refs-login")

    user: str = ""
    password: SecretStr | None = None

    def client(self):
        return self.user


class Everything(Block):
    __block__ = BlockType(slug="refs-everything")

    host: str = "localhost"
    port: int = field(5432, ge=1)
    day: date | None = None
    plain: bytes | None = None
    password: SecretStr | None = None
    long: SecretStr | None = field(None, min_length=8)
    raw: SecretBytes | None = None
    number: Secret[int] | None = None
    text: Secret[str] | None = None
    binary: Secret[bytes] | None = None
    when: Secret[date] | None = None
    table: Secret[dict[str, int]] | None = None
    either: int | SecretStr | None = None
    step: Step | None = None
    steps: dict[str, list[Step]] = {}
    tokens: list[SecretStr] = []
    dates: list[Secret[date]] = []
    keys: dict[str, SecretStr] = {}
    options: dict[str, str] = {}
    names: list[str] = []
    pair: tuple[str, SecretStr] | None = None
    named: Named | None = None
    typed: Typed | None = None
    data: Pair | None = None
    queue: deque[SecretStr] = deque()
    login: Login | None = None
    many: list[Credentials] = []
    any: Any = None
    parts: frozenset[SecretStr] = frozenset()


class Strict(Block):
    __block__ = BlockType(slug="refs-strict")

    host: str = "localhost"
    password: SecretStr | None = None
    checked: SecretStr | None = None

    @field_validator("host")
    @classmethod
    def lower(cls, value):
        return value.lower()

    @field_validator("checked")
    @classmethod
    def no_spaces(cls, value):
        if value is not None and " " in value.get_secret_value():
            raise ValueError(f"a space in {value.get_secret_value()}")
        return value

    @model_validator(mode="after")
    def long_enough(self):
        if self.password is not None and len(self.password.get_secret_value()) < 4:
            raise ValueError("the password is short")
        return self


JSON = {
    "host": "db.internal",
    "port": 6543,
    "user": "ada",
    "password": "hunter-22",
    "name": "first",
    "more": {"a/b": 1},
}


@pytest.fixture(autouse=True)
def vault(memory_registry):
    SHELVES.clear()
    CACHE.clear()
    MemoryVault().save("vault")
    held = shelf()
    held.secrets = {
        "text": "a-text-secret",
        "number": "42",
        "day": "2026-01-02",
        "binary": b"\xff\x00",
        "db": json.dumps(JSON),
        "table": '{"a": 1}',
        "texts": '{"a": "one", "b": "two"}',
        "spaced": "with spaces",
    }
    held.versions = {("text", "1"): "the-first-text"}
    yield held
    CACHE.clear()


def reload(block):
    block.save("mine")
    return Block.load("mine")


def at(value, *steps):
    """The value at the end of `steps`, out of its secrets."""
    for step in steps:
        value = getattr(value, step) if isinstance(step, str) and hasattr(value, step) else value[step]
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


def text(**more):
    return secret("vault", "text", **more)


LAZY = {
    "SecretStr": ({"password": text()}, ("password",), "a-text-secret"),
    "SecretStr of a JSON field": ({"password": secret("vault", "db", field="password")}, ("password",), "hunter-22"),
    "SecretStr of a JSON number": ({"password": secret("vault", "db", field="port")}, ("password",), "6543"),
    "SecretStr by JSON pointer": ({"password": secret("vault", "db", field="/more/a~1b")}, ("password",), "1"),
    "a version": ({"password": text(version="1")}, ("password",), "the-first-text"),
    "a constrained SecretStr": ({"long": text()}, ("long",), "a-text-secret"),
    "SecretBytes": ({"raw": secret("vault", "binary")}, ("raw",), b"\xff\x00"),
    "SecretBytes of a JSON field": ({"raw": secret("vault", "db", field="password")}, ("raw",), b"hunter-22"),
    "Secret[int]": ({"number": secret("vault", "number")}, ("number",), 42),
    "Secret[str]": ({"text": text()}, ("text",), "a-text-secret"),
    "Secret[bytes]": ({"binary": secret("vault", "binary")}, ("binary",), b"\xff\x00"),
    "Secret[date]": ({"when": secret("vault", "day")}, ("when",), date(2026, 1, 2)),
    "Secret[dict]": ({"table": secret("vault", "table")}, ("table",), {"a": 1}),
    "a union": ({"either": text()}, ("either",), "a-text-secret"),
    "a nested model": ({"step": {"token": text()}}, ("step", "token"), "a-text-secret"),
    "an instance of a nested model": ({"step": Step(token=text())}, ("step", "token"), "a-text-secret"),
    "Secret[date] in a nested model": ({"step": {"when": secret("vault", "day")}}, ("step", "when"), date(2026, 1, 2)),
    "models in lists in dicts": ({"steps": {"a": [{"token": text()}]}}, ("steps", "a", 0, "token"), "a-text-secret"),
    "a list": ({"tokens": ["literal", text()]}, ("tokens", 1), "a-text-secret"),
    "Secret[date] in a list": ({"dates": [secret("vault", "day")]}, ("dates", 0), date(2026, 1, 2)),
    "a dict": ({"keys": {"k": text()}}, ("keys", "k"), "a-text-secret"),
    "a tuple": ({"pair": ("left", text())}, ("pair", 1), "a-text-secret"),
    "a named tuple": ({"named": Named("left", text())}, ("named", 1), "a-text-secret"),
    "a typed dict": ({"typed": {"name": "a", "token": text()}}, ("typed", "token"), "a-text-secret"),
    "a dataclass": ({"data": {"left": "a", "right": text()}}, ("data", "right"), "a-text-secret"),
    "a deque": ({"queue": [text()]}, ("queue", 0), "a-text-secret"),
    "an inline block": ({"login": {"$type": "refs-login", "password": text()}}, ("login", "password"), "a-text-secret"),
    "an unsaved block": ({"many": [Login(password=text())]}, ("many", 0, "password"), "a-text-secret"),
}

EAGER = {
    "str": ({"host": text()}, ("host",), "a-text-secret"),
    "str of a JSON field": ({"host": secret("vault", "db", field="host")}, ("host",), "db.internal"),
    "int": ({"port": secret("vault", "number")}, ("port",), 42),
    "int of a JSON field": ({"port": secret("vault", "db", field="port")}, ("port",), 6543),
    "date": ({"day": secret("vault", "day")}, ("day",), date(2026, 1, 2)),
    "bytes": ({"plain": secret("vault", "binary")}, ("plain",), b"\xff\x00"),
    "a nested model": ({"step": {"name": text()}}, ("step", "name"), "a-text-secret"),
    "a whole nested model": ({"step": secret("vault", "db")}, ("step", "name"), "first"),
    "a dict": ({"options": {"a": text(), "$b": "kept"}}, ("options",), {"a": "a-text-secret", "$b": "kept"}),
    "a whole dict": ({"options": secret("vault", "texts")}, ("options",), {"a": "one", "b": "two"}),
    "a list": ({"names": ["a", text()]}, ("names",), ["a", "a-text-secret"]),
    "a tuple": ({"pair": (text(), "right")}, ("pair", 0), "a-text-secret"),
    "a dataclass": ({"data": {"left": text(), "right": "b"}}, ("data", "left"), "a-text-secret"),
    "Any": ({"any": text()}, ("any",), "a-text-secret"),
    "Any, deep": ({"any": [{"a": text()}]}, ("any",), [{"a": "a-text-secret"}]),
    "an inline block": ({"login": {"$type": "refs-login", "user": text()}}, ("login", "user"), "a-text-secret"),
    "an unsaved block": ({"many": [Login(user=text())]}, ("many", 0, "user"), "a-text-secret"),
    "a whole block": ({"login": secret("vault", "db")}, ("login", "user"), "ada"),
}

EVERY = {**LAZY, **{f"{place}, fetched by the load": case for place, case in EAGER.items()}}


@pytest.mark.parametrize("place", LAZY)
def test_a_secret_is_fetched_when_its_value_is_asked_for(vault, place):
    fields, steps, value = LAZY[place]
    loaded = reload(Everything(**fields))
    assert vault.reads == []
    assert at(loaded, *steps) == value
    assert len(vault.reads) == 1


@pytest.mark.parametrize("place", LAZY)
def test_an_eager_load_fetches_secrets_too(vault, place):
    fields, steps, value = LAZY[place]
    Everything(**fields).save("mine")
    loaded = Everything.load("mine", resolve="eager")
    assert len(vault.reads) == 1
    assert at(loaded, *steps) == value
    assert len(vault.reads) == 1


@pytest.mark.parametrize("place", EAGER)
def test_any_other_value_is_fetched_by_the_load(vault, place):
    fields, steps, value = EAGER[place]
    built = Everything(**fields)
    built.save("mine")
    assert vault.reads == []
    assert at(Everything.load("mine"), *steps) == value
    assert len(vault.reads) == 1


@pytest.mark.parametrize("place", EVERY)
def test_what_a_load_fetched_is_the_same_after_a_refresh(place):
    loaded = reload(Everything(**EVERY[place][0]))
    assert loaded.refreshed() is loaded


@pytest.mark.parametrize("place", EAGER)
def test_a_block_that_was_only_built_can_be_resolved_without_a_registry_document(place):
    fields, steps, value = EAGER[place]
    assert at(Everything(**fields).refreshed(), *steps) == value


@pytest.mark.parametrize("place", EVERY)
def test_building_showing_copying_comparing_and_saving_fetch_nothing(vault, place):
    block = Everything(**EVERY[place][0])
    copied = block.model_copy(deep=True)
    assert copied == block
    assert block != Everything()
    assert repr(block)
    assert block.model_dump_json()
    assert block.model_dump()
    block.save("mine")
    assert vault.reads == []


class TestJson:
    def test_a_reference_in_json_is_read_like_one_in_python(self, vault):
        given = {"password": {"$secret": {"store": "vault", "key": "text"}}, "host": {"$secret": "vault/db#host"}}
        loaded = reload(Everything.model_validate_json(json.dumps(given)))
        assert (loaded.password.get_secret_value(), loaded.host) == ("a-text-secret", "db.internal")
        Everything.model_validate(given).save("other")
        assert Everything.load("other") == loaded

    def test_a_reference_object_can_stand_in_a_field(self):
        assert at(reload(Everything(password=SecretReference.parse("vault/db#password"))), "password") == "hunter-22"

    def test_in_a_mapping_that_may_hold_anything_it_is_data(self):
        given = {"$secret": {"store": "vault", "key": "text"}}
        assert reload(Everything(any=given)).any == given

    @pytest.mark.parametrize(
        "target",
        [
            {"store": "vault"},
            {"key": "text"},
            {"store": "", "key": "text"},
            {"store": "vault", "key": ""},
            {"store": "vault", "key": 5},
            {"store": "vault", "key": "text", "fields": "a"},
            {"store": "vault", "key": "text", "field": 5},
            {"store": "vault", "key": "text", "version": []},
            "text",
            "vault/",
            "",
        ],
    )
    def test_a_malformed_reference_is_refused(self, target):
        with pytest.raises(InvalidSecretReference):
            Everything.model_validate({"password": {"$secret": target}})

    def test_a_reference_stands_alone(self):
        with pytest.raises(InvalidSecretReference):
            Everything.model_validate({"password": {"$secret": "vault/text", "more": 1}})

    def test_a_secret_pasted_as_a_reference_is_not_shown(self, canary, assert_no_canary):
        pasted = canary.replace("/", "-")
        with pytest.raises(InvalidSecretReference) as raised:
            Everything.model_validate({"password": {"$secret": pasted}})
        assert_no_canary(str(raised.value), secret=pasted)


class TestWhole:
    def test_a_whole_block_comes_from_one_json(self, vault):
        built = Login.model_validate({"$secret": {"store": "vault", "key": "db"}})
        assert vault.reads == []
        loaded = reload(built)
        assert (loaded.user, loaded.password.get_secret_value()) == ("ada", "hunter-22")
        assert len(vault.reads) == 1

    def test_what_the_json_holds_besides_is_ignored(self, vault):
        vault.secrets["db"] = json.dumps({**JSON, "unknown": 1})
        assert reload(Everything(login=secret("vault", "db"))).login.user == "ada"

    @pytest.mark.parametrize("held", ["[1]", "5", '"text"', "null"])
    def test_json_that_is_no_object_is_malformed(self, vault, held):
        vault.secrets["db"] = held
        Login.model_validate({"$secret": "vault/db"}).save("mine")
        with pytest.raises(SecretMalformed, match="no JSON object"):
            Login.load("mine")


class TestFieldRules:
    def test_a_constraint_is_checked_on_what_is_fetched(self, vault):
        vault.secrets["text"] = "short"
        loaded = reload(Everything(long=text()))
        with pytest.raises(SecretMalformed, match="at least 8"):
            loaded.long.get_secret_value()

    def test_a_validator_of_a_secret_runs_on_what_is_fetched_and_does_not_show_it(self):
        loaded = reload(Strict(checked=secret("vault", "spaced")))
        with pytest.raises(SecretMalformed, match="does not fit the field 'checked'") as raised:
            loaded.checked.get_secret_value()
        assert "with spaces" not in str(raised.value)

    def test_a_validator_of_another_field_runs_on_the_load(self, vault):
        vault.secrets["text"] = "UPPER"
        assert reload(Strict(host=text())).host == "upper"

    def test_a_check_of_the_whole_block_waits_for_the_load(self, vault):
        vault.secrets["text"] = "abc"
        built = Strict(password=text())
        assert vault.reads == []
        built.save("mine")
        with pytest.raises(InvalidBlock, match="the password is short"):
            Strict.load("mine")

    def test_a_reference_does_not_excuse_the_other_fields(self):
        with pytest.raises(InvalidBlock, match="port"):
            Everything(password=text(), port=0)
        with pytest.raises(InvalidBlock, match="unknown"):
            Everything(password=text(), unknown=1)

    def test_a_set_holds_no_reference(self):
        with pytest.raises(InvalidBlock, match="a set holds no references"):
            Everything(parts=[text()])

    def test_defaults_stay_where_nothing_refers(self):
        assert reload(Everything(password=text())).port == 5432

    def test_a_missing_secret_is_no_reason_for_a_default(self):
        Everything(host=secret("vault", "gone")).save("mine")
        with pytest.raises(SecretNotFound):
            Everything.load("mine")


class TestUnresolved:
    USES = {
        "str": str,
        "format": "{}".format,
        "bool": bool,
        "len": len,
        "iteration": list,
        "index": lambda value: value[0],
        "a method": lambda value: value.upper(),
        "a call": lambda value: value(),
        "int": int,
        "float": float,
        "addition": lambda value: value + "x",
        "addition on the right": lambda value: "x" + value,
        "comparison": lambda value: value < 5,
        "membership": lambda value: "a" in value,
    }

    @pytest.mark.parametrize("use", USES)
    def test_a_field_that_waits_for_the_load_refuses_use(self, use):
        with pytest.raises(UnresolvedReference, match="only built"):
            self.USES[use](Everything(host=text()).host)

    def test_it_is_shown_without_a_value(self):
        assert "host=<secret, not resolved>" in repr(Everything(host=text()))

    def test_it_cannot_pass_for_a_value(self):
        block = Everything(host=text())
        assert block.host != "a-text-secret"
        assert isinstance(block.host, Unresolved)

    def test_a_dump_keeps_its_place_and_hides_it(self):
        block = Everything(host=text(), password=text())
        assert json.loads(block.model_dump_json())["host"] == "**********"
        assert block.model_dump(mode="json")["host"] == "**********"
        assert isinstance(block.model_dump()["host"], Unresolved)

    def test_a_dump_leaves_out_what_it_was_told_to(self):
        block = Everything(host=text())
        assert set(block.model_dump(include={"port"})) == {"port"}
        assert "host" not in block.model_dump(exclude={"host"})


class TestCalls:
    def test_many_references_to_one_key_cost_one_call(self, vault):
        MemoryVault(cache_seconds=0).save("cold")
        fields = {name: secret("cold", "db", field=name) for name in ("host", "port", "password")}
        reload(Everything(**fields, names=[secret("cold", "db", field="user")]))
        assert vault.reads == [("db", None)]

    def test_an_inline_block_shares_the_call(self, vault):
        MemoryVault(cache_seconds=0).save("cold")
        inner = {"$type": "refs-login", "user": secret("cold", "db", field="user")}
        reload(Everything(host=secret("cold", "db", field="host"), login=inner))
        assert vault.reads == [("db", None)]

    def test_an_eager_load_makes_one_call_for_a_key_in_all_documents_and_fields(self, vault):
        MemoryVault(cache_seconds=0).save("cold")
        Login(user=secret("cold", "text"), password=secret("cold", "text")).save("inner")
        Everything(host=secret("cold", "text"), password=secret("cold", "text"), login=Login.load("inner")).save("mine")
        vault.reads.clear()
        Everything.load("mine", resolve="eager")
        assert vault.reads == [("text", None)]

    def test_an_eager_load_asks_the_stores_of_all_documents_at_the_same_time(self):
        from threading import Barrier

        both = Barrier(2, timeout=30)
        for place in ("left", "right"):
            MemoryVault(place=place).save(place)
            shelf(place).secrets["key"] = place
            shelf(place).on_read = lambda _key, _vault: both.wait()
        Login(password=secret("left", "key")).save("inner")
        Everything(password=secret("right", "key"), login=Login.load("inner")).save("mine")
        loaded = Everything.load("mine", resolve="eager")
        assert (at(loaded, "password"), at(loaded, "login", "password")) == ("right", "left")

    def test_an_eager_load_refuses_a_secret_that_its_field_refuses(self, vault):
        vault.secrets["text"] = "short"
        Everything(long=text()).save("mine")
        with pytest.raises(SecretMalformed, match="at least 8"):
            Everything.load("mine", resolve="eager")

    def test_after_one_failed_the_others_are_not_asked(self, vault, monkeypatch):
        from typecase.blocks.secrets import sources

        monkeypatch.setattr(sources, "_WIDTH", 1)
        Everything(names=[secret("vault", key) for key in ("gone", "text", "db")]).save("mine")
        with pytest.raises(SecretNotFound):
            Everything.load("mine")
        assert vault.reads == [("gone", None)]

    def test_versions_of_one_key_are_calls_of_their_own(self, vault):
        loaded = reload(Everything(names=[text(), text(version="1")]))
        assert loaded.names == ["a-text-secret", "the-first-text"]
        assert sorted(vault.reads, key=str) == [("text", "1"), ("text", None)]

    def test_stores_are_asked_at_the_same_time(self):
        from threading import Barrier

        both = Barrier(2, timeout=30)
        for place in ("left", "right"):
            MemoryVault(place=place).save(place)
            shelf(place).secrets["key"] = place
            shelf(place).on_read = lambda _key, _vault: both.wait()
        names = [secret("left", "key"), secret("right", "key")]
        assert reload(Everything(names=names)).names == ["left", "right"]

    def test_a_document_without_references_needs_no_part_of_this(self, vault, monkeypatch):
        from typecase.blocks import loading

        Everything(password="literal").save("mine")

        def refuse(*_, **__):
            raise AssertionError

        for name in ("loaded", "holds_references", "validated"):
            monkeypatch.setattr(loading, name, refuse)
        assert Everything.load("mine").password.get_secret_value() == "literal"


class TestStores:
    def test_a_saved_store_can_be_given_itself(self, vault):
        store = Block.load("vault")
        assert at(reload(Everything(password=secret(store, "text"))), "password") == "a-text-secret"

    def test_a_store_that_is_not_saved_cannot(self):
        with pytest.raises(InvalidSecretReference, match="not saved"):
            secret(MemoryVault(), "text")

    @pytest.mark.parametrize(("store", "key"), [("", "a"), ("vault", "")])
    def test_a_store_and_a_key_are_named(self, store, key):
        with pytest.raises(InvalidSecretReference):
            secret(store, key)

    def test_the_environment_and_files_need_no_document(self, monkeypatch, tmp_path):
        monkeypatch.setenv("DB_PASSWORD", "from-env")
        (tmp_path / "token").write_text("from-file")
        monkeypatch.setenv("TYPECASE_SECRET_FILES", str(tmp_path))
        loaded = reload(Everything(password=secret("env", "DB_PASSWORD"), tokens=[secret("file", "token")]))
        assert (at(loaded, "password"), at(loaded, "tokens", 0)) == ("from-env", "from-file")

    def test_a_block_that_was_only_built_fetches_its_secrets_when_asked(self, vault):
        assert at(Everything(password=text()), "password") == "a-text-secret"
        assert vault.reads == [("text", None)]

    def test_threads_may_ask_every_block_of_a_tree_at_once(self):
        from concurrent.futures import ThreadPoolExecutor

        for turn in range(20):
            Login(password=text()).save(f"login-{turn}")
            Everything(password=text(), login=Login.load(f"login-{turn}")).save(f"tree-{turn}")
            tree = Everything.load(f"tree-{turn}")
            with ThreadPoolExecutor(8) as pool:
                asked = [pool.submit(at, *steps) for steps in [(tree, "password"), (tree, "login", "password")] * 4]
                assert {run.result() for run in asked} == {"a-text-secret"}
