"""The kinds, and what blocks of a kind share."""

import os
import socket
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from typecase.blocks import (
    Block,
    Credentials,
    Database,
    ExperimentTracker,
    MessageQueue,
    Notifier,
    ObjectStore,
    SecretStore,
    Status,
)
from typecase.blocks.block_type import kinds_of
from typecase.blocks.errors import InvalidPath, MissingPackage, NotSupported, ObjectNotFound
from typecase.blocks.kinds import ObjectInfo
from typecase.blocks.kinds.paths import parts_of
from typecase.blocks.kinds.pools import Pool
from typecase.blocks.kinds.private_files import private_file
from typecase.blocks.kinds.refusals import needs
from typecase.blocks.probes import knock, probe, reach, resolve

KINDS = [Credentials, Database, ExperimentTracker, MessageQueue, Notifier, ObjectStore, SecretStore]
REQUIRED = {
    "Credentials": {"client"},
    "Database": {"connect", "execute", "fetch_all"},
    "ExperimentTracker": {"client"},
    "MessageQueue": {"consume", "publish"},
    "Notifier": {"notify"},
    "ObjectStore": {"delete", "list", "read", "write"},
    "SecretStore": {"get"},
}


class Words(Database):
    """A database of two rows."""

    rows: tuple[str, ...] = ("one", "two")

    def connect(self):
        raise AssertionError

    def execute(self, sql, params=None):
        return len(self.rows)

    def fetch_all(self, sql, params=None):
        return [{"word": row} for row in self.rows]


class Shouting(Notifier):
    """A notifier that keeps what it is told."""

    said: list[tuple]

    def notify(self, body, subject=None, severity="info", **details):
        self.said.append((body, subject, severity, details))


class Shelf(ObjectStore):
    """An object store whose keys are whatever they are."""

    objects: dict[str, bytes]

    def read(self, path):
        return self.objects[path]

    def write(self, path, data, *, if_absent=False, if_match=None):
        self.objects[path] = data if isinstance(data, bytes) else data.read()

    def list(self, prefix=""):
        from datetime import UTC, datetime

        for path in sorted(self.objects):
            if path.startswith(prefix):
                yield ObjectInfo(path, len(self.objects[path]), datetime.now(UTC), "")

    def delete(self, path):
        del self.objects[path]

    def open(self, path, mode="rb"):
        import io

        return io.BytesIO(self.objects[path])


class Vault(SecretStore):
    """A read-only secret store."""

    read_only = True

    def get(self, key, version=None):
        return SecretStr(key)


class Value(Block):
    """A block to key a pool with."""

    number: int = 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_requires_a_handful_of_methods_and_no_field(kind):
    assert kind.__abstractmethods__ == REQUIRED[kind.__name__]
    assert [name for name, info in kind.model_fields.items() if info.is_required()] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_cannot_be_built(kind):
    with pytest.raises(TypeError, match="abstract"):
        kind()


def test_a_block_has_the_kind_of_its_parent():
    assert kinds_of(Words) == ("Database",)


@pytest.mark.parametrize(
    "call",
    [
        lambda: Words().client(),
        lambda: Words().engine(),
        lambda: Words().stream("select 1"),
        lambda: Words().execute_many("select 1", []),
        lambda: Words().fetch_frame("select 1"),
        lambda: Words().fetch_arrow("select 1"),
        lambda: Shouting(said=[]).client(),
        lambda: Shelf(objects={}).presign("a"),
        lambda: Shelf(objects={}).filesystem(),
        lambda: Vault().put("key", SecretStr("x")),
        lambda: Vault().list(),
        lambda: Vault().delete("key"),
    ],
)
def test_what_a_block_cannot_do_says_what_to_use_instead(call):
    with pytest.raises(NotSupported) as caught:
        call()
    assert caught.value.operation in caught.value.message
    assert caught.value.hint.endswith(".")


def test_one_row_comes_from_all_rows_where_a_database_knows_no_better():
    assert Words().fetch_one("select") == {"word": "one"}
    assert Words(rows=()).fetch_one("select") is None
    assert Words().fetch_many("select", size=1) == [{"word": "one"}]


