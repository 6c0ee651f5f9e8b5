"""Secrets in the key/value engine: what is stored, what comes back, what is refused."""

import json
from datetime import datetime

import pytest
from pydantic import SecretBytes, SecretStr

from typecase.blocks.errors import (
    InvalidSecretKey,
    NotSupported,
    SecretError,
    SecretForbidden,
    SecretMalformed,
    SecretNotFound,
    SecretStoreUnreachable,
)


def put(store, key, text, **options):
    store.put(key, SecretStr(text), **options)


def test_fields_come_as_one_json_object_with_the_version(vault, store):
    vault.secret.put("prod/db", {"username": "app", "password": "ünï"})
    found = store.read("prod/db")
    assert json.loads(found.text().get_secret_value()) == {"username": "app", "password": "ünï"}
    assert found.version == "1"


def test_a_json_object_is_stored_as_its_fields(vault, store):
    put(store, "prod/db", '{"username": "app", "port": 5432, "tls": {"on": true}}')
    assert vault.secret.secrets["prod/db"][0]["data"] == {"username": "app", "port": 5432, "tls": {"on": True}}


@pytest.mark.parametrize(
    "text", ["plain", "[1, 2]", "{}", '{"value": "x"}', '{"a": 1, "a": 2}', '{"a": NaN}', '{"a": ', "7"]
)
def test_any_other_text_is_the_field_value_and_comes_back_as_it_was(vault, store, text):
    put(store, "k", text)
    assert vault.secret.secrets["k"][0]["data"] == {"value": text}
    assert store.get("k").get_secret_value() == text


def test_bytes_that_are_text_are_stored_as_text(vault, store):
    store.put("k", SecretBytes("ü".encode()))
    assert vault.secret.secrets["k"][0]["data"] == {"value": "ü"}


@pytest.mark.parametrize("content", [SecretBytes(b"\xff\x00"), SecretStr("\ud800")], ids=["bytes", "half a character"])
def test_what_is_no_text_is_refused_before_vault_is_asked(vault, store, content):
    with pytest.raises(SecretMalformed, match="binary"):
        store.put("k", content)
    assert vault.requests == []


def test_an_earlier_version_is_read_by_number(vault, store):
    for text in ("one", "two"):
        vault.secret.put("k", {"value": text})
    assert store.read("k", "1").get_secret_value() == b"one"
    assert store.read("k", "1").version == "1"
    assert store.read("k").version == "2"


@pytest.mark.parametrize("version", ["0", "3", "-1", "latest", "", "²"])
def test_a_version_that_is_not_there_is_absent(vault, store, version):
    vault.secret.put("k", {"value": "one"})
    with pytest.raises(SecretNotFound) as raised:
        store.get("k", version)
    assert (raised.value.reason, raised.value.key, raised.value.store) == ("absent", "k", "hashicorp-vault")


def test_a_version_deleted_softly_is_deleted_until_it_is_restored(vault, store):
    put(store, "k", "one")
    vault.secret.delete_data("k", {}, {})
    with pytest.raises(SecretNotFound, match="vault kv undelete") as raised:
        store.get("k")
    assert raised.value.reason == "deleted"
    vault.secret.post_undelete("k", {}, {"versions": [1]})
    assert store.get("k").get_secret_value() == "one"


def test_a_destroyed_version_is_deleted_and_its_neighbour_is_not(vault, store):
    for text in ("one", "two"):
        put(store, "k", text)
    vault.secret.put_destroy("k", {}, {"versions": [1]})
    with pytest.raises(SecretNotFound) as raised:
        store.get("k", "1")
    assert raised.value.reason == "deleted"
    assert store.get("k").get_secret_value() == "two"


def test_a_version_that_deletes_itself_later_says_when(vault, store):
    vault.secret.put("k", {"value": "one"}, deletion_time=vault.secret.stamp(3600))
    assert store.read("k").expires_at == datetime.fromtimestamp(int(vault.clock.now + 3600)).astimezone()


def test_a_secret_that_stays_has_no_end(vault, store):
    put(store, "k", "one")
    assert store.read("k").expires_at is None


def test_cas_zero_writes_only_what_is_not_there(vault, store):
    put(store, "k", "one", cas=0)
    with pytest.raises(SecretError, match="Somebody else changed 'k'") as raised:
        put(store, "k", "two", cas=0)
    assert (raised.value.reason, raised.value.expected, raised.value.key) == ("conflict", 0, "k")
    assert store.get("k").get_secret_value() == "one"


def test_cas_writes_over_the_version_that_it_names(vault, store):
    put(store, "k", "one")
    put(store, "k", "two", cas=1)
    assert store.read("k").version == "2"


def test_a_mount_that_requires_cas_says_so(vault, store):
    vault.secret.cas_required = True
    with pytest.raises(SecretError, match="check_and_set"):
        put(store, "k", "one")


def test_check_and_set_writes_to_a_mount_that_requires_cas(vault, store_of):
    vault.secret.cas_required = True
    store = store_of(check_and_set=True)
    for text in ("one", "two"):
        put(store, "k", text)
    assert store.read("k").version == "2"


