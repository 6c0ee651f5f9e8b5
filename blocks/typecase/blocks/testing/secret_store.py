"""What every secret store promises."""

# ruff: noqa: D102, S101  a test's name is its sentence, assert its verb

import asyncio
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from threading import Thread
from typing import Any

import pytest
from pydantic import SecretBytes, SecretStr

from typecase.blocks.errors import (
    AuthenticationFailed,
    InvalidSecretKey,
    NotSupported,
    SecretExpired,
    SecretForbidden,
    SecretMalformed,
    SecretNotFound,
    SecretStoreUnreachable,
)
from typecase.blocks.kinds import SecretStore, SecretValue

LARGE = 64 * 1024
MANY = 1000
READS = 20
TEXTS = ["plain", "ünïcode 🔑 日本", "two\nlines\n", '{"a": "json"}', " padded "]


class SecretStoreContract:
    """Subclass it and give the fixture `store`, and `key` with `value`: one secret that is in it.

    A store that can be written to is also written to, under keys that begin with `typecase-contract`. The fixtures
    `forbidden`, `unauthenticated` and `throttled` give a store in that state, `disabled` and `deleted` the key of such
    a secret, `binary` a key with the bytes under it, `many` a prefix with `MANY` keys below it; a vendor that has no
    such state leaves them out, and their tests are skipped. `supports` names what the store can hold.
    """

    #: Of "unicode", "empty", "large" (64 KiB), "binary", "slashes": what may be stored. Others must be refused.
    supports: frozenset[str] = frozenset({"unicode", "large", "binary", "slashes"})

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
    def forbidden(self) -> Any:
        """A store whose principal may not read `key`."""
        return pytest.skip("no `forbidden` fixture")

    @pytest.fixture
    def unauthenticated(self) -> Any:
        """A store that refuses who asks."""
        return pytest.skip("no `unauthenticated` fixture")

    @pytest.fixture
    def throttled(self) -> Any:
        """A store that answers every request with "too many requests"."""
        return pytest.skip("no `throttled` fixture")

    @pytest.fixture
    def disabled(self) -> Any:
        """The key of a secret that is disabled."""
        return pytest.skip("no `disabled` fixture")

    @pytest.fixture
    def deleted(self) -> Any:
        """The key of a secret that was deleted and could be recovered."""
        return pytest.skip("no `deleted` fixture")

    @pytest.fixture
    def binary(self) -> Any:
        """A key, and the bytes under it, which are no UTF-8."""
        return pytest.skip("no `binary` fixture")

    @pytest.fixture
    def many(self) -> Any:
        """A prefix with `MANY` keys below it, and a function that returns how many pages were asked for."""
        return pytest.skip("no `many` fixture")

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

    def test_reading_gives_the_same_bytes(self, store: SecretStore, key: str, value: str) -> None:
        found = store.read(key)
        assert isinstance(found, SecretValue)
        assert found.get_secret_value() == value.encode()

    def test_its_async_twin_gives_the_same(self, store: SecretStore, key: str, value: str) -> None:
        assert asyncio.run(store.aget(key)).get_secret_value() == value

    def test_a_missing_key_is_an_error_that_names_it_and_is_never_empty(self, store: SecretStore) -> None:
        missing = store.key_of("typecase-contract", "no-such-key")
        with pytest.raises(SecretNotFound) as raised:
            store.get(missing)
        assert missing in str(raised.value) or "no-such-key" in str(raised.value)

    def test_a_missing_version_is_an_error(self, store: SecretStore, key: str, value: str) -> None:
        with pytest.raises((SecretNotFound, NotSupported)) as raised:
            store.get(key, version="9999999")
        assert value not in str(raised.value)

    @pytest.mark.parametrize("malformed", ["", "\0", "../up", "a/../b"], ids=repr)
    def test_a_key_that_cannot_be_is_refused_or_missing(self, store: SecretStore, malformed: str) -> None:
        with pytest.raises((InvalidSecretKey, SecretNotFound)):
            store.get(malformed)

    def test_a_forbidden_secret_is_not_a_missing_one(self, forbidden: SecretStore, key: str) -> None:
        with pytest.raises(SecretForbidden):
            forbidden.get(key)

    def test_a_store_that_refuses_who_asks_says_so(self, unauthenticated: SecretStore, key: str) -> None:
        with pytest.raises(AuthenticationFailed):
            unauthenticated.get(key)

    def test_a_throttled_store_is_unreachable(self, throttled: SecretStore, key: str) -> None:
        with pytest.raises(SecretStoreUnreachable) as raised:
            throttled.get(key)
        assert getattr(raised.value, "reason", "") == "throttled"

    def test_a_disabled_secret_is_not_a_missing_one(self, store: SecretStore, disabled: str) -> None:
        with pytest.raises(SecretExpired):
            store.get(disabled)

    def test_a_deleted_secret_is_missing_and_its_error_says_deleted(self, store: SecretStore, deleted: str) -> None:
        with pytest.raises(SecretNotFound, match="deleted") as raised:
            store.get(deleted)
        assert getattr(raised.value, "reason", "") == "deleted"

    def test_binary_is_read_whole(self, store: SecretStore, binary: tuple[str, bytes]) -> None:
        assert store.read(binary[0]).get_secret_value() == binary[1]

    def test_binary_is_no_text(self, store: SecretStore, binary: tuple[str, bytes]) -> None:
        with pytest.raises(SecretMalformed):
            store.get(binary[0])

    @pytest.mark.parametrize("text", TEXTS)
    def test_what_is_put_comes_back(self, writable: SecretStore, text: str) -> None:
        with written(writable, "round-trip", text) as key:
            assert writable.get(key).get_secret_value() == text

    def test_binary_that_is_put_comes_back(self, writable: SecretStore) -> None:
        content = bytes(range(256))
        with self.stored(writable, "binary", content, when="binary") as key:
            assert writable.read(key).get_secret_value() == content

    def test_an_empty_secret_is_kept_as_one_or_refused(self, writable: SecretStore) -> None:
        with self.stored(writable, "empty", "", when="empty") as key:
            assert writable.get(key).get_secret_value() == ""

    def test_64_kib_are_kept_whole_or_refused(self, writable: SecretStore) -> None:
        text = "0123456789abcdef" * (LARGE // 16)
        with self.stored(writable, "large", text, when="large") as key:
            assert writable.get(key).get_secret_value() == text

    def test_a_key_with_slashes_is_one_key_or_refused(self, writable: SecretStore) -> None:
        with self.stored(writable, "with/slashes/inside", "value", when="slashes") as key:
            assert writable.get(key).get_secret_value() == "value"

    def test_a_second_put_is_the_newest(self, writable: SecretStore) -> None:
        with written(writable, "newest", "first") as key:
            writable.put(key, SecretStr("second"))
            assert writable.get(key).get_secret_value() == "second"

    def test_an_earlier_version_stays_readable(self, writable: SecretStore) -> None:
        if not writable.versioned:
            pytest.skip("the store keeps no versions")
        with written(writable, "versions", "first") as key:
            first = writable.read(key).version
            writable.put(key, SecretStr("second"))
            assert first is not None
            assert writable.get(key, first).get_secret_value() == "first"

    def test_readers_see_one_whole_value_while_it_is_replaced(self, writable: SecretStore) -> None:
        values = [letter * 2000 for letter in "abcdef"]
        with written(writable, "rotating", values[0]) as key:
            seen: list[str] = []
            reader = Thread(target=lambda: seen.extend(writable.get(key).get_secret_value() for _ in range(READS)))
            reader.start()
            for value in values:
                writable.put(key, SecretStr(value))
            reader.join()
            assert len(seen) == READS
            assert set(seen) <= set(values)

    def test_a_deleted_key_is_missing(self, writable: SecretStore) -> None:
        with written(writable, "deleted", "gone") as key:
            pass
        with pytest.raises(SecretNotFound):
            writable.get(key)

    def test_a_missing_key_cannot_be_deleted(self, writable: SecretStore) -> None:
        with pytest.raises(SecretNotFound):
            writable.delete(writable.key_of("typecase-contract", "never-there"))

    def test_a_read_only_store_says_so(self, store: SecretStore) -> None:
        if not store.read_only:
            pytest.skip("the store can be written to")
        with pytest.raises(NotSupported):
            store.put("typecase-contract", SecretStr("value"))
        with pytest.raises(NotSupported):
            store.delete("typecase-contract")

    def test_listing_gives_keys_and_no_values(self, store: SecretStore, key: str, value: str) -> None:
        try:
            listed = list(store.list())
        except NotSupported:
            return
        assert key in listed
        assert value not in repr(listed)

    def test_every_one_of_many_keys_is_listed_once(
        self, store: SecretStore, many: tuple[str, Callable[[], int]]
    ) -> None:
        listed = list(store.list(many[0]))
        assert len(listed) == len(set(listed)) == MANY
        assert all(key.startswith(many[0]) for key in listed)

    def test_a_list_asks_for_no_page_before_it_is_needed(
        self, store: SecretStore, many: tuple[str, Callable[[], int]]
    ) -> None:
        prefix, pages = many
        before = pages()
        assert len(list(islice(store.list(prefix), 1))) == 1
        assert pages() - before == 1

    def test_it_shows_no_secret(self, store: SecretStore, key: str, value: str) -> None:
        found: Any = store.get(key)
        assert value not in f"{store!r} {found!r} {found} {vars(store)} {store.read(key)!r}"

    def test_what_it_gives_cannot_be_pickled(self, store: SecretStore, key: str) -> None:
        with pytest.raises(NotSupported):
            pickle.dumps(store.read(key))

    @contextmanager
    def stored(self, store: SecretStore, name: str, content: str | bytes, *, when: str) -> Iterator[str]:
        """Store `content` for a `with` block if the store supports `when`; else see that it refuses it, and skip."""
        if when in self.supports:
            with written(store, name, content) as key:
                yield key
            return
        with pytest.raises((NotSupported, InvalidSecretKey, SecretMalformed)):
            store.put(_key(store, name), _secret(content))
        pytest.skip(f"the store refuses {when}, as it says")


@contextmanager
def written(store: SecretStore, name: str, content: str | bytes) -> Iterator[str]:
    """Store `content` under a key of this contract for a `with` block; the key is deleted at its end."""
    key = _key(store, name)
    store.put(key, _secret(content))
    try:
        yield key
    finally:
        store.delete(key)


def _key(store: SecretStore, name: str) -> str:
    return f"typecase-contract/{name}" if "/" in name else store.key_of("typecase-contract", name)


def _secret(content: str | bytes) -> SecretStr | SecretBytes:
    return SecretStr(content) if isinstance(content, str) else SecretBytes(content)
