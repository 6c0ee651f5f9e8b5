"""What every key provider promises."""

# ruff: noqa: D102, S101  a test's name is its sentence, assert its verb

import copy
import pickle
from typing import Any

import pytest

from typecase.blocks.errors import DecryptionFailed, NotSupported

CONTEXT = (b"data key", b"workspace", b"1")
DATA_KEY = bytes(range(32))


class KeyProviderContract:
    """Subclass it and give the fixture `provider`: an open key provider.

    `reopened` gives the same root key anew, `other` another root key; without them their tests are skipped.
    """

    @pytest.fixture
    def provider(self) -> Any:
        """The key provider under test."""
        raise NotImplementedError

    @pytest.fixture
    def reopened(self) -> Any:
        """The same root key, opened again."""
        return pytest.skip("no `reopened` fixture")

    @pytest.fixture
    def other(self) -> Any:
        """Another root key."""
        return pytest.skip("no `other` fixture")

    def test_what_it_wraps_it_unwraps(self, provider: Any) -> None:
        wrapped = provider.wrap(DATA_KEY, context=CONTEXT)
        assert provider.unwrap(wrapped, context=CONTEXT) == DATA_KEY

    def test_what_it_wraps_does_not_show_the_data_key(self, provider: Any) -> None:
        assert DATA_KEY not in provider.wrap(DATA_KEY, context=CONTEXT)

    def test_wrapping_twice_gives_two_texts(self, provider: Any) -> None:
        assert provider.wrap(DATA_KEY, context=CONTEXT) != provider.wrap(DATA_KEY, context=CONTEXT)

    @pytest.mark.parametrize(
        "context",
        [
            (b"data key", b"workspace", b"2"),
            (b"data key", b"workspace"),
            (b"data key", b"workspace1", b""),
            (b"data keyworkspace1",),
            (),
        ],
        ids=["another", "shorter", "shifted", "joined", "none"],
    )
    def test_another_context_is_refused(self, provider: Any, context: tuple[bytes, ...]) -> None:
        wrapped = provider.wrap(DATA_KEY, context=CONTEXT)
        with pytest.raises(DecryptionFailed):
            provider.unwrap(wrapped, context=context)

    def test_every_changed_byte_is_refused(self, provider: Any) -> None:
        wrapped = provider.wrap(DATA_KEY, context=CONTEXT)
        for place in range(len(wrapped)):
            damaged = bytearray(wrapped)
            damaged[place] ^= 1
            with pytest.raises(DecryptionFailed):
                provider.unwrap(bytes(damaged), context=CONTEXT)

    @pytest.mark.parametrize("damage", [b"", b"not a wrapped key"])
    def test_anything_else_is_refused(self, provider: Any, damage: bytes) -> None:
        with pytest.raises(DecryptionFailed):
            provider.unwrap(damage, context=CONTEXT)

    def test_a_shortened_or_lengthened_text_is_refused(self, provider: Any) -> None:
        wrapped = provider.wrap(DATA_KEY, context=CONTEXT)
        for damaged in (wrapped[:-1], wrapped[1:], wrapped + b"\0"):
            with pytest.raises(DecryptionFailed):
                provider.unwrap(damaged, context=CONTEXT)

    def test_its_id_names_the_root_key_and_does_not_change(self, provider: Any, reopened: Any) -> None:
        assert isinstance(provider.id, str)
        assert provider.id
        assert reopened.id == provider.id

    def test_the_same_root_key_opened_again_unwraps(self, provider: Any, reopened: Any) -> None:
        assert reopened.unwrap(provider.wrap(DATA_KEY, context=CONTEXT), context=CONTEXT) == DATA_KEY

    def test_another_root_key_has_another_id(self, provider: Any, other: Any) -> None:
        assert other.id != provider.id

    def test_another_root_key_is_refused(self, provider: Any, other: Any) -> None:
        wrapped = provider.wrap(DATA_KEY, context=CONTEXT)
        with pytest.raises(DecryptionFailed):
            other.unwrap(wrapped, context=CONTEXT)

    def test_its_repr_names_its_id_and_little_else(self, provider: Any) -> None:
        assert provider.id in repr(provider)
        assert str(provider) == repr(provider)

    def test_it_is_neither_pickled_nor_copied(self, provider: Any) -> None:
        for leave in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(NotSupported):
                leave(provider)
