"""Root keys: where they come from, how they are kept, and that nothing ever shows them."""

import base64
import copy
import json
import logging
import os
import pickle
import stat
import subprocess
import sys
import traceback
from pathlib import Path
from urllib.parse import quote

import cloudpickle
import keyring
import keyring.backend
import keyring.errors
import pytest
from hypothesis import given
from hypothesis import strategies as st

from typecase.blocks.errors import (
    BrokenPlugin,
    DecryptionFailed,
    KeyUnavailable,
    MissingPackage,
    NotSupported,
    SettingsError,
)
from typecase.registry import envelope
from typecase.registry.envelope import data_key_context, key_id_of, new_data_key
from typecase.registry.keys import (
    EnvironmentKey,
    FileKey,
    KeyProvider,
    KeyringKey,
    create_key,
    open_key,
)
from typecase.registry.keys.provider import decode_root_key, encode_root_key

GOLDEN = Path(__file__).parent / "golden"
SECRET = bytes.fromhex("c0ffee0ddba11ad5feed5eed" * 3)[:32]
OTHER = SECRET[::-1]
LINE = encode_root_key(SECRET)
CONTEXT = data_key_context("workspace-1", 1, bytes(16))

posix = pytest.mark.skipif(os.name != "posix", reason="file modes are a POSIX matter")
secrets = st.binary(min_size=32, max_size=32)


def assert_hidden(text, secret=SECRET):
    encoded = base64.b64encode(secret).decode().rstrip("=")
    urlsafe = base64.urlsafe_b64encode(secret).decode().rstrip("=")
    for canary in (secret.hex(), encoded, urlsafe, repr(secret)[2:-1]):
        assert canary not in text


def describe(error):
    """Show an error as a debugger would: message, attributes, chain and every local variable below the test."""
    told = traceback.TracebackException(type(error), error, error.__traceback__.tb_next, capture_locals=True)
    return "".join(told.format()) + repr(error) + repr(vars(error))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "root.key"


@pytest.fixture
def key_file(path):
    path.write_text(LINE + "\n", "ascii")
    path.chmod(0o600)
    return path


@pytest.fixture
def variable(monkeypatch):
    def set_variable(text, name="TYPECASE_ROOT_KEY"):
        monkeypatch.setenv(name, text)

    return set_variable


