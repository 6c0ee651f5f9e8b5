"""The key providers that come with Typecase keep the contract of key providers."""

import os

import keyring
import keyring.backend
import pytest

from typecase.blocks.testing import KeyProviderContract
from typecase.registry.keys import create_key, open_key
from typecase.registry.keys.provider import encode_root_key


class TestFileKey(KeyProviderContract):
    @pytest.fixture
    def url(self, tmp_path):
        return (tmp_path / "root.key").as_uri()

    @pytest.fixture
    def provider(self, url):
        return create_key(url)

    @pytest.fixture
    def reopened(self, provider, url):
        return open_key(url)

    @pytest.fixture
    def other(self, tmp_path):
        return create_key((tmp_path / "other.key").as_uri())


class TestEnvironmentKey(KeyProviderContract):
    @pytest.fixture
    def provider(self, monkeypatch):
        monkeypatch.setenv("CONTRACT_KEY", encode_root_key(os.urandom(32)))
        return open_key("env://CONTRACT_KEY")

    @pytest.fixture
    def reopened(self, provider):
        return open_key("env://CONTRACT_KEY")

    @pytest.fixture
    def other(self, monkeypatch):
        monkeypatch.setenv("OTHER_KEY", encode_root_key(os.urandom(32)))
        return open_key("env://OTHER_KEY")


class Ring(keyring.backend.KeyringBackend):
    """An OS keyring in memory."""

    priority = 1

    def __init__(self):
        super().__init__()
        self.entries = {}

    def get_password(self, service, username):
        return self.entries.get((service, username))

    def set_password(self, service, username, password):
        self.entries[service, username] = password


class TestKeyringKey(KeyProviderContract):
    @pytest.fixture
    def provider(self):
        before = keyring.get_keyring()
        keyring.set_keyring(Ring())
        yield create_key("keyring://typecase/contract")
        keyring.set_keyring(before)

    @pytest.fixture
    def reopened(self, provider):
        return open_key("keyring://typecase/contract")

    @pytest.fixture
    def other(self, provider):
        return create_key("keyring://typecase/other")
