"""The envelope: the one format in which Typecase keeps anything encrypted.

Version 1 is `version (1 byte, 0x01) | key id (16) | salt (32) | commitment (32) | ciphertext and tag`, where
`(key, commitment) = HKDF-SHA256(data key, salt, info=AAD)` gives 64 bytes, and AES-256-GCM under `key` the ciphertext.
Version 2 (0x02) differs in one thing: HKDF's input is the data key followed by the 32-byte secret of the document that
the envelope belongs to. Once that secret is gone, the data key alone opens nothing.

The AAD is the context's fields and then the key id, each after its length as four big-endian bytes. It names the place
that an envelope belongs to; the same bytes in another place do not open.
"""

from __future__ import annotations

from hmac import compare_digest

# The kernel's generator has no state in this process, so a fork cannot repeat its output.
from os import urandom
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from typecase.blocks.errors import DecryptionFailed

KEY_SIZE: Final = 32
KEY_ID_SIZE: Final = 16

DOCUMENT_SECRET_SIZE: Final = 32

_PLAIN: Final = 1
_SHREDDABLE: Final = 2
_SALT_SIZE: Final = 32
_TAG_SIZE: Final = 16
_SALT_START: Final = 1 + KEY_ID_SIZE
_COMMITMENT_START: Final = _SALT_START + _SALT_SIZE
_CIPHERTEXT_START: Final = _COMMITMENT_START + 32
_SMALLEST: Final = _CIPHERTEXT_START + _TAG_SIZE
_NONCE: Final = bytes(12)
_SHA256: Final = SHA256()


def seal(
    dek: bytes, plaintext: bytes, *, key_id: bytes, context: tuple[bytes, ...], document_secret: bytes | None = None
) -> bytes:
    """Encrypt `plaintext` for the one place that `context` names; it opens only with the same `document_secret`.

    The nonce is always zero: a fresh 32-byte salt gives each message a key of its own, and a key that encrypts once
    cannot repeat a nonce. So there is no limit on the number of messages under one data key, and nothing to count.

    Raises:
        ValueError: `dek` or `document_secret` is not 32 bytes, or `key_id` not 16.

    """
    if len(dek) != KEY_SIZE:
        raise ValueError(f"A data key has {KEY_SIZE} bytes. Make one with new_data_key().")
    if len(key_id) != KEY_ID_SIZE:
        raise ValueError(f"A key id has {KEY_ID_SIZE} bytes. Make one with os.urandom({KEY_ID_SIZE}).")
    version = _PLAIN
    if document_secret is not None:
        if len(document_secret) != DOCUMENT_SECRET_SIZE:
            raise ValueError(f"A document's secret has {DOCUMENT_SECRET_SIZE} bytes. Make one with new_data_key().")
        version, dek = _SHREDDABLE, dek + document_secret
    salt = urandom(_SALT_SIZE)
    aad = _encode(context, key_id)
    derived = _derive(dek, salt, aad)
    ciphertext = AESGCM(derived[:32]).encrypt(_NONCE, plaintext, aad)
    return b"".join((version.to_bytes(1, "big"), key_id, salt, derived[32:], ciphertext))


def open_sealed(
    dek: bytes, envelope: bytes, *, context: tuple[bytes, ...], document_secret: bytes | None = None
) -> bytes:
    """Decrypt what `seal` made with the same data key for the same context; version 1 ignores `document_secret`.

    Raises:
        DecryptionFailed: for every reason alike: damaged, cut, moved, another key, another version.

    """
    plaintext = _open(dek, envelope, context, document_secret)
    if plaintext is None:
        # A traceback that shows local variables reaches this frame.
        del dek, document_secret
        raise _failure() from None
    return plaintext


def key_id_of(envelope: bytes) -> bytes:
    """Return the id of the key that `envelope` says it was made with; only opening it proves that.

    Raises:
        DecryptionFailed: `envelope` is no envelope of a known version.

    """
    if not _is_envelope(envelope):
        raise _failure()
    return envelope[1:_SALT_START]


def new_data_key() -> bytes:
    """Return a new random data key of 32 bytes."""
    return urandom(KEY_SIZE)


def revision_context(workspace_id: str, document_id: str, revision: int) -> tuple[bytes, ...]:
    """Name the place of one revision's payload."""
    return b"typecase/revision/1", workspace_id.encode(), document_id.encode(), b"%d" % revision


def data_key_context(workspace_id: str, generation: int, data_key_id: bytes) -> tuple[bytes, ...]:
    """Name the place of one workspace's wrapped data key of one generation."""
    return b"typecase/data-key/1", workspace_id.encode(), b"%d" % generation, data_key_id


def _open(dek: bytes, envelope: bytes, context: tuple[bytes, ...], document_secret: bytes | None) -> bytes | None:
    if not _is_envelope(envelope):
        return None
    if envelope[0] == _SHREDDABLE:
        if document_secret is None or len(document_secret) != DOCUMENT_SECRET_SIZE:
            return None
        dek += document_secret
    aad = _encode(context, envelope[1:_SALT_START])
    derived = _derive(dek, envelope[_SALT_START:_COMMITMENT_START], aad)
    # AES-GCM alone would accept a ciphertext made to open under two keys: the commitment comes first.
    if not compare_digest(derived[32:], envelope[_COMMITMENT_START:_CIPHERTEXT_START]):
        return None
    try:
        return AESGCM(derived[:32]).decrypt(_NONCE, envelope[_CIPHERTEXT_START:], aad)
    except InvalidTag:
        return None


def _is_envelope(envelope: bytes) -> bool:
    return len(envelope) >= _SMALLEST and envelope[0] in {_PLAIN, _SHREDDABLE}


def _encode(context: tuple[bytes, ...], key_id: bytes) -> bytes:
    return b"".join([len(part).to_bytes(4, "big") + part for part in (*context, key_id)])


def _derive(dek: bytes, salt: bytes, aad: bytes) -> bytes:
    return HKDF(algorithm=_SHA256, length=64, salt=salt, info=aad).derive(dek)


def _failure() -> DecryptionFailed:
    return DecryptionFailed(
        "The encrypted data does not open: it is damaged, was moved, or belongs to another key.",
        hint="Run `typecase keys status`, or restore the row and the key from one backup.",
    )
