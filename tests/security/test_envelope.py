"""The envelope: what opens, what does not, and why nothing simpler is used."""

import json
import os
import subprocess
import sys
import traceback
from itertools import product
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import assume, given
from hypothesis import strategies as st

from typecase.blocks.errors import DecryptionFailed
from typecase.registry import envelope as module
from typecase.registry.envelope import (
    data_key_context,
    key_id_of,
    new_data_key,
    open_sealed,
    revision_context,
    seal,
)

GOLDEN = Path(__file__).parent / "golden"
DEK = bytes(range(32))
OTHER_DEK = bytes(range(32, 64))
KEY_ID = bytes(range(64, 80))
CONTEXT = revision_context("workspace-1", "document-1", 7)
PLAINTEXT = b'{"password": "correct horse"}'
NONCE = bytes(12)

fields = st.lists(st.binary(max_size=12), max_size=6).map(tuple)
keys = st.binary(min_size=32, max_size=32)
key_ids = st.binary(min_size=16, max_size=16)


def message_of(dek, sealed, context):
    with pytest.raises(DecryptionFailed) as caught:
        open_sealed(dek, sealed, context=context)
    return str(caught.value)


@pytest.fixture
def sealed():
    return seal(DEK, PLAINTEXT, key_id=KEY_ID, context=CONTEXT)


@pytest.fixture
def golden():
    return json.loads((GOLDEN / "envelope-v1.json").read_text("ascii"))


class TestRoundTrip:
    @given(dek=keys, plaintext=st.binary(max_size=300), key_id=key_ids, context=fields)
    def test_opening_gives_back_what_was_sealed(self, dek, plaintext, key_id, context):
        made = seal(dek, plaintext, key_id=key_id, context=context)
        assert open_sealed(dek, made, context=context) == plaintext

    @given(plaintext=st.binary(max_size=300))
    def test_an_envelope_is_97_bytes_longer_than_its_plaintext(self, plaintext):
        assert len(seal(DEK, plaintext, key_id=KEY_ID, context=CONTEXT)) == len(plaintext) + 97

    @given(key_id=key_ids)
    def test_an_envelope_tells_the_id_of_its_key(self, key_id):
        assert key_id_of(seal(DEK, b"", key_id=key_id, context=CONTEXT)) == key_id

    def test_sealing_twice_shares_nothing_after_the_key_id(self, sealed):
        again = seal(DEK, PLAINTEXT, key_id=KEY_ID, context=CONTEXT)
        assert again[:17] == sealed[:17]
        assert again[17:49] != sealed[17:49]
        assert again[49:81] != sealed[49:81]
        assert again[81:] != sealed[81:]

    def test_a_data_key_has_32_bytes_and_is_new_each_time(self):
        assert {len(new_data_key()), len(new_data_key())} == {32}
        assert new_data_key() != new_data_key()

    @pytest.mark.parametrize("size", [0, 16, 31, 33])
    def test_sealing_refuses_a_data_key_of_another_size(self, size):
        with pytest.raises(ValueError, match="32 bytes"):
            seal(bytes(size), b"", key_id=KEY_ID, context=CONTEXT)

    @pytest.mark.parametrize("size", [0, 15, 17])
    def test_sealing_refuses_a_key_id_of_another_size(self, size):
        with pytest.raises(ValueError, match="16 bytes"):
            seal(DEK, b"", key_id=bytes(size), context=CONTEXT)