def test_check_and_set_loses_no_change_of_somebody_else(vault, store_of, monkeypatch):
    store = store_of(check_and_set=True)
    metadata = vault.secret.get_metadata

    def meanwhile(*arguments):
        answer = metadata(*arguments)
        vault.secret.put("k", {"value": "theirs"})
        return answer

    monkeypatch.setattr(vault.secret, "get_metadata", meanwhile)
    with pytest.raises(SecretError) as raised:
        put(store, "k", "mine")
    assert raised.value.reason == "conflict"
    assert store.get("k").get_secret_value() == "theirs"


def test_deleting_takes_all_versions(vault, store):
    for text in ("one", "two"):
        put(store, "k", text)
    store.delete("k")
    assert "k" not in vault.secret.secrets


def test_keys_are_listed_through_all_folders_and_filtered_by_prefix(vault, store):
    for key in ("a", "prod/db", "prod/deep/er/x", "prod/db/replica", "production", "z"):
        vault.secret.put(key, {"value": "x"})
    assert sorted(store.list()) == ["a", "prod/db", "prod/db/replica", "prod/deep/er/x", "production", "z"]
    assert sorted(store.list("prod/d")) == ["prod/db", "prod/db/replica", "prod/deep/er/x"]
    assert list(store.list("prod/deep/")) == ["prod/deep/er/x"]
    assert list(store.list("nothing/")) == []


def test_a_folder_is_asked_for_when_its_keys_are_needed(vault, store):
    for key in ("a/1", "b/1", "c"):
        vault.secret.put(key, {"value": "x"})
    keys = store.list()
    assert (next(keys), vault.count(method="LIST")) == ("c", 1)
    assert (next(keys), vault.count(method="LIST")) == ("a/1", 2)


def test_a_list_that_is_forbidden_says_so(vault, store_of):
    store = store_of(vault.token((("secret/data/*", {"read"}),)))
    with pytest.raises(SecretForbidden, match="'prod/'"):
        next(store.list("prod/"))


@pytest.mark.parametrize("key", ["a b", "a%2Fb", "a+b?c#d", "ünï/k", "a:b@c;d,e=f&g", "~tilde"])
def test_a_key_is_sent_as_it_is(vault, store, key):
    put(store, key, "text")
    assert list(vault.secret.secrets) == [key]
    assert store.get(key).get_secret_value() == "text"


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", ".", "a/..", "a/./b", "a\nb", " a", "a/ b"])
def test_a_key_that_is_no_path_is_refused_before_vault_is_asked(vault, store, key):
    for use in (store.get, store.delete, lambda key: put(store, key, "x")):
        with pytest.raises(InvalidSecretKey):
            use(key)
    assert vault.requests == []


def test_the_namespace_goes_with_every_request(vault, store_of):
    vault.spaces["admin/data"] = {"secret": type(vault.secret)(vault.clock)}
    vault.spaces["admin/data"]["secret"].put("k", {"value": "theirs"})
    vault.secret.put("k", {"value": "ours"})
    assert store_of(namespace="/admin/data/").get("k").get_secret_value() == "theirs"
    assert {namespace for _, _, namespace, _ in vault.requests} == {"admin/data"}
    assert store_of().get("k").get_secret_value() == "ours"


def test_version_1_on_a_version_2_mount_says_which_field_is_wrong(vault, store_of):
    vault.secret.put("k", {"value": "x"})
    with pytest.raises(SecretNotFound, match="kv_version to 2"):
        store_of(kv_version=1).get("k")


def test_a_mount_that_is_not_there_is_not_an_empty_one(store_of):
    store = store_of(mount="typo")
    for use in (lambda: store.get("k"), lambda: list(store.list())):
        with pytest.raises(SecretNotFound, match="check the block's mount"):
            use()


def test_version_1_has_no_check_and_set(store_of):
    with pytest.raises(NotSupported, match="check-and-set"):
        put(store_of(mount="kv", kv_version=1), "k", "x", cas=0)


@pytest.mark.parametrize("data", [None, [], "text"], ids=repr)
def test_a_secret_without_fields_is_malformed(vault, store, data):
    vault.secret.put("k", data)
    with pytest.raises(SecretMalformed) as raised:
        store.get("k")
    assert raised.value.key == "k"


@pytest.mark.parametrize("body", [b"{}", b'{"data": []}', b'{"data": {"data": {"a": "b"}}}', b"[]", b"null"])
def test_an_answer_of_another_form_is_a_malformed_answer(vault, store, body):
    vault.fail(path="secret/data", status=200, body=body)
    with pytest.raises(SecretStoreUnreachable) as raised:
        store.get("k")
    assert raised.value.reason == "malformed answer"


def test_what_is_too_large_for_vault_is_refused(vault, store):
    vault.fail(path="secret/data", status=413, body={"errors": ["http: request body too large"]})
    with pytest.raises(SecretMalformed, match="larger"):
        put(store, "k", "x")


def test_the_client_is_hvacs_own_and_signed_in(vault, store):
    vault.secret.put("k", {"value": "x"})
    client = store.client()
    found = client.secrets.kv.v2.read_secret_version(path="k", raise_on_deleted_version=True)
    assert found["data"]["data"] == {"value": "x"}