async def test_async_twins_run_the_same_methods():
    assert await Words().aexecute("insert") == 2
    assert await Words().afetch_all("select") == [{"word": "one"}, {"word": "two"}]
    assert await Words().afetch_one("select") == {"word": "one"}
    assert (await Vault().aget("key")).get_secret_value() == "key"
    shelf = Shelf(objects={})
    await shelf.awrite("a", b"1")
    assert await shelf.aread("a") == b"1"
    assert [info.path for info in await shelf.alist()] == ["a"]
    await shelf.adelete("a")
    assert shelf.objects == {}


async def test_the_async_twin_of_notify_passes_everything_on():
    shouting = Shouting(said=[])
    await shouting.anotify("body", "subject", "error", run=1)
    assert shouting.said == [("body", "subject", "error", {"run": 1})]


def test_a_missing_package_is_named_with_its_extra():
    with pytest.raises(MissingPackage, match=r"pip install 'typecase\[nothing\]'") as caught, needs("nothing"):
        import typecase_has_no_such_module  # noqa: F401
    assert (caught.value.package, caught.value.extra) == ("typecase_has_no_such_module", "nothing")


@pytest.mark.parametrize("key", ["../escaped", "/tmp/escaped", "a/../../escaped", "a\\..\\escaped", "C:/escaped"])
def test_a_download_writes_nothing_outside_its_folder(key, tmp_path):
    shelf = Shelf(objects={f"in/{key}": b"x"})
    with pytest.raises(InvalidPath):
        shelf.download("in", tmp_path / "target")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_download_does_not_follow_a_link_in_its_folder(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "link").symlink_to(tmp_path)
    with pytest.raises(InvalidPath, match="symbolic link"):
        Shelf(objects={"link/x": b"x"}).download("", tmp_path / "target")
    assert not (tmp_path / "x").exists()


def test_downloading_nothing_is_an_error(tmp_path):
    with pytest.raises(ObjectNotFound):
        Shelf(objects={"ab": b""}).download("a", tmp_path)


def test_transfers_tell_their_progress(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"x" * 3_000_000)
    told = []
    shelf = Shelf(objects={})
    shelf.upload(tmp_path / "a.bin", progress=lambda *step: told.append(step))
    shelf.download("a.bin", tmp_path / "b.bin", progress=lambda *step: told.append(step))
    assert ("a.bin", 3_000_000, 3_000_000) in told
    assert told[-1] == ("a.bin", 3_000_000, 3_000_000)
    assert len([step for step in told if step[1] < step[2]]) >= 2
    assert (tmp_path / "b.bin").read_bytes() == shelf.objects["a.bin"]


@given(st.text())
def test_a_path_that_is_accepted_stays_inside(path):
    try:
        parts = parts_of(path)
    except InvalidPath:
        return
    assert "/".join(parts) == path
    assert os.path.normpath(path) == path
    assert not Path(path).is_absolute()


@given(st.lists(st.text("abc-_. é", min_size=1).filter(lambda name: name not in {".", ".."}), min_size=1))
def test_a_plain_relative_path_is_accepted(parts):
    assert parts_of("/".join(parts)) == tuple(parts)


@pytest.mark.parametrize(
    "path", ["", "/", "/a", "a/", "a//b", ".", "..", "a/./b", "a\\b", "C:x", "a\0b", "a\nb", "\ud800"]
)
def test_other_paths_are_refused(path):
    with pytest.raises(InvalidPath, match="relative path"):
        parts_of(path)


@pytest.fixture
def pool():
    closed = []
    pool = Pool(close=closed.append, limit=2)
    pool.closed = closed
    return pool


def test_equal_blocks_share_a_resource(pool):
    first = pool.get(Value(number=1), object)
    assert pool.get(Value(number=1), object) is first
    assert pool.get(Value(number=2), object) is not first


def test_the_resource_used_longest_ago_is_closed_first(pool):
    one, two = pool.get(Value(number=1), object), pool.get(Value(number=2), object)
    pool.get(Value(number=1), object)
    pool.get(Value(number=3), object)
    assert pool.closed == [two]
    assert pool.get(Value(number=1), object) is one