class TestGolden:
    """The format is a promise: these bytes were written once and must open for ever."""

    def test_the_first_envelope_still_opens(self, golden):
        context = revision_context(golden["workspace_id"], golden["document_id"], golden["revision"])
        opened = open_sealed(bytes.fromhex(golden["dek"]), bytes.fromhex(golden["envelope"]), context=context)
        assert opened == golden["plaintext"].encode()

    def test_sealing_with_the_same_salt_gives_the_same_bytes(self, golden, monkeypatch):
        monkeypatch.setattr(module, "urandom", lambda size: bytes.fromhex(golden["salt"])[:size])
        made = seal(
            bytes.fromhex(golden["dek"]),
            golden["plaintext"].encode(),
            key_id=bytes.fromhex(golden["key_id"]),
            context=revision_context(golden["workspace_id"], golden["document_id"], golden["revision"]),
        )
        assert made.hex() == golden["envelope"]

    def test_the_page_that_describes_the_format_is_enough_to_open_it(self, golden):
        parts = (
            b"typecase/revision/1",
            golden["workspace_id"].encode(),
            golden["document_id"].encode(),
            str(golden["revision"]).encode(),
            bytes.fromhex(golden["key_id"]),
        )
        aad = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        raw = bytes.fromhex(golden["envelope"])
        derived = HKDF(algorithm=SHA256(), length=64, salt=raw[17:49], info=aad).derive(bytes.fromhex(golden["dek"]))
        assert raw[0] == 1
        assert raw[1:17].hex() == golden["key_id"]
        assert raw[49:81] == derived[32:]
        assert AESGCM(derived[:32]).decrypt(NONCE, raw[81:], aad) == golden["plaintext"].encode()


class TestPlaces:
    """An envelope opens in the place that it was sealed for, and in no other."""

    PLACES = (
        *(revision_context("w1", "d1", revision) for revision in (1, 2, 11, 12)),
        *(revision_context("w1", document, 1) for document in ("d2", "d11", "", "1")),
        *(revision_context(workspace, "d1", 1) for workspace in ("w2", "w1d", "", "d1")),
        revision_context("w1d1", "", 1),
        revision_context("", "w1d1", 1),
        *(data_key_context("w1", generation, KEY_ID) for generation in (1, 2)),
        *(data_key_context("w1", 1, other) for other in (b"d1", bytes(16))),
        data_key_context("w2", 1, KEY_ID),
        (b"typecase/another-column/1", b"w1", b"d1", b"1"),
    )

    def test_of_400_pairs_of_places_only_the_20_identical_ones_open(self):
        assert len(self.PLACES) == 20
        sealed = [seal(DEK, PLAINTEXT, key_id=KEY_ID, context=place) for place in self.PLACES]
        opened = set()
        for row, place in product(range(20), range(20)):
            try:
                open_sealed(DEK, sealed[row], context=self.PLACES[place])
            except DecryptionFailed:
                continue
            opened.add((row, place))
        assert opened == {(row, row) for row in range(20)}

    @given(context=fields, other=fields)
    def test_two_contexts_never_mean_the_same_place(self, context, other):
        assume(context != other)
        made = seal(DEK, PLAINTEXT, key_id=KEY_ID, context=context)
        message_of(DEK, made, other)

    @given(context=fields)
    def test_a_key_id_cannot_be_moved_into_the_context(self, context):
        made = seal(DEK, PLAINTEXT, key_id=KEY_ID, context=context)
        message_of(DEK, made, (*context, KEY_ID))

    @given(dek=keys)
    def test_another_data_key_does_not_open_it(self, dek):
        assume(dek != DEK)
        message_of(dek, seal(DEK, PLAINTEXT, key_id=KEY_ID, context=CONTEXT), CONTEXT)


