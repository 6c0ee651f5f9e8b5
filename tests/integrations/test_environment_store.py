"""The environment as a secret store."""

import logging
import os
import subprocess
import sys

import pytest

from typecase.blocks import Status, secret
from typecase.blocks.errors import InvalidBlock, InvalidSecretKey, SecretMalformed, SecretNotFound
from typecase.blocks.testing import BlockContract, SecretStoreContract
from typecase.integrations.environment import EnvironmentVariables
from typecase.integrations.secret import Secret


class TestBlock(BlockContract):
    block = EnvironmentVariables(prefix="ORDERS_", cache_seconds=5)


class TestStore(SecretStoreContract):
    @pytest.fixture
    def store(self, monkeypatch, value):
        monkeypatch.setenv("ORDERS_DB_PASSWORD", value)
        return EnvironmentVariables(prefix="ORDERS_")

    @pytest.fixture
    def key(self):
        return "DB_PASSWORD"

    @pytest.fixture
    def value(self, canary):
        return canary

    @pytest.fixture
    def binary(self, monkeypatch):
        content = bytes(range(1, 256))
        monkeypatch.setitem(os.environb, b"ORDERS_KEY", content)
        return "KEY", content

    @pytest.fixture
    def many(self, monkeypatch):
        """The environment is one page: how often its names were asked for is counted."""
        variables = Counted({f"ORDERS_MANY_{number}": "value" for number in range(1000)})
        monkeypatch.setattr(os, "environ", variables)
        return "MANY_", lambda: variables.asked


class Counted(dict):
    """Variables that count how often their names are asked for."""

    asked = 0

    def __iter__(self):
        self.asked += 1
        return super().__iter__()


@pytest.fixture
def store():
    return EnvironmentVariables()


def test_it_needs_no_argument(store, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "made-up")
    assert store.get("DB_PASSWORD").get_secret_value() == "made-up"


def test_a_variable_is_read_again_at_each_call(store, monkeypatch):
    for value in ("first", "second"):
        monkeypatch.setenv("DB_PASSWORD", value)
        assert store.get("DB_PASSWORD").get_secret_value() == value


def test_the_prefix_stands_before_each_key(monkeypatch):
    monkeypatch.setenv("STAGING_DB_PASSWORD", "staging")
    monkeypatch.setenv("DB_PASSWORD", "other")
    staging = EnvironmentVariables(prefix="STAGING_")
    assert staging.get("DB_PASSWORD").get_secret_value() == "staging"
    assert list(staging.list()) == ["DB_PASSWORD"]


def test_no_variable_without_the_prefix_can_be_read(monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "other")
    with pytest.raises(SecretNotFound, match="'ORDERS_DB_PASSWORD'"):
        EnvironmentVariables(prefix="ORDERS_").get("DB_PASSWORD")


def test_a_prefix_that_no_variable_can_have_is_refused():
    with pytest.raises(InvalidBlock, match="prefix"):
        EnvironmentVariables(prefix="1-")


@pytest.mark.parametrize("key", ["", "DB PASSWORD", "DB-PASSWORD", "1DB", "db/password", "A=B", "Ä", "A\n", "A\0"])
def test_what_is_no_name_of_a_variable_is_refused(store, key):
    with pytest.raises(InvalidSecretKey) as raised:
        store.get(key)
    assert (raised.value.store, raised.value.key) == ("environment-variables", key)


@pytest.mark.parametrize("value", [None, ""])
def test_an_unset_and_an_empty_variable_are_absent(store, monkeypatch, value):
    if value is not None:
        monkeypatch.setenv("DB_PASSWORD", value)
    with pytest.raises(SecretNotFound, match="'DB_PASSWORD'") as raised:
        store.read("DB_PASSWORD")
    assert (raised.value.reason, raised.value.store, raised.value.key) == (
        "absent",
        "environment-variables",
        "DB_PASSWORD",
    )


