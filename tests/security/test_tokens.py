"""What a token is made of, and that nothing but its holder has it."""

import logging
import pickle
import re
from zlib import crc32

import pytest
from fakes.clocks import Clock
from hypothesis import given, strategies

from typecase.blocks.errors import SignInRequired
from typecase.registry.access.authority import operator
from typecase.registry.access.codes import Prefix, is_code, new_code
from typecase.registry.access.identities import Identities
from typecase.registry.access.parts import Access
from typecase.registry.access.server_key import ServerKey
from typecase.registry.data_keys import DataKeys
from typecase.registry.file_registry import FileRegistry

# What docs/how-to/manage-access.md tells scanners.
PATTERN = re.compile(r"tcs_[0-9A-Za-z]{49}")
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def registry(tmp_path):
    registry = FileRegistry(tmp_path / "data" / "registry.db", DataKeys((tmp_path / "root.key").as_uri()))
    registry.init(create_key_if_missing=True)
    yield registry
    registry.close()


@pytest.fixture
def made(registry):
    access = Access(registry._store, registry._keys, clock=Clock())
    access.principals.create(operator("root"), "flows", kind="service")
    return access.tokens.create(operator("root"), "flows", "ci")


class NoDatabase:
    url = "none"

    def __getattr__(self, name):
        raise AssertionError(f"the database was asked: {name}")


def test_the_documented_pattern_finds_a_token_in_text():
    token = new_code(Prefix.TOKEN)
    assert PATTERN.findall(f'export KEY="{token}" # {token}') == [token, token]


def test_the_checksum_is_that_of_all_before_it():
    token = new_code(Prefix.TOKEN)
    number = 0
    for sign in token[-6:]:
        number = number * 62 + ALPHABET.index(sign)
    assert number == crc32(token[:-6].encode())


def test_the_page_about_access_names_the_pattern(project):
    assert PATTERN.pattern in (project / "docs/how-to/manage-access.md").read_text()


def test_tokens_have_one_length_and_no_two_are_alike():
    tokens = {new_code(Prefix.TOKEN) for _ in range(1000)}
    assert len(tokens) == 1000
    assert {len(token) for token in tokens} == {53}


@given(strategies.integers(0, 52), strategies.sampled_from(ALPHABET + "_- \n"))
def test_one_wrong_character_is_noticed_by_the_checksum(place, sign):
    token = new_code(Prefix.TOKEN)
    changed = token[:place] + sign + token[place + 1 :]
    assert is_code(Prefix.TOKEN, changed) is (changed == token)


@given(strategies.text())
def test_any_other_text_is_no_token(text):
    assert not is_code(Prefix.TOKEN, text)


MALFORMED = {
    "empty": "",
    "prefix only": "tcs_",
    "wrong checksum": "tcs_" + "0" * 49,
    "a link": new_code(Prefix.LINK),
    "a session": new_code(Prefix.SESSION),
    "not ASCII": "é" * 53,
    "very long": "x" * 1_000_000,
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_token_is_refused_without_a_query(text):
    store = NoDatabase()
    with pytest.raises(SignInRequired):
        Identities(store, ServerKey(store, DataKeys(None))).caller_of_token(text, "192.0.2.7")


def test_the_database_holds_no_token(registry, made, assert_no_canary, tmp_path):
    registry.close()
    assert assert_no_canary(tmp_path / "data", secret=made.text) > 0
    assert_no_canary(tmp_path / "data", secret=made.text[4:-6])


def test_what_is_shown_of_a_token_is_too_little_to_guess_the_rest(made):
    assert made.text.startswith(made.token.start)
    assert len(made.token.start) == len("tcs_") + 4


def test_a_new_token_is_not_shown_by_accident(made):
    assert made.text not in repr(made)
    assert made.text not in f"{made.token}"


def test_refusals_and_logs_do_not_show_it(registry, made, caplog):
    access = Access(registry._store, registry._keys, clock=Clock())
    wrong = made.text[:-1] + ("A" if made.text[-1] != "A" else "B")
    with caplog.at_level(logging.DEBUG), pytest.raises(SignInRequired) as refused:
        access.identities.caller_of_token(wrong, "192.0.2.7")
    shown = str(refused.value) + repr(refused.value.__dict__) + caplog.text
    assert wrong not in shown
    assert wrong.encode() not in pickle.dumps(refused.value)


def test_a_caller_does_not_carry_it(registry, made):
    access = Access(registry._store, registry._keys, clock=Clock())
    assert made.text not in repr(access.identities.caller_of_token(made.text, "192.0.2.7"))
