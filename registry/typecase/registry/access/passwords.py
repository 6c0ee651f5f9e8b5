"""Passwords: hashed by argon2id, a few at a time."""

import os
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Final
from unicodedata import normalize

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from typecase.blocks.errors import TooManyRequests, WeakPassword

SHORTEST: Final = 12
LONGEST: Final = 1000

_MEMORY: Final = 19 * 1024
_PASSES: Final = 2
_LANES: Final = 1
_SALT: Final = 16
_HASH: Final = 32
_WAITING: Final = 8


class Passwords:
    """Hashes and checks. At most `at_once` run, at most eight wait, others are sent away: a flood starves nobody."""

    def __init__(self, *, at_once: int | None = None) -> None:
        at_once = at_once or max(1, (os.cpu_count() or 1) // 2)
        self._hasher = PasswordHasher(
            time_cost=_PASSES, memory_cost=_MEMORY, parallelism=_LANES, hash_len=_HASH, salt_len=_SALT, type=Type.ID
        )
        self._running = BoundedSemaphore(at_once)
        self._admitted = BoundedSemaphore(at_once + _WAITING)
        # Nobody's: no password has it, and to find that out takes as long as for a real one.
        salt, digest = (b64encode(os.urandom(size)).decode().rstrip("=") for size in (_SALT, _HASH))
        self._nobodys = f"$argon2id$v=19$m={_MEMORY},t={_PASSES},p={_LANES}${salt}${digest}"

    def hash(self, password: str) -> str:
        """Return what is kept of a password. Raises `TooManyRequests`."""
        with self._turn():
            return self._hasher.hash(_normal(password))

    def matches(self, kept: str | None, password: str) -> bool:
        """Tell whether `kept` was made of `password`; None takes as long and is never. Raises `TooManyRequests`."""
        if len(password) > LONGEST:
            kept, password = None, ""
        with self._turn():
            try:
                return self._hasher.verify(kept or self._nobodys, _normal(password))
            except (VerificationError, InvalidHashError):
                return False

    def is_outdated(self, kept: str) -> bool:
        """Tell whether `kept` was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(kept)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._admitted.acquire(blocking=False):
            raise TooManyRequests("Too many people sign in at this moment.", hint="Try again.", retry_after=1.0)
        try:
            with self._running:
                yield
        finally:
            self._admitted.release()


def check_password(password: str, *, name: str, email: str = "") -> None:
    """Raise `WeakPassword` unless this may be the password of somebody called `name`."""
    shown = normalize("NFKC", password)
    if len(shown) < SHORTEST:
        raise WeakPassword("The password is too short.", hint=f"Use at least {SHORTEST} characters, of any kind.")
    if len(password) > LONGEST:
        raise WeakPassword("The password is too long.", hint=f"Use at most {LONGEST} characters.")
    if shown.casefold() in {name.casefold(), email.casefold()}:
        raise WeakPassword("The password is the name.", hint="Use one that nobody can guess.")


def _normal(password: str) -> bytes:
    # The same characters are typed as other code points on another keyboard.
    return normalize("NFKC", password).encode("utf-8", "surrogatepass")