def test_a_dropped_resource_is_closed_and_built_again(pool):
    one = pool.get(Value(number=1), object)
    pool.drop(Value(number=1))
    assert pool.closed == [one]
    assert pool.get(Value(number=1), object) is not one


def test_a_forked_child_closes_nothing_of_its_parents(pool):
    one = pool.get(Value(number=1), object)
    pool.renew()
    assert pool.get(Value(number=1), object) is not one
    assert pool.closed == []


def test_what_a_pool_keeps_is_closed_when_the_process_ends():
    script = (
        "from typecase.blocks import Block\n"
        "from typecase.blocks.kinds.pools import Pool\n"
        "class Value(Block): pass\n"
        "Pool(close=print).get(Value(), lambda: 'closed')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "closed\n"


def test_a_private_file_is_for_this_user_only():
    path = private_file("-----BEGIN KEY-----")
    assert Path(path).read_text() == "-----BEGIN KEY-----"
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600


def test_the_same_text_is_one_private_file():
    assert private_file("one text") == private_file("one text") != private_file("another text")


def test_a_private_file_survives_the_closing_of_all_descriptors():
    path = private_file("closed early")
    os.close(int(path.rpartition("/")[2]))
    with Path(os.devnull).open():
        assert Path(private_file("closed early")).read_text() == "closed early"


def test_without_memory_files_a_private_file_is_removed_at_exit():
    script = (
        "import os; del os.memfd_create\n"
        "from typecase.blocks.kinds.private_files import private_file\n"
        "path = private_file('text'); os.fork() or os._exit(0); os.wait()\n"
        "print(path, oct(os.stat(path).st_mode & 0o777), open(path).read())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    path, mode, text = done.stdout.split()
    assert (mode, text) == ("0o600", "text")
    assert not Path(path).exists()


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_probe_of_an_open_port_is_ready(listener):
    stages = list(probe("localhost", listener))
    assert [(stage.name, stage.status) for stage in stages] == [("dns", Status.READY), ("tcp", Status.READY)]


def test_a_probe_stops_where_it_fails_and_says_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (tcp,) = reach("127.0.0.1", port)
    (dns,) = probe("no-such-host.invalid", 1)
    assert (tcp.name, tcp.status, dns.name, dns.status) == ("tcp", Status.ERROR, "dns", Status.ERROR)
    assert tcp.next_step.endswith(".")
    assert dns.next_step.endswith(".")


def test_a_name_server_that_does_not_answer_is_unknown(monkeypatch):
    import threading

    answer = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: answer.wait() and [])
    stage = resolve("slow.example", 1, timeout=0.01)
    answer.set()
    assert stage.status is Status.UNKNOWN


def test_a_port_that_speaks_no_tls_fails_at_tls():
    with socket.create_server(("127.0.0.1", 0)) as server:
        import threading

        def refuse():
            connection, _ = server.accept()
            connection.recv(1)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=refuse)
        thread.start()
        stages = list(reach("127.0.0.1", server.getsockname()[1], tls=ssl.create_default_context()))
        thread.join()
    assert [(stage.name, stage.status) for stage in stages] == [("tcp", Status.READY), ("tls", Status.ERROR)]


def test_a_unix_socket_that_nobody_listens_on_is_an_error(tmp_path):
    stage = knock(str(tmp_path / "socket"))
    assert (stage.name, stage.status) == ("tcp", Status.ERROR)


def test_importing_the_kinds_imports_no_heavy_module():
    heavy = ["sqlalchemy", "asyncio", "socket", "ssl", "tempfile", "httpx", "typecase.blocks.kinds.sql"]
    script = f"import sys, typecase.blocks.kinds; print([name for name in {heavy} if name in sys.modules])"
    bare = "import sys, typecase.blocks.block; print([name for name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    already = subprocess.run([sys.executable, "-c", bare], capture_output=True, text=True, check=True).stdout
    assert [name for name in eval(done.stdout) if f"'{name}'" not in already] == []
