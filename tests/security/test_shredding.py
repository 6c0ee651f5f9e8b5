"""Destroying a document, or a data key: what is left opens for nobody."""

import json
import random
import sqlite3
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from fakes.crowd import THING
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from typecase.blocks.errors import DecryptionFailed
from typecase.blocks.records import Draft
from typecase.registry import envelope as module
from typecase.registry.direct import DirectRegistry
from typecase.registry.embedded import EmbeddedRegistry
from typecase.registry.envelope import new_data_key, open_sealed, revision_context, seal
from typecase.registry.tables import documents, revisions

GOLDEN = Path(__file__).parent / "golden"
DEK, SECRET, OTHER = bytes(range(32)), bytes(range(160, 192)), bytes(range(32, 64))
KEY_ID = bytes(range(64, 80))
CONTEXT = revision_context("workspace-1", "document-1", 7)


@pytest.fixture
def golden():
    return json.loads((GOLDEN / "envelope-v2.json").read_text("ascii"))


@pytest.fixture
def registry(tmp_path):
    registry = EmbeddedRegistry(tmp_path / "registry.db", key=(tmp_path / "root.key").as_uri())
    registry.types.register(THING)
    yield registry
    registry.close()


def save(registry, name, data):
    draft = Draft(name=name, workspace="default", type_slug=THING.slug, schema_version=1, data=data, overwrite=True)
    return registry.documents.save(draft)