@pytest.fixture
def ring():
    class Ring(keyring.backend.KeyringBackend):
        priority = 1

        def __init__(self):
            super().__init__()
            self.entries = {}

        def get_password(self, service, username):
            return self.entries.get((service, username))

        def set_password(self, service, username, password):
            self.entries[service, username] = password

        def delete_password(self, service, username):
            del self.entries[service, username]

    before = keyring.get_keyring()
    memory = Ring()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package that declares key providers, as pip would leave it."""

    def write(name, source, **providers):
        folder = tmp_path / "site"
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (folder / f"{name}.py").write_text(source)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [f"{scheme} = {value}" for scheme, value in providers.items()]
        (info / "entry_points.txt").write_text("\n".join(["[typecase.keys]", *lines, ""]))
        monkeypatch.syspath_prepend(folder)

    return write


class TestText:
    @given(secret=secrets)
    def test_the_text_form_gives_back_the_key(self, secret):
        assert decode_root_key(encode_root_key(secret)) == secret

    @given(secret=secrets, before=st.text(" \t\r\n", max_size=3), after=st.text(" \t\r\n", max_size=3))
    def test_white_space_around_it_does_not_matter(self, secret, before, after):
        assert decode_root_key(before + encode_root_key(secret) + after) == secret

    @given(secret=secrets)
    def test_bare_base64_and_base64url_are_read_where_allowed(self, secret):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(secret).decode()
            assert decode_root_key(text, bare=True) == decode_root_key(text.rstrip("="), bare=True) == secret
            assert decode_root_key(text) is None

    @given(secret=st.binary(max_size=80).filter(lambda secret: len(secret) != 32))
    def test_a_key_of_another_size_is_not_read(self, secret):
        assert decode_root_key(encode_root_key(secret), bare=True) is None

    @given(text=st.text(max_size=60))
    def test_other_text_is_not_read_and_raises_nothing(self, text):
        assert decode_root_key(text) is None

    def test_only_one_spelling_of_the_last_character_is_read(self):
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        assert [last for last in alphabet if decode_root_key(LINE[:-1] + last) == SECRET] == [LINE[-1]]


class TestWrapping:
    @given(data_key=secrets)
    def test_unwrapping_gives_back_the_data_key(self, data_key):
        key = EnvironmentKey(SECRET)
        assert key.unwrap(key.wrap(data_key, context=CONTEXT), context=CONTEXT) == data_key

    def test_another_root_key_does_not_unwrap(self):
        wrapped = EnvironmentKey(SECRET).wrap(new_data_key(), context=CONTEXT)
        with pytest.raises(DecryptionFailed):
            EnvironmentKey(OTHER).unwrap(wrapped, context=CONTEXT)

    @pytest.mark.parametrize(
        "place",
        [
            data_key_context("workspace-2", 1, bytes(16)),
            data_key_context("workspace-1", 2, bytes(16)),
            data_key_context("workspace-1", 1, bytes(15) + b"\1"),
        ],
        ids=["workspace", "generation", "data key id"],
    )
    def test_a_wrapped_key_moved_elsewhere_does_not_unwrap(self, place):
        key = EnvironmentKey(SECRET)
        with pytest.raises(DecryptionFailed):
            key.unwrap(key.wrap(new_data_key(), context=CONTEXT), context=place)

    def test_every_flipped_bit_of_a_wrapped_key_is_refused(self):
        key = EnvironmentKey(SECRET)
        wrapped = key.wrap(new_data_key(), context=CONTEXT)
        for position in range(len(wrapped) * 8):
            damaged = bytearray(wrapped)
            damaged[position // 8] ^= 1 << position % 8
            with pytest.raises(DecryptionFailed):
                key.unwrap(bytes(damaged), context=CONTEXT)

    def test_a_wrapped_key_names_the_root_key_that_wrapped_it(self):
        key = EnvironmentKey(SECRET)
        assert key.id == f"local:{key_id_of(key.wrap(b'', context=CONTEXT))[:8].hex()}"

    def test_the_id_belongs_to_the_key_and_not_to_its_place(self, key_file, variable):
        variable(LINE)
        assert open_key(key_file.as_uri()).id == open_key("env://").id

    @given(one=secrets, two=secrets)
    def test_two_keys_have_two_ids(self, one, two):
        assert (EnvironmentKey(one).id == EnvironmentKey(two).id) is (one == two)

    @pytest.mark.parametrize("size", [0, 31, 33])
    def test_a_root_key_of_another_size_is_refused(self, size):
        with pytest.raises(ValueError, match="32 bytes"):
            EnvironmentKey(bytes(size))


class TestGolden:
    @pytest.fixture
    def golden(self):
        return json.loads((GOLDEN / "wrapped-key-v1.json").read_text("ascii"))

    @pytest.fixture
    def root_key(self, golden, variable):
        variable(golden["root_key"])
        return open_key("env://")

    @pytest.fixture
    def context(self, golden):
        return data_key_context(golden["workspace_id"], golden["generation"], bytes.fromhex(golden["data_key_id"]))

    def test_the_first_wrapped_key_still_unwraps(self, golden, root_key, context):
        assert root_key.unwrap(bytes.fromhex(golden["wrapped"]), context=context).hex() == golden["data_key"]

    def test_wrapping_with_the_same_salt_gives_the_same_bytes(self, golden, root_key, context, monkeypatch):
        monkeypatch.setattr(envelope, "urandom", lambda size: bytes.fromhex(golden["salt"])[:size])
        assert root_key.wrap(bytes.fromhex(golden["data_key"]), context=context).hex() == golden["wrapped"]

    def test_the_fingerprint_is_the_same_for_ever(self, golden, root_key):
        assert root_key.id == golden["root_key_id"]


class TestFile:
    def test_a_created_key_is_read_again(self, path):
        created = create_key(path.as_uri())
        wrapped = created.wrap(b"data key", context=CONTEXT)
        assert open_key(path.as_uri()).unwrap(wrapped, context=CONTEXT) == b"data key"

    def test_the_file_is_one_line_of_the_text_form(self, path):
        create_key(path.as_uri())
        line, end, rest = path.read_text("ascii").partition("\n")
        assert decode_root_key(line) is not None
        assert (end, rest) == ("\n", "")

    def test_a_file_written_by_hand_is_read(self, key_file):
        assert open_key(key_file.as_uri()).id == EnvironmentKey(SECRET).id

    @posix
    @pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
    def test_file_and_new_folders_are_the_owners_alone_under_any_umask(self, tmp_path, mask):
        path = tmp_path / "new" / "newer" / "root.key"
        before = os.umask(mask)
        try:
            create_key(path.as_uri())
        finally:
            os.umask(before)
        modes = [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent, path.parent.parent)]
        assert modes == [0o600, 0o700, 0o700]

    def test_creating_leaves_no_other_file(self, path):
        create_key(path.as_uri())
        assert list(path.parent.iterdir()) == [path]

    def test_creating_twice_keeps_the_first_key(self, path):
        first = create_key(path.as_uri())
        assert create_key(path.as_uri()).id == first.id

    def test_creating_over_a_damaged_file_changes_nothing(self, path):
        path.write_text("typecase-root-key-1:half")
        path.chmod(0o600)
        with pytest.raises(KeyUnavailable):
            create_key(path.as_uri())
        assert path.read_text() == "typecase-root-key-1:half"

    @posix
    def test_creating_through_a_dangling_link_writes_nothing(self, path, tmp_path):
        path.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(KeyUnavailable):
            create_key(path.as_uri())
        assert not (tmp_path / "elsewhere").exists()

    def test_a_creation_that_fails_midway_leaves_nothing(self, path, monkeypatch):
        def fail(descriptor):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(KeyUnavailable, match="No space left"):
            create_key(path.as_uri())
        assert list(path.parent.iterdir()) == []

    def test_the_loser_of_a_race_returns_the_winners_key(self, path, monkeypatch):
        def lose(draft, target):
            path.write_text(LINE)
            path.chmod(0o600)
            raise FileExistsError(17, "File exists")

        monkeypatch.setattr(os, "link", lose)
        assert create_key(path.as_uri()).id == EnvironmentKey(SECRET).id
        assert list(path.parent.iterdir()) == [path]

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
    def test_16_processes_that_create_one_file_at_once_all_read_the_same_key(self, tmp_path):
        # A fresh interpreter forks: threads of other tests must not be forked along.
        script = """
