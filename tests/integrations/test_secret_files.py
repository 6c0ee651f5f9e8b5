"""Files of a folder as a secret store: mounts of Docker and Kubernetes, YAML, dotenv."""

import io
import json
import os
import shutil
import socket
import tempfile
from contextlib import contextmanager
from itertools import count, cycle
from pathlib import Path
from threading import Event, Thread

import pytest
from rich.console import Console
from rich.traceback import Traceback

from typecase.blocks import Status, secret
from typecase.blocks.errors import (
    InvalidBlock,
    InvalidSecretKey,
    SecretError,
    SecretForbidden,
    SecretMalformed,
    SecretNotFound,
    SecretStoreUnreachable,
)
from typecase.blocks.testing import BlockContract, SecretStoreContract
from typecase.integrations.files import SecretFiles
from typecase.integrations.files.dotenv import MalformedLine, parse
from typecase.integrations.secret import Secret

NOBODY = 65534


@pytest.fixture
def folder():
    """A folder that every user may enter."""
    path = Path(tempfile.mkdtemp(prefix="typecase-secrets-")).resolve()
    path.chmod(0o755)
    yield path
    path.chmod(0o755)
    shutil.rmtree(path)


@pytest.fixture
def files(folder):
    return SecretFiles(folder=str(folder))


def put(folder, key, content):
    path = folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def text(store, key):
    return store.get(key).get_secret_value()