class TestEnvelopesWithADocumentSecret:
    def test_the_first_one_still_opens(self, golden):
        context = revision_context(golden["workspace_id"], golden["document_id"], golden["revision"])
        dek, sealed, secret = (bytes.fromhex(golden[name]) for name in ("dek", "envelope", "document_secret"))
        opened = open_sealed(dek, sealed, context=context, document_secret=secret)
        assert opened == golden["plaintext"].encode()

    def test_sealing_with_the_same_salt_gives_the_same_bytes(self, golden, monkeypatch):
        monkeypatch.setattr(module, "urandom", lambda size: bytes.fromhex(golden["salt"])[:size])
        made = seal(
            bytes.fromhex(golden["dek"]),
            golden["plaintext"].encode(),
            key_id=bytes.fromhex(golden["key_id"]),
            context=revision_context(golden["workspace_id"], golden["document_id"], golden["revision"]),
            document_secret=bytes.fromhex(golden["document_secret"]),
        )
        assert made.hex() == golden["envelope"]

    def test_the_page_that_describes_the_format_is_enough_to_open_it(self, golden):
        places = golden["workspace_id"].encode(), golden["document_id"].encode(), str(golden["revision"]).encode()
        parts = (b"typecase/revision/1", *places, bytes.fromhex(golden["key_id"]))
        aad = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        sealed = bytes.fromhex(golden["envelope"])
        material = bytes.fromhex(golden["dek"]) + bytes.fromhex(golden["document_secret"])
        derived = HKDF(algorithm=SHA256(), length=64, salt=sealed[17:49], info=aad).derive(material)
        assert (sealed[0], derived[32:]) == (2, sealed[49:81])
        assert AESGCM(derived[:32]).decrypt(bytes(12), sealed[81:], aad) == golden["plaintext"].encode()

    @given(plaintext=st.binary(max_size=300))
    def test_they_are_no_longer_than_those_without(self, plaintext):
        made = seal(DEK, plaintext, key_id=KEY_ID, context=CONTEXT, document_secret=SECRET)
        assert len(made) == len(plaintext) + 97
        assert open_sealed(DEK, made, context=CONTEXT, document_secret=SECRET) == plaintext

    @pytest.mark.parametrize("secret", [None, OTHER, b"", SECRET[:31], SECRET + b"\0"])
    def test_the_data_key_alone_opens_nothing(self, secret):
        made = seal(DEK, b"text", key_id=KEY_ID, context=CONTEXT, document_secret=SECRET)
        with pytest.raises(DecryptionFailed):
            open_sealed(DEK, made, context=CONTEXT, document_secret=secret)

    def test_the_document_secret_alone_opens_nothing(self):
        made = seal(DEK, b"text", key_id=KEY_ID, context=CONTEXT, document_secret=SECRET)
        for dek in (OTHER, SECRET):
            with pytest.raises(DecryptionFailed):
                open_sealed(dek, made, context=CONTEXT, document_secret=SECRET)

    def test_one_cannot_be_passed_off_as_of_the_other_version(self):
        with_secret = seal(DEK, b"text", key_id=KEY_ID, context=CONTEXT, document_secret=SECRET)
        without = seal(DEK, b"text", key_id=KEY_ID, context=CONTEXT)
        for dek, forged in ((DEK, b"\1" + with_secret[1:]), (DEK, b"\2" + without[1:]), (DEK + SECRET, with_secret)):
            with pytest.raises(DecryptionFailed):
                open_sealed(dek, forged, context=CONTEXT, document_secret=SECRET)

    def test_one_of_before_opens_beside_a_secret(self):
        made = seal(DEK, b"text", key_id=KEY_ID, context=CONTEXT)
        assert open_sealed(DEK, made, context=CONTEXT, document_secret=SECRET) == b"text"

    @pytest.mark.parametrize("size", [0, 31, 33])
    def test_a_secret_of_another_size_is_refused(self, size):
        with pytest.raises(ValueError, match="32 bytes"):
            seal(DEK, b"", key_id=KEY_ID, context=CONTEXT, document_secret=bytes(size))

    def test_every_flipped_bit_is_refused(self):
        made = seal(DEK, b"text", key_id=KEY_ID, context=CONTEXT, document_secret=SECRET)
        for position in range(len(made) * 8):
            damaged = bytearray(made)
            damaged[position // 8] ^= 1 << position % 8
            with pytest.raises(DecryptionFailed):
                open_sealed(DEK, bytes(damaged), context=CONTEXT, document_secret=SECRET)


def test_every_document_has_a_secret_of_its_own_that_its_revisions_share(registry, tmp_path):
    for name, value in (("a", 1), ("a", 2), ("b", 1)):
        save(registry, name, {"v": value})
    registry.documents.restore("a", workspace="default", revision=1)
    registry.documents.rename("b", "c", workspace="default")
    connection = sqlite3.connect(tmp_path / "registry.db")
    secrets = connection.execute("select secret from documents").fetchall()
    versions = connection.execute("select distinct substr(payload, 1, 1) from revisions").fetchall()
    connection.close()
    assert (len(set(secrets)), {len(secret) for (secret,) in secrets}, versions) == (2, {32}, [(b"\2",)])
    assert registry.load("a", workspace="default", revision=2).root.data == b'{"v":2}'


def look(path):
    """The secret and the payloads of every document, as somebody who copies the rows finds them."""
    connection = sqlite3.connect(path)
    found = {
        name: (
            secret,
            [row[0] for row in connection.execute("select payload from revisions where document_id = ?", (key,))],
        )
        for key, name, secret in connection.execute("select id, name, secret from documents").fetchall()
    }
    connection.close()
    return found


@pytest.mark.parametrize("rotated", [False, True])
def test_of_200_deleted_documents_neither_secret_nor_ciphertext_is_in_database_or_wal(registry, tmp_path, rotated):
    seed = random.Random(7)
    names = [f"d{number}" for number in range(400)]
    for turn in range(2):
        for name in seed.sample(names, len(names)):
            save(registry, name, {"turn": turn, "text": "y" * seed.choice([10, 300, 3000])})
    traces = [look(tmp_path / "registry.db")]
    if rotated:
        registry.keys.rotate(retire=True)
        traces.append(look(tmp_path / "registry.db"))
    files = [path for path in tmp_path.iterdir() if path.name.startswith("registry")]
    dead = seed.sample(names, 200)
    content = b"".join(path.read_bytes() for path in files)
    assert all(traces[-1][name][0] in content for name in dead)
    for name in dead:
        registry.documents.delete(name, workspace="default")
    content = b"".join(path.read_bytes() for path in files)
    assert not any(trace[name][0] in content for trace in traces for name in dead)
    assert not any(payload[17:81] in content for trace in traces for name in dead for payload in trace[name][1])


def test_a_copied_ciphertext_of_a_deleted_document_does_not_open_with_all_keys_that_there_are(registry, tmp_path):
    saved = save(registry, "a", {"v": 1})
    save(registry, "other", {"v": 2})
    connection = sqlite3.connect(tmp_path / "registry.db", isolation_level=None)
    row = connection.execute("select * from revisions where document_id = ?", (saved.document_id,)).fetchone()
    document = connection.execute("select * from documents where id = ?", (saved.document_id,)).fetchone()
    names = [column[1] for column in connection.execute("pragma table_info(documents)")]
    registry.documents.delete("a", workspace="default")
    secret = names.index("secret")
    (other,) = connection.execute("select secret from documents").fetchone()
    # The ciphertext comes back from a log or a replica; the secret is gone, so somebody tries all others.
    for tried in (None, new_data_key(), other):
        values = [*document[:secret], tried, *document[secret + 1 :]]
        connection.execute(f"insert into documents values ({', '.join('?' * len(values))})", values)
        connection.execute(f"insert into revisions values ({', '.join('?' * len(row))})", row)
        with pytest.raises(DecryptionFailed):
            registry.load_id(saved.document_id)
        connection.execute("delete from revisions where document_id = ?", (saved.document_id,))
        connection.execute("delete from documents where id = ?", (saved.document_id,))
    connection.close()


def test_a_retired_data_key_is_not_in_the_files_any_more(registry, tmp_path):
    save(registry, "a", {"v": 1})
    connection = sqlite3.connect(tmp_path / "registry.db")
    (wrapped,) = connection.execute("select wrapped from data_keys").fetchone()
    connection.close()
    files = [path for path in tmp_path.iterdir() if path.name.startswith("registry")]
    assert any(wrapped[17:] in path.read_bytes() for path in files)
    registry.keys.rotate(retire=True)
    assert not any(wrapped[17:] in path.read_bytes() for path in files)


def test_what_the_earlier_root_key_wrapped_is_not_in_the_files_any_more(registry, tmp_path):
    save(registry, "a", {"v": 1})
    connection = sqlite3.connect(tmp_path / "registry.db")
    (wrapped,) = connection.execute("select wrapped from data_keys").fetchone()
    connection.close()
    registry.keys.rewrap((tmp_path / "new.key").as_uri(), create=True)
    files = [path for path in tmp_path.iterdir() if path.name.startswith("registry")]
    assert not any(wrapped[17:] in path.read_bytes() for path in files)


def test_on_postgresql_no_row_holds_the_secret_or_a_ciphertext_of_a_deleted_document(postgres_url, tmp_path):
    """Its write-ahead log and its dead rows are out of reach: docs/how-to/rotate-keys.md says what helps there."""
    registry = DirectRegistry(postgres_url, key=(tmp_path / "root.key").as_uri())
    registry.init(create_key_if_missing=True)
    registry.types.register(THING)
    kept = save(registry, "kept", {"v": 1})
    save(registry, "gone", {"v": 1})
    save(registry, "gone", {"v": 2})
    registry.documents.delete("gone", workspace="default")
    with registry._store.engine().connect() as connection:
        left = connection.scalars(select(documents.c.id).where(documents.c.secret.is_not(None))).all()
        owners = connection.scalars(select(revisions.c.document_id)).all()
    registry.close()
    assert (left, owners) == ([kept.document_id], [kept.document_id])
