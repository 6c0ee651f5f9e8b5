"""The envelope beside what it is made of and what it replaces."""

from __future__ import annotations

import os
from collections.abc import Iterator

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from measuring import Row, time_calls

from typecase.registry.envelope import new_data_key, open_sealed, revision_context, seal

_TEXT = b"x" * 200
_CONTEXT = revision_context("w" * 32, "d" * 32, 1)


def rows(*, number: int) -> Iterator[Row]:
    """Measure sealing and opening 200 bytes."""
    dek, key_id = new_data_key(), os.urandom(16)
    sealed = seal(dek, _TEXT, key_id=key_id, context=_CONTEXT)
    plain, nonce = AESGCM(dek), os.urandom(12)
    encrypted = plain.encrypt(nonce, _TEXT, None)
    fernet = Fernet(Fernet.generate_key())
    token = fernet.encrypt(_TEXT)
    times = time_calls(
        {
            "seal": lambda: seal(dek, _TEXT, key_id=key_id, context=_CONTEXT),
            "open": lambda: open_sealed(dek, sealed, context=_CONTEXT),
            "encrypt": lambda: plain.encrypt(os.urandom(12), _TEXT, None),
            "decrypt": lambda: plain.decrypt(nonce, encrypted, None),
            "fernet encrypt": lambda: fernet.encrypt(_TEXT),
            "fernet decrypt": lambda: fernet.decrypt(token),
        },
        number=number,
    )
    sizes = f"{len(sealed)} bytes; AES-GCM {len(encrypted) + 12}, Fernet {len(token)}"
    for ours, other, name in (
        ("seal", "encrypt", "plain AES-GCM, which commits to no key"),
        ("seal", "fernet encrypt", "Fernet"),
        ("open", "decrypt", "plain AES-GCM"),
        ("open", "fernet decrypt", "Fernet"),
    ):
        yield Row(
            promise=f"envelope: {ours} 200 bytes",
            measured=f"vs {name}",
            ours=f"{1 / times[ours]:,.0f}/s",
            limit=f"{1 / times[other]:,.0f}/s",
            ratio=times[ours] / times[other],
            note=sizes,
        )
        sizes = ""
