"""What every secret store promises."""

# ruff: noqa: D102, S101  a test's name is its sentence, assert its verb

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr

from typecase.blocks.errors import NotSupported, OperationFailed
from typecase.blocks.kinds import SecretStore

MISSING = "typecase-contract/no-such-key"


class SecretStoreContract:
    """Subclass it and give the fixture `store`, and `key` with `value`: one secret that is in it.

    A store that can be written to is also written to, under keys that start with `typecase-contract/`.
    """

    @pytest.fixture
    def store(self) -> SecretStore:
        """The store under test."""
        raise NotImplementedError

    @pytest.fixture
    def key(self) -> str:
        """The key of a secret that is in the store."""
        raise NotImplementedError

    @pytest.fixture
    def value(self) -> str:
        """The secret under `key`."""
        raise NotImplementedError

    @pytest.fixture
    def writable(self, store: SecretStore) -> SecretStore:
        """The store, if it can be written to."""
        if store.read_only:
            pytest.skip("the store is read-only")
        return store

    def test_it_gives_the_secret_under_a_key(self, store: SecretStore, key: str, value: str) -> None:
        found = store.get(key)
        assert isinstance(found, SecretStr)
        assert found.get_secret_value() == value

    def test_its_async_twin_gives_the_same(self, store: SecretStore, key: str, value: str) -> None:
        assert asyncio.run(store.aget(key)).get_secret_value() == value

    def test_a_missing_key_is_an_error_that_names_it_and_is_never_empty(self, store: SecretStore) -> None:
        with pytest.raises(OperationFailed, match="no-such-key"):
            store.get(MISSING)

    def test_a_missing_version_is_an_error(self, store: SecretStore, key: str, value: str) -> None:
        with pytest.raises((OperationFailed, NotSupported)) as raised:
            store.get(key, version="9999999")
        assert value not in str(raised.value)

    @pytest.mark.parametrize("value_written", ["plain", "ünïcode 🔑 日本", "two\nlines\n", '{"a": "json"}', " padded "])
    def test_what_is_put_comes_back(self, writable: SecretStore, value_written: str) -> None:
        key = "typecase-contract/round-trip"
        writable.put(key, SecretStr(value_written))
        try:
            assert writable.get(key).get_secret_value() == value_written
        finally:
            writable.delete(key)

    def test_a_second_put_is_the_newest(self, writable: SecretStore) -> None:
        key = "typecase-contract/newest"
        try:
            writable.put(key, SecretStr("first"))
            writable.put(key, SecretStr("second"))
            assert writable.get(key).get_secret_value() == "second"
        finally:
            writable.delete(key)

    def test_a_deleted_key_is_missing(self, writable: SecretStore) -> None:
        key = "typecase-contract/deleted"
        writable.put(key, SecretStr("gone"))
        writable.delete(key)
        with pytest.raises(OperationFailed):
            writable.get(key)

    def test_a_read_only_store_says_so(self, store: SecretStore) -> None:
        if not store.read_only:
            pytest.skip("the store can be written to")
        with pytest.raises(NotSupported):
            store.put(MISSING, SecretStr("value"))
        with pytest.raises(NotSupported):
            store.delete(MISSING)

    def test_listing_gives_keys_and_no_values(self, store: SecretStore, key: str, value: str) -> None:
        try:
            listed = list(store.list())
        except NotSupported:
            return
        assert key in listed
        assert value not in repr(listed)

    def test_it_shows_no_secret(self, store: SecretStore, key: str, value: str) -> None:
        found: Any = store.get(key)
        assert value not in f"{store!r} {found!r} {found} {vars(store)}"