class TestDamage:
    def test_every_flipped_bit_gives_the_one_error(self, sealed):
        expected = message_of(OTHER_DEK, sealed, CONTEXT)
        found = set()
        for position in range(len(sealed) * 8):
            damaged = bytearray(sealed)
            damaged[position // 8] ^= 1 << position % 8
            found.add(message_of(DEK, bytes(damaged), CONTEXT))
        assert found == {expected}

    def test_every_truncation_gives_the_one_error(self, sealed):
        expected = message_of(OTHER_DEK, sealed, CONTEXT)
        assert {message_of(DEK, sealed[:size], CONTEXT) for size in range(len(sealed))} == {expected}

    @given(tail=st.binary(min_size=1, max_size=40))
    def test_bytes_added_at_the_end_give_the_one_error(self, tail):
        made = seal(DEK, PLAINTEXT, key_id=KEY_ID, context=CONTEXT)
        assert message_of(DEK, made + tail, CONTEXT) == message_of(OTHER_DEK, made, CONTEXT)

    @given(noise=st.binary(max_size=200))
    def test_noise_gives_the_one_error(self, noise):
        made = seal(DEK, PLAINTEXT, key_id=KEY_ID, context=CONTEXT)
        assert message_of(DEK, noise, CONTEXT) == message_of(OTHER_DEK, made, CONTEXT)

    @pytest.mark.parametrize("version", [0, 3, 0x80, 0xFF])
    def test_an_unknown_version_has_no_key_id(self, sealed, version):
        with pytest.raises(DecryptionFailed):
            key_id_of(bytes([version]) + sealed[1:])

    @pytest.mark.parametrize("size", [0, 1, 16, 17, 96])
    def test_a_cut_envelope_has_no_key_id(self, sealed, size):
        with pytest.raises(DecryptionFailed):
            key_id_of(sealed[:size])

    @pytest.mark.parametrize("position", [0, 20, 60, -1])
    def test_the_error_has_no_cause_that_tells_the_reason(self, sealed, position):
        damaged = bytearray(sealed)
        damaged[position] ^= 1
        with pytest.raises(DecryptionFailed) as caught:
            open_sealed(DEK, bytes(damaged), context=CONTEXT)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None

    def test_the_error_tells_what_to_do_next(self, sealed):
        assert "typecase keys status" in message_of(OTHER_DEK, sealed, CONTEXT)

    def test_a_traceback_with_local_variables_shows_no_key_and_no_plaintext(self, sealed):
        class Holder:
            def open(self):
                return open_sealed(self.dek, sealed[:-1], context=CONTEXT)

        holder = Holder()
        holder.dek = DEK
        with pytest.raises(DecryptionFailed) as caught:
            holder.open()
        frames = caught.value.__traceback__.tb_next
        shown = "".join(
            traceback.TracebackException(DecryptionFailed, caught.value, frames, capture_locals=True).format()
        )
        assert "open_sealed" in shown
        for canary in (DEK, PLAINTEXT):
            assert repr(canary)[2:-1] not in shown
            assert canary.hex() not in shown


class TestTwoKeys:
    """Plain AES-GCM lets one ciphertext open under two keys. The commitment forbids it."""

    def test_plain_gcm_accepts_a_two_key_ciphertext(self):
        one, two = os.urandom(32), os.urandom(32)
        forged = forge_two_key_ciphertext(one, two, b"")
        assert AESGCM(one).decrypt(NONCE, forged, b"") != AESGCM(two).decrypt(NONCE, forged, b"")

    @pytest.mark.parametrize("committed", [0, 1])
    def test_an_envelope_around_a_two_key_ciphertext_opens_only_under_the_key_it_commits_to(self, committed):
        salt = os.urandom(32)
        aad = b"".join(len(part).to_bytes(4, "big") + part for part in (*CONTEXT, KEY_ID))
        deks = (DEK, OTHER_DEK)
        derived = [HKDF(algorithm=SHA256(), length=64, salt=salt, info=aad).derive(dek) for dek in deks]
        forged = forge_two_key_ciphertext(derived[0][:32], derived[1][:32], aad)
        plaintexts = [AESGCM(each[:32]).decrypt(NONCE, forged, aad) for each in derived]
        made = b"\x01" + KEY_ID + salt + derived[committed][32:] + forged
        assert open_sealed(deks[committed], made, context=CONTEXT) == plaintexts[committed]
        message_of(deks[1 - committed], made, CONTEXT)


class TestWhyNothingSimpler:
    """The attacks that the envelope stops, shown to work on what it replaces."""

    def test_fernet_tokens_of_two_rows_can_be_swapped(self):
        fernet = Fernet(Fernet.generate_key())
        rows = {"prod-db": fernet.encrypt(b"prod password"), "test-db": fernet.encrypt(b"test password")}
        rows["prod-db"], rows["test-db"] = rows["test-db"], rows["prod-db"]
        assert fernet.decrypt(rows["prod-db"]) == b"test password"

    def test_plain_gcm_without_aad_lets_rows_be_swapped(self):
        gcm = AESGCM(DEK)
        rows = {name: (nonce := os.urandom(12)) + gcm.encrypt(nonce, name.encode(), None) for name in ("prod", "test")}
        swapped = rows["test"]
        assert gcm.decrypt(swapped[:12], swapped[12:], None) == b"test"

    def test_envelopes_of_two_rows_cannot_be_swapped(self):
        places = {name: revision_context("w", name, 1) for name in ("prod", "test")}
        rows = {name: seal(DEK, name.encode(), key_id=KEY_ID, context=place) for name, place in places.items()}
        message_of(DEK, rows["test"], places["prod"])

    def test_a_fernet_token_is_longer_than_an_envelope_of_a_usual_payload(self):
        payload = bytes(400)
        token = Fernet(Fernet.generate_key()).encrypt(payload)
        assert len(token) > len(seal(DEK, payload, key_id=KEY_ID, context=CONTEXT))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_8_forked_processes_with_100_000_encryptions_each_never_repeat_a_key_and_salt(tmp_path):
    # A fresh interpreter forks: threads of other tests must not be forked along.
    script = """
import os, sys
from typecase.registry.envelope import new_data_key, revision_context, seal

dek, key_id, context = new_data_key(), bytes(16), revision_context("w", "d", 1)
seal(dek, b"", key_id=key_id, context=context)
children = []
for number in range(8):
    child = os.fork()
    if child == 0:
        with open(os.path.join(sys.argv[1], str(number)), "wb") as file:
            file.writelines(seal(dek, b"", key_id=key_id, context=context)[17:49] for _ in range(100_000))
        os._exit(0)
    children.append(child)
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    salts = b"".join((tmp_path / str(number)).read_bytes() for number in range(8))
    assert len(salts) == 8 * 100_000 * 32
    assert len({salts[start : start + 32] for start in range(0, len(salts), 32)}) == 800_000


def forge_two_key_ciphertext(one, two, aad):
    """Solve for the ciphertext block whose tags under both keys are equal.

    A tag is linear in the block c: tag = tag of the zero block + c * H ** 2, with H = AES(key, 0). So
    c = (tag one + tag two) / (H one ** 2 + H two ** 2), in the field of GCM.
    """
    tags, squares = [], []
    for key in (one, two):
        keystream = AESGCM(key).encrypt(NONCE, bytes(16), aad)[:16]
        tags.append(int.from_bytes(AESGCM(key).encrypt(NONCE, keystream, aad)[16:], "big"))
        h = int.from_bytes(Cipher(AES(key), ECB()).encryptor().update(bytes(16)), "big")
        squares.append(multiply(h, h))
    block = multiply(tags[0] ^ tags[1], invert(squares[0] ^ squares[1]))
    tag = tags[0] ^ multiply(block, squares[0])
    return block.to_bytes(16, "big") + tag.to_bytes(16, "big")


def multiply(x, y):
    """Multiply in GF(2 ** 128) with the bit order of GCM: the highest bit is the coefficient of 1."""
    product_ = 0
    for bit in range(127, -1, -1):
        if x >> bit & 1:
            product_ ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return product_


def invert(x):
    """Raise to 2 ** 128 - 2, which inverts in a field of 2 ** 128 elements."""
    result = 1 << 127
    for _ in range(127):
        x = multiply(x, x)
        result = multiply(result, x)
    return result