@pytest.fixture
def unprivileged():
    """The process without the powers of root, which may read everything, until the test ends."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def descriptors():
    return {path.name for path in Path("/proc/self/fd").iterdir()}


class TestBlock(BlockContract):
    block = SecretFiles(folder="/absent", strip_newline=False)


class TestStore(SecretStoreContract):
    @pytest.fixture
    def store(self, folder, files, key, value):
        put(folder, key, f"{value}\n")
        return files

    @pytest.fixture
    def key(self):
        return "prod/db-password"

    @pytest.fixture
    def value(self, canary):
        return canary

    @pytest.fixture
    def binary(self, folder):
        content = bytes(range(256)) + b"\n"
        put(folder, "keytab", content)
        return "keytab", content

    @pytest.fixture
    def many(self, folder, monkeypatch):
        """A thousand files in ten folders; a page is a folder whose names were read."""
        for number in range(1000):
            put(folder, f"many-{number % 10}/{number}", "value")
        asked = []
        scandir = os.scandir
        monkeypatch.setattr(
            os, "scandir", lambda path: (asked.append(str(Path(f"/proc/self/fd/{path}").readlink())), scandir(path))[1]
        )
        return "many-", lambda: sum(1 for path in asked if "/many-" in path)

    @pytest.fixture
    def forbidden(self, store, folder, key, request):
        store.get(key)
        (folder / key).chmod(0)
        request.getfixturevalue("unprivileged")
        return store


def test_it_needs_no_argument():
    assert SecretFiles().folder == "/run/secrets"


def test_a_folder_that_cannot_be_is_refused():
    with pytest.raises(InvalidBlock, match="folder"):
        SecretFiles(folder="a\0b")


def test_a_folder_of_the_home_is_found(home):
    put(home, "secrets/token", "made-up")
    assert text(SecretFiles(folder="~/secrets"), "token") == "made-up"


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        ("word\n", "word"),
        ("word\r\n", "word"),
        ("word\n\n", "word\n"),
        (" word ", " word "),
        ("two\nlines", "two\nlines"),
    ],
)
def test_one_line_end_at_the_end_is_left_out(folder, files, content, secret):
    put(folder, "token", content)
    assert text(files, "token") == secret


def test_the_line_end_can_be_kept(folder):
    put(folder, "token", "word\n")
    assert text(SecretFiles(folder=str(folder), strip_newline=False), "token") == "word\n"


@pytest.mark.parametrize("name", ["token", "db.json", "db.yaml", ".env"])
@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_file_never_gives_a_value(folder, files, name, content):
    put(folder, name, content)
    if name in {"token", "db.json"} or not content:
        with pytest.raises(SecretNotFound, match="empty") as raised:
            files.get(name)
        assert raised.value.reason == "absent"
    elif name == "db.yaml":
        with pytest.raises(SecretMalformed):
            files.get(name)
    else:
        assert text(files, name) == "{}"


def test_a_json_file_is_given_as_it_is(folder, files):
    put(folder, "db.json", '{"password":  "made-up"}')
    assert text(files, "db.json") == '{"password":  "made-up"}'


@pytest.mark.parametrize("name", ["db.yaml", "db.yml", "DB.YAML"])
def test_a_yaml_file_is_given_as_json(folder, files, name):
    put(folder, name, "host: db.internal\nport: 5432\npassword: 'ünïcode'\nnested:\n  list: [1, null, true]\n")
    values = {"host": "db.internal", "port": 5432, "password": "ünïcode", "nested": {"list": [1, None, True]}}
    assert json.loads(text(files, name)) == values
    assert json.loads(files.read(name).get_secret_value()) == values


@pytest.mark.parametrize("name", ["local.env", ".env", "prod/.env"])
def test_a_dotenv_file_is_given_as_json(folder, files, name):
    put(folder, name, "# local\nexport HOST=db.internal # ours\nPASSWORD='p#1 $x'\n")
    assert json.loads(text(files, name)) == {"HOST": "db.internal", "PASSWORD": "p#1 $x"}


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("A=1", {"A": "1"}),
        ("A = 1", {"A": "1"}),
        ("  export A=1  ", {"A": "1"}),
        ("export=1", {"export": "1"}),
        ("A=", {"A": ""}),
        ("A= # comment", {"A": ""}),
        ("A=#1", {"A": "#1"}),
        ("A=a#b", {"A": "a#b"}),
        ("A=a b # c", {"A": "a b"}),
        ("A=a=b", {"A": "a=b"}),
        ("A=a'b", {"A": "a'b"}),
        ("A=$B ${C}", {"A": "$B ${C}"}),
        ("A=' # '", {"A": " # "}),
        (r"A='\n'", {"A": r"\n"}),
        (r'A="\n\t\\\"\$\x"', {"A": '\n\t\\"$\\x'}),
        ("A='1\n2'\nB=3", {"A": "1\n2", "B": "3"}),
        ("A=''", {"A": ""}),
        ("A=1\nA=2", {"A": "2"}),
        ("\ufeffA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("", {}),
        ("\n \n# only\n  # comments", {}),
    ],
)
def test_a_dotenv_line_means(line, values):
    assert parse(line) == values


@pytest.mark.parametrize("line", ["A", "A B=1", "1A=1", "=1", "A='1", 'A="1', "A= '1", 'A="1" 2', "A='1'2", "A: 1"])
def test_a_dotenv_line_that_means_nothing_is_told_by_its_number(line):
    with pytest.raises(MalformedLine) as raised:
        parse(f"# first\nX='1\n2'\n{line}")
    assert raised.value.line == 4
    assert str(raised.value) == "line 4"


MALFORMED = [
    ("db.yaml", "{canary}: [", "not YAML"),
    ("db.yaml", "- {canary}", "without names"),
    ("db.yaml", "{canary}", "without names"),
    ("db.yaml", "a: !!python/object:os.{canary} x", "not YAML"),
    ("db.yaml", "a: !!timestamp {canary}", "not YAML"),
    ("db.yaml", "a: '{canary}'\nb: 2026-10-01", "what JSON cannot"),
    ("db.yaml", "a: '{canary}'\non: 1", "what JSON cannot"),
    ("db.yaml", "a: '{canary}'\nb: .nan", "what JSON cannot"),
    ("db.yaml", "a: &a ['{canary}', *a]", "what JSON cannot"),
    ("db.yaml", "a: '{canary}'\nb: " + "[" * 3000, "not YAML"),
    ("db.yaml", "a: '{canary}'\nb: \udcff", "not UTF-8"),
    ("local.env", "A=1\n{canary}", "line 2"),
    ("local.env", "A='{canary}", "line 1"),
    ("local.env", "A={canary}\udcff", "not UTF-8"),
    ("token", "{canary}\udcff", "not UTF-8"),
    ("token", "{canary}" * 30000, "larger than 1 MiB"),
]


@pytest.mark.parametrize(("name", "content", "reason"), MALFORMED)
def test_no_error_shows_the_content_not_even_in_its_frames(
    folder, files, canary, assert_no_canary, name, content, reason
):
    put(folder, name, content.replace("{canary}", canary).encode("utf-8", "surrogateescape"))
    with pytest.raises(SecretMalformed, match=reason) as raised:
        files.get(name)
    out = io.StringIO()
    error = raised.value
    own = Traceback.from_exception(SecretMalformed, error, error.__traceback__.tb_next, show_locals=True)
    Console(file=out, width=400).print(own)
    assert_no_canary(str(error), repr(vars(error)), repr(error.__context__), repr(error.__cause__), out.getvalue())
    assert (error.store, error.key) == ("secret-files", name)


def test_a_small_yaml_file_that_stands_for_a_huge_value_is_refused(folder, files):
    levels = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12))
    put(folder, "db.yaml", f"a0: &a0 word\n{levels}\n")
    with pytest.raises(SecretMalformed, match="its values take more"):
        files.get("db.yaml")


def test_a_file_of_1_mib_is_read_whole(folder, files):
    put(folder, "large", b"x" * 1024 * 1024)
    assert len(files.read("large")) == 1024 * 1024


@pytest.mark.parametrize(
    "key",
    ["../token", "a/../token", "/etc/hostname", "a//b", "a/", "./a", "", "a\\b", "a\0b", "a\nb", "\udcff", "x" * 256],
)
def test_a_key_that_is_no_path_in_the_folder_is_refused(folder, key):
    put(folder, "token", "outside")
    (folder / "inside/a").mkdir(parents=True)
    with pytest.raises(InvalidSecretKey) as raised:
        SecretFiles(folder=str(folder / "inside")).get(key)
    assert (raised.value.store, raised.value.key) == ("secret-files", key)


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("whole_folder", [True, False])
def test_a_link_that_leads_out_of_the_folder_is_refused(folder, tmp_path, absolute, whole_folder):
    inside = folder / "inside"
    inside.mkdir()
    put(folder, "outside/token", "secret of another")
    target = Path("../outside" if whole_folder else "../outside/token")
    (inside / "link").symlink_to((inside / target).resolve() if absolute else target)
    store = SecretFiles(folder=str(inside))
    with pytest.raises(InvalidSecretKey, match="leads out"):
        store.get("link/token" if whole_folder else "link")
    assert list(store.list()) == []


def test_a_folder_whose_name_begins_alike_is_outside(folder):
    put(folder, "in/x", "x")
    put(folder, "inner/token", "secret of another")
    (folder / "in/link").symlink_to(folder / "inner/token")
    with pytest.raises(InvalidSecretKey, match="leads out"):
        SecretFiles(folder=str(folder / "in")).get("link")


@pytest.mark.parametrize("target", ["real/token", "./real/../real/token", "{folder}/real/token", "more/again"])
def test_a_link_that_stays_inside_is_followed(folder, files, target):
    put(folder, "real/token", "made-up")
    (folder / "more").symlink_to("real/")
    (folder / "real/again").symlink_to("token")
    (folder / "link").symlink_to(target.format(folder=folder))
    assert text(files, "link") == "made-up"


def test_the_folder_itself_may_be_a_link(folder):
    put(folder, "real/token", "made-up")
    (folder / "link").symlink_to("real")
    (folder / "real/absolute").symlink_to(folder / "link/token")
    assert text(SecretFiles(folder=str(folder / "link")), "absolute") == "made-up"


def test_links_in_a_circle_lead_nowhere(folder, files):
    (folder / "one").symlink_to("two")
    (folder / "two").symlink_to("one")
    (folder / "self").symlink_to(".")
    put(folder, "token", "made-up")
    with pytest.raises(InvalidSecretKey, match="nowhere"):
        files.get("one")
    assert text(files, "self/self/token") == "made-up"
    assert list(files.list()) == ["token"]


class Mount:
    """A volume as Kubernetes lays it out: files are links through `..data`, which is swapped for a new folder."""

    def __init__(self, folder):
        self.folder = folder
        self.number = 0

    def update(self, **secrets):
        old = self.folder / (self.folder / "..data").readlink() if self.number else None
        self.number += 1
        new = self.folder / f"..2026_11_21_{self.number}"
        new.mkdir()
        for name, value in secrets.items():
            (new / name).write_text(value)
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        (self.folder / "..data_tmp").symlink_to(new.name)
        (self.folder / "..data_tmp").replace(self.folder / "..data")
        if old is not None:
            shutil.rmtree(old)


def test_a_kubernetes_mount_is_read_and_its_update_is_seen(folder, files):
    mount = Mount(folder)
    for value in ("first", "second"):
        mount.update(username="app", password=value)
        assert text(files, "password") == value
    assert list(files.list()) == ["password", "username"]


def test_a_mount_that_is_swapped_while_it_is_read_gives_whole_values(folder, files):
    values = [letter * 5000 for letter in "abcdef"]
    mount = Mount(folder)
    mount.update(password=values[0])
    ended = Event()

    def swap():
        for value in cycle(values):
            if ended.is_set():
                return
            mount.update(password=value)

    swapper = Thread(target=swap)
    swapper.start()
    seen = []
    try:
        while swapper.is_alive() and (len(seen) < 1000 or len(set(seen)) < 3):
            seen.append(text(files, "password"))
    finally:
        ended.set()
        swapper.join()
    assert set(seen) <= set(values)
    assert len(seen) >= 1000


def test_a_swap_in_the_middle_of_the_way_is_started_over(folder, files, monkeypatch):
    mount = Mount(folder)
    mount.update(password="first")
    readlink = os.readlink
    swaps = iter(["second", "third"])

    def swapped_after(name, **options):
        target = readlink(name, **options)
        if name == "..data" and options and (value := next(swaps, None)):
            monkeypatch.setattr(os, "readlink", readlink)
            mount.update(password=value)
            monkeypatch.setattr(os, "readlink", swapped_after)
        return target

    monkeypatch.setattr(os, "readlink", swapped_after)
    assert text(files, "password") == "third"


@contextmanager
def rewriting(write):
    """Let `write` happen after each read of a file, and pauses take no time."""
    fstat = os.fstat
    looks = cycle([lambda: None, write])

    def looked_at(descriptor):
        next(looks)()
        return fstat(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fstat", looked_at)
        patch.setattr("typecase.integrations.files.folder.sleep", lambda _seconds: None)
        yield


def test_a_file_that_is_rewritten_in_place_while_it_is_read_gives_a_whole_value(folder, files):
    path = put(folder, "token", "new-")
    pieces = ["new-val", "new-value"]

    def write():
        if pieces:
            path.write_text(pieces.pop(0))

    with rewriting(write):
        assert text(files, "token") == "new-value"


def test_a_file_that_is_written_to_all_the_time_is_told(folder, files):
    path = put(folder, "token", "x")
    longer = map("x".__mul__, count(2))
    with (
        rewriting(lambda: path.write_text(next(longer))),
        pytest.raises(SecretStoreUnreachable, match="'token' is being written to") as raised,
    ):
        files.get("token")
    assert "rename" in raised.value.hint


def test_a_link_to_nothing_is_absent(folder, files):
    (folder / "link").symlink_to("nothing")
    with pytest.raises(SecretNotFound):
        files.get("link")


def test_an_absent_key_shows_at_most_three_near_names(folder, files):
    for number in range(4):
        put(folder, f"db-password{number}", "made-up")
    with pytest.raises(SecretNotFound) as raised:
        files.get("db-password")
    assert raised.value.hint.count("db-password") == 3
    assert (raised.value.store, raised.value.key, raised.value.reason) == ("secret-files", "db-password", "absent")


def test_a_path_through_a_file_is_absent(folder, files):
    put(folder, "token", "made-up")
    with pytest.raises(SecretNotFound):
        files.get("token/inside")
    assert list(files.list("token/")) == []


def test_an_absent_folder_is_no_absent_secret(folder):
    absent = SecretFiles(folder=str(folder / "absent"))
    for ask in (lambda: absent.get("token"), lambda: list(absent.list())):
        with pytest.raises(SecretStoreUnreachable, match="no folder") as raised:
            ask()
        assert raised.value.reason == "failed"


def test_a_version_is_not_found(folder, files):
    put(folder, "token", "made-up")
    with pytest.raises(SecretNotFound, match="files have none"):
        files.get("token", version="1")
    assert files.read("token").version is None


def test_a_folder_is_no_secret(folder, files):
    put(folder, "db.json/inside", "made-up")
    with pytest.raises(SecretMalformed, match="is a folder"):
        files.get("db.json")


def test_a_pipe_and_a_socket_are_no_secret_and_are_not_waited_for(folder, files):
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        for key in ("pipe", "socket"):
            with pytest.raises(SecretMalformed, match="no plain file"):
                files.get(key)
    assert list(files.list()) == []


def test_a_folder_that_may_not_be_listed_still_gives_its_files(folder, files, request):
    put(folder, "token", "made-up")
    with pytest.raises(SecretError):
        files.get("tokens")
    folder.chmod(0o711 if os.geteuid() == 0 else 0o311)
    request.getfixturevalue("unprivileged")
    assert text(files, "token") == "made-up"
    with pytest.raises(SecretForbidden):
        list(files.list())
    with pytest.raises(SecretNotFound):
        files.get("tokens")
    assert files.check().status is Status.ERROR


def test_a_file_that_may_not_be_read_is_listed_and_named(folder, files, request):
    put(folder, "token", "made-up").chmod(0)
    request.getfixturevalue("unprivileged")
    assert list(files.list()) == ["token"]
    with pytest.raises(SecretForbidden, match=f"'token' .* {os.geteuid()} "):
        files.get("token")


def test_a_file_that_everyone_may_read_is_read(folder, files):
    put(folder, "token", "made-up").chmod(0o644)
    assert text(files, "token") == "made-up"


def test_keys_are_listed_from_a_prefix_on(folder, files):
    for key in ("prod/db", "prod/deep/er", "prod-2/db", "staging/db", "..2026/hidden", ".env"):
        put(folder, key, "made-up")
    assert list(files.list()) == [".env", "prod/db", "prod/deep/er", "prod-2/db", "staging/db"]
    assert list(files.list("prod/")) == ["prod/db", "prod/deep/er"]
    assert list(files.list("prod")) == ["prod/db", "prod/deep/er", "prod-2/db"]
    assert list(files.list("prod/de")) == ["prod/deep/er"]
    assert list(files.list("absent/")) == []


def test_a_prefix_that_leads_out_is_refused(files):
    with pytest.raises(InvalidSecretKey):
        list(files.list("../"))


@pytest.mark.parametrize(
    ("key", "content"), [("a.json", '{"token": "made-up"}'), ("a.yml", "token: made-up"), (".env", "token='made-up'")]
)
def test_a_block_refers_to_one_value_of_a_file(folder, files, key, content):
    put(folder, key, content)
    files.save("files")
    Secret(value=secret("files", key, field="token")).save("token")
    assert Secret.load("token").get() == "made-up"


def test_the_client_is_the_folder(folder, files):
    assert files.client() == folder


def test_no_descriptor_stays_open(folder, files):
    mount = Mount(folder)
    mount.update(token="made-up")
    put(folder, "deep/er/token", "made-up")
    (folder / "out").symlink_to("../out")
    before = descriptors()
    files.get("token")
    files.get("deep/er/token")
    for key in ("absent", "deep", "out"):
        with pytest.raises(SecretError):
            files.get(key)
    list(files.list())
    assert descriptors() == before


def test_a_check_of_a_folder_reads_no_file(folder, files):
    put(folder, "token", "made-up").chmod(0)
    assert files.check().status is Status.READY


def test_a_check_of_an_absent_folder_is_an_error(folder):
    (stage,) = SecretFiles(folder=str(folder / "absent")).check().stages
    assert (stage.name, stage.status) == ("permission", Status.ERROR)
    assert "absent" in stage.reason
    assert stage.next_step