import os, pathlib, sys
from typecase.registry.keys import FileKey

for attempt in range(25):
    url = pathlib.Path(sys.argv[1], str(attempt), "root.key").as_uri()
    gate, opener = os.pipe()
    results, result = os.pipe()
    for _ in range(16):
        if os.fork() == 0:
            os.close(opener)
            os.read(gate, 1)
            os.write(result, FileKey.create(url).id.encode() + b"\\n")
            os._exit(0)
    for descriptor in (opener, gate, result):
        os.close(descriptor)
    with open(results) as file:
        print(*file.read().split())
"""
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)], check=True, stdout=subprocess.PIPE, text=True
        )
        rounds = [line.split() for line in done.stdout.splitlines()]
        assert [(len(ids), len(set(ids))) for ids in rounds] == [(16, 1)] * 25

    def test_an_absent_file_is_absent_and_stays_so(self, path):
        with pytest.raises(KeyUnavailable, match="no root key at") as caught:
            open_key(path.as_uri())
        assert (caught.value.reason, caught.value.path) == ("absent", path)
        assert not path.exists()

    @posix
    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o644])
    def test_a_file_open_to_others_is_refused_with_the_command_that_closes_it(self, key_file, mode):
        key_file.chmod(mode)
        with pytest.raises(KeyUnavailable, match=f"chmod 600 {key_file}") as caught:
            open_key(key_file.as_uri())
        assert caught.value.reason == "exposed"

    @posix
    def test_a_file_that_the_owner_can_only_read_is_fine(self, key_file):
        key_file.chmod(0o400)
        assert open_key(key_file.as_uri()).id == EnvironmentKey(SECRET).id

    @pytest.mark.parametrize(
        "content",
        [b"", b"\n", LINE[:-1].encode(), LINE.encode() * 2, LINE[20:].encode(), LINE.upper().encode(), b"\xff\xfe\0"],
    )
    def test_a_malformed_file_is_refused_with_what_to_do(self, key_file, content):
        key_file.write_bytes(content)
        with pytest.raises(KeyUnavailable, match="Restore the file") as caught:
            open_key(key_file.as_uri())
        assert caught.value.reason == "malformed"

    @posix
    def test_a_folder_is_not_a_key(self, tmp_path):
        with pytest.raises(KeyUnavailable, match="not a regular file"):
            open_key(tmp_path.as_uri())

    @posix
    def test_a_pipe_is_not_a_key_and_is_not_waited_for(self, path):
        os.mkfifo(path, 0o600)
        with pytest.raises(KeyUnavailable, match="not a regular file"):
            open_key(path.as_uri())

    @posix
    def test_a_folder_that_is_a_file_makes_the_key_unreadable(self, key_file):
        with pytest.raises(KeyUnavailable) as caught:
            open_key((key_file / "root.key").as_uri())
        assert caught.value.reason == "unreadable"

    @posix
    def test_a_key_that_cannot_be_created_is_unwritable(self, key_file):
        with pytest.raises(KeyUnavailable) as caught:
            create_key((key_file / "root.key").as_uri())
        assert caught.value.reason == "unwritable"

    def test_a_path_with_special_characters_is_found_through_its_uri(self, tmp_path):
        path = tmp_path / "a b%20#?é" / "root.key"
        assert create_key(path.as_uri()).id == open_key(path.as_uri()).id
        assert path.exists()

    @pytest.mark.parametrize(
        "url", ["file://", "file://host/path", "file://relative", "file:///a?b", "file:///a#b", "file:///a%00b"]
    )
    def test_a_url_without_an_absolute_path_is_refused(self, url):
        with pytest.raises(SettingsError, match="file:///absolute/path"):
            open_key(url)


class TestEnvironment:
    @pytest.mark.parametrize(
        "text", [LINE, LINE + "\n", base64.b64encode(SECRET).decode(), base64.urlsafe_b64encode(SECRET).decode()]
    )
    def test_each_text_form_is_read(self, variable, text):
        variable(text, "MY_KEY")
        assert open_key("env://MY_KEY").id == EnvironmentKey(SECRET).id

    def test_the_default_variable_is_typecase_root_key(self, variable):
        variable(LINE)
        assert open_key("env://").id == EnvironmentKey(SECRET).id

    @pytest.mark.parametrize("value", [None, ""])
    def test_an_unset_or_empty_variable_is_absent(self, variable, value):
        if value is not None:
            variable(value, "MY_KEY")
        with pytest.raises(KeyUnavailable, match="MY_KEY") as caught:
            open_key("env://MY_KEY")
        assert caught.value.reason == "absent"

    def test_a_malformed_variable_is_refused_with_what_to_do(self, variable):
        variable("correct horse")
        with pytest.raises(KeyUnavailable, match="32 random bytes in base64") as caught:
            open_key("env://")
        assert caught.value.reason == "malformed"

    def test_a_key_in_the_environment_is_opened_and_never_created(self, variable):
        variable(LINE)
        assert EnvironmentKey.can_create is False
        assert create_key("env://").id == EnvironmentKey(SECRET).id
        with pytest.raises(KeyUnavailable):
            create_key("env://ANOTHER")
        assert "ANOTHER" not in os.environ

    @pytest.mark.parametrize("url", ["env://a-b", "env://a/b", "env://1a", "env://a?b"])
    def test_a_url_that_names_no_variable_is_refused(self, url):
        with pytest.raises(SettingsError, match="env://NAME"):
            open_key(url)


class TestKeyring:
    URL = "keyring://typecase/root-key"

    def test_a_created_key_is_read_again(self, ring):
        assert create_key(self.URL).id == open_key(self.URL).id
        assert list(ring.entries) == [("typecase", "root-key")]

    def test_creating_twice_keeps_the_first_key(self, ring):
        ring.entries["typecase", "root-key"] = LINE
        assert create_key(self.URL).id == EnvironmentKey(SECRET).id
        assert ring.entries == {("typecase", "root-key"): LINE}

    def test_names_with_special_characters_are_decoded(self, ring):
        ring.entries["my service", "me/you"] = LINE
        url = f"keyring://{quote('my service')}/{quote('me/you', safe='')}"
        assert open_key(url).id == EnvironmentKey(SECRET).id

    def test_an_absent_entry_is_absent(self, ring):
        with pytest.raises(KeyUnavailable, match="no entry 'root-key'") as caught:
            open_key(self.URL)
        assert caught.value.reason == "absent"
        assert ring.entries == {}

    def test_creating_over_a_malformed_entry_changes_nothing(self, ring):
        ring.entries["typecase", "root-key"] = "half"
        with pytest.raises(KeyUnavailable) as caught:
            create_key(self.URL)
        assert caught.value.reason == "malformed"
        assert ring.entries == {("typecase", "root-key"): "half"}

    def test_a_keyring_that_forgets_is_refused(self, ring, monkeypatch):
        monkeypatch.setattr(ring, "set_password", lambda *arguments: None)
        with pytest.raises(KeyUnavailable) as caught:
            create_key(self.URL)
        assert caught.value.reason == "unreachable"

    @pytest.mark.parametrize("method", ["get_password", "set_password"])
    def test_a_locked_keyring_is_unreachable(self, ring, monkeypatch, method):
        def refuse(*arguments):
            raise keyring.errors.KeyringLocked

        monkeypatch.setattr(ring, method, refuse)
        with pytest.raises(KeyUnavailable, match="keyring diagnose") as caught:
            create_key(self.URL)
        assert caught.value.reason == "unreachable"

    def test_a_missing_package_is_named_with_its_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "keyring", None)
        with pytest.raises(MissingPackage, match=r"pip install 'typecase\[keyring\]'") as caught:
            open_key(self.URL)
        assert caught.value.extra == "keyring"

    @pytest.mark.parametrize("url", ["keyring://", "keyring://typecase", "keyring:///root-key", "keyring://a/b?c"])
    def test_a_url_without_service_and_user_is_refused(self, url):
        with pytest.raises(SettingsError, match="keyring://service/username"):
            open_key(url)


class TestDiscovery:
    @pytest.mark.parametrize("provider", [EnvironmentKey, FileKey, KeyringKey])
    def test_the_providers_declare_whether_they_create(self, provider):
        assert provider.can_create is (provider is not EnvironmentKey)

    def test_a_provider_is_found_by_the_scheme_of_its_url(self, key_file, variable, ring):
        variable(LINE)
        ring.entries["a", "b"] = LINE
        opened = [open_key(url) for url in (key_file.as_uri(), "env://", "keyring://a/b", "ENV://")]
        assert [type(key) for key in opened] == [FileKey, EnvironmentKey, KeyringKey, EnvironmentKey]

    def test_another_packages_provider_is_found_alike(self, install):
        source = """