def test_an_empty_variable_is_said_to_be_empty(store, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "")
    with pytest.raises(SecretNotFound, match="set and empty"):
        store.get("DB_PASSWORD")


def test_a_version_is_not_found(store, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "made-up")
    with pytest.raises(SecretNotFound, match="variables have none"):
        store.get("DB_PASSWORD", version="1")


def test_at_most_three_near_names_are_shown_and_only_those_with_the_prefix(monkeypatch):
    for name in ("ORDERS_DB_PASSWORD1", "ORDERS_DB_PASSWORD2", "ORDERS_DB_PASSWORD3", "ORDERS_DB_PASSWORD4"):
        monkeypatch.setenv(name, "made-up")
    monkeypatch.setenv("DB_PASSWORDS", "made-up")
    with pytest.raises(SecretNotFound) as raised:
        EnvironmentVariables(prefix="ORDERS_").get("DB_PASSWORD")
    assert raised.value.hint.count("DB_PASSWORD") == 3
    assert "DB_PASSWORDS" not in raised.value.hint


def test_a_variable_that_is_no_text_names_itself_and_shows_nothing(store, monkeypatch):
    monkeypatch.setitem(os.environb, b"DB_PASSWORD", b"\xff\xfecanary")
    with pytest.raises(SecretMalformed, match="'DB_PASSWORD'") as raised:
        store.get("DB_PASSWORD")
    assert raised.value.key == "DB_PASSWORD"
    assert "canary" not in repr(raised.value)


def test_no_error_and_no_log_shows_a_value(store, monkeypatch, canary, assert_no_canary, caplog):
    monkeypatch.setenv("DB_PASSWORD", canary)
    with caplog.at_level(logging.DEBUG):
        for key, version in [("DB_PASSWORT", None), ("DB_PASSWORD", "1"), ("DB-PASSWORD", None)]:
            with pytest.raises((SecretNotFound, InvalidSecretKey)) as raised:
                store.get(key, version)
            assert_no_canary(str(raised.value), repr(vars(raised.value)))
        logging.getLogger("flow").info("%s %r", store, store.read("DB_PASSWORD"))
    assert_no_canary(caplog.text, repr(store.check()))


def test_a_child_process_reads_what_it_was_started_with():
    script = """
from typecase.integrations.environment import EnvironmentVariables
print(EnvironmentVariables().get("A").get_secret_value())
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "A": "of the child"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "of the child\n"


def test_a_key_of_parts_is_written_as_variables_are(store):
    assert store.key_of("prod", "db-password") == "PROD_DB_PASSWORD"


def test_a_block_refers_to_a_variable_without_a_document(monkeypatch):
    monkeypatch.setenv("API_TOKEN", "made-up")
    Secret(value=secret("env", "API_TOKEN")).save("token")
    assert Secret.load("token").get() == "made-up"


def test_a_block_refers_to_a_saved_store_with_a_prefix(monkeypatch):
    monkeypatch.setenv("ORDERS_TOKEN", "made-up")
    EnvironmentVariables(prefix="ORDERS_").save("orders-env")
    Secret(value=secret("orders-env", "TOKEN")).save("token")
    assert Secret.load("token").get() == "made-up"


def test_the_client_is_the_environment(store):
    assert store.client() is os.environ


def test_a_check_counts_the_variables(monkeypatch):
    monkeypatch.setenv("ORDERS_A", "x")
    check = EnvironmentVariables(prefix="ORDERS_").check()
    assert (check.status, check.stages[0].reason) == (Status.READY, "1 variables that start with ORDERS_")


def test_a_check_without_any_variable_is_an_error():
    (stage,) = EnvironmentVariables(prefix="ABSENT_PREFIX_").check().stages
    assert (stage.name, stage.status) == ("permission", Status.ERROR)
    assert "ABSENT_PREFIX_" in stage.reason
    assert stage.next_step