from typecase.registry.keys import EnvironmentKey

class TestKey(EnvironmentKey):
    @classmethod
    def from_url(cls, url):
        return cls(bytes(32))
"""
        install("acme_keys", source, acme="acme_keys:TestKey")
        assert isinstance(open_key("acme://anything"), KeyProvider)

    def test_an_unknown_scheme_is_refused_with_the_schemes_that_exist(self):
        with pytest.raises(SettingsError, match="azurekeyvault, env, file") as caught:
            open_key("nothing://here")
        assert {"env", "file", "keyring"} <= set(caught.value.available)

    @pytest.mark.parametrize("url", ["", "root.key", "/etc/root.key", "://x", "1a://x"])
    def test_a_url_without_a_scheme_is_refused(self, url):
        with pytest.raises(SettingsError, match="scheme://place"):
            open_key(url)

    def test_a_package_cannot_take_over_a_scheme(self, install, key_file):
        install("thief", "", file="thief:Key")
        with pytest.raises(BrokenPlugin, match="thief and typecase") as caught:
            open_key(key_file.as_uri())
        assert caught.value.owners == ("thief", "typecase")

    def test_a_provider_that_does_not_import_is_named(self, install):
        install("broken_keys", "raise RuntimeError('no')", broken="broken_keys:Key")
        with pytest.raises(BrokenPlugin, match=r"broken_keys does not import: RuntimeError.*Reinstall broken_keys"):
            open_key("broken://x")

    def test_a_provider_that_is_none_is_named(self, install):
        install("odd_keys", "Key = dict", odd="odd_keys:Key")
        with pytest.raises(BrokenPlugin, match="not a KeyProvider"):
            open_key("odd://x")


class TestHiding:
    @pytest.fixture(params=["file", "env", "keyring"])
    def key(self, request, key_file, variable, ring):
        variable(LINE)
        ring.entries["a", "b"] = LINE
        return open_key({"file": key_file.as_uri(), "env": "env://", "keyring": "keyring://a/b"}[request.param])

    def test_no_text_of_a_key_shows_it(self, key):
        assert_hidden(f"{key} {key!r} {[key]} {key.id}")
        assert key.id in repr(key)

    def test_a_log_record_does_not_show_it(self, key, caplog):
        logging.getLogger("test").warning("opened %s %r", key, {"key": key})
        assert_hidden(caplog.text)

    def test_a_key_has_no_vars(self, key):
        with pytest.raises(TypeError):
            vars(key)

    @pytest.mark.parametrize(
        "dump",
        [
            *(lambda key, protocol=protocol: pickle.dumps(key, protocol) for protocol in range(6)),
            cloudpickle.dumps,
            copy.copy,
            copy.deepcopy,
        ],
    )
    def test_a_key_is_neither_pickled_nor_copied(self, key, dump):
        with pytest.raises(NotSupported, match="open_key") as caught:
            dump(key)
        assert_hidden(describe(caught.value))

    def test_a_failed_unwrap_does_not_show_the_root_key(self, key):
        with pytest.raises(DecryptionFailed) as caught:
            key.unwrap(bytes(200), context=CONTEXT)
        assert_hidden(describe(caught.value))

    def test_a_malformed_file_is_not_shown(self, key_file):
        key_file.write_text(LINE + "A")
        with pytest.raises(KeyUnavailable) as caught:
            open_key(key_file.as_uri())
        assert_hidden(describe(caught.value))

    def test_a_malformed_variable_is_not_shown(self, variable):
        variable(LINE + "A")
        with pytest.raises(KeyUnavailable) as caught:
            open_key("env://")
        assert_hidden(describe(caught.value))

    def test_a_malformed_keyring_entry_is_not_shown(self, ring):
        ring.entries["a", "b"] = LINE + "A"
        with pytest.raises(KeyUnavailable) as caught:
            open_key("keyring://a/b")
        ring.entries.clear()
        assert_hidden(describe(caught.value))

    def test_a_new_key_that_the_keyring_refused_is_not_shown(self, ring, monkeypatch):
        refused = []

        def refuse(service, username, password):
            refused.append(decode_root_key(password))
            raise keyring.errors.PasswordSetError

        monkeypatch.setattr(ring, "set_password", refuse)
        with pytest.raises(KeyUnavailable) as caught:
            create_key("keyring://a/b")
        (secret,) = refused
        assert_hidden(describe(caught.value), secret)

    @pytest.mark.parametrize("text", [LINE, LINE[20:], f"env://{LINE}", f"env://{base64.b64encode(SECRET).decode()}"])
    def test_a_key_given_in_place_of_its_url_is_not_repeated(self, text):
        with pytest.raises(SettingsError) as caught:
            open_key(text)
        assert_hidden(str(caught.value) + repr(vars(caught.value)))

    def test_an_error_crosses_a_process_border_whole(self, path):
        with pytest.raises(KeyUnavailable) as caught:
            open_key(path.as_uri())
        again = pickle.loads(pickle.dumps(caught.value))
        assert (str(again), again.reason, again.path) == (str(caught.value), "absent", path)
