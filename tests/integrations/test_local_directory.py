"""LocalDirectory: all of an object store, and no way out of its root."""

import io
import multiprocessing
import os
import stat
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typecase.blocks import Status
from typecase.blocks.errors import (
    InvalidBlock,
    InvalidPath,
    MissingPackage,
    NotSupported,
    ObjectConflict,
    ObjectNotFound,
    OperationFailed,
    TypecaseError,
)
from typecase.integrations.local import LocalDirectory


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


@pytest.fixture
def store(root):
    return LocalDirectory(root=str(root))


def paths(store, prefix=""):
    return [info.path for info in store.list(prefix)]


@pytest.mark.parametrize("data", [b"\0\xff", "text with é", io.BytesIO(b"x" * 3_000_000)])
def test_what_is_written_is_read(store, data):
    expected = data.getvalue() if isinstance(data, io.BytesIO) else data.encode() if isinstance(data, str) else data
    info = store.write("a/b/c.bin", data)
    assert store.read("a/b/c.bin") == expected
    assert (info.path, info.size) == ("a/b/c.bin", len(expected))
    assert list(store.list()) == [info]


def test_a_missing_object_is_an_error(store):
    for call in (store.read, store.delete, store.open, lambda path: store.copy(path, "b")):
        with pytest.raises(ObjectNotFound):
            call("a")


def test_a_deleted_object_is_gone(store):
    store.write("a/b", b"")
    store.delete("a/b")
    assert not store.exists("a/b")
    assert paths(store) == []


def test_an_object_exists_but_its_folder_is_none(store):
    store.write("a/b", b"")
    assert store.exists("a/b")
    assert not store.exists("a")
    assert not store.exists("c/d")


def test_a_list_is_ordered_by_whole_paths(store):
    for path in ("a/b", "a-b", "a.b", "a/b-c", "b", "a/b.d/e"):
        store.write(path, b"")
    assert paths(store) == sorted(["a/b", "a-b", "a.b", "a/b-c", "b", "a/b.d/e"])


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("a", ["a-b", "a/b", "a/c/d"]),
        ("a/", ["a/b", "a/c/d"]),
        ("a/c", ["a/c/d"]),
        ("x", []),
        ("x/y", []),
        ("a/b", ["a/b"]),
    ],
)
def test_a_list_starts_with_its_prefix(store, prefix, expected):
    for path in ("a/b", "a/c/d", "a-b", "b"):
        store.write(path, b"")
    assert paths(store, prefix) == expected


def test_a_conditional_write_needs_the_object_to_be_absent(store):
    store.write("a", b"1", if_absent=True)
    with pytest.raises(ObjectConflict, match="exists"):
        store.write("a", b"2", if_absent=True)
    assert store.read("a") == b"1"


def test_a_conditional_write_needs_the_object_to_be_the_one_that_was_read(store):
    first = store.write("a", b"1")
    second = store.write("a", b"2", if_match=first.etag)
    with pytest.raises(ObjectConflict, match="was changed") as caught:
        store.write("a", b"3", if_match=first.etag)
    assert caught.value.etag == second.etag
    assert store.read("a") == b"2"


def test_a_conditional_write_over_nothing_is_a_conflict(store):
    with pytest.raises(ObjectConflict, match="does not exist"):
        store.write("new/a", b"1", if_match="etag")


def test_the_same_bytes_written_again_have_another_etag(store):
    assert len({store.write("a", b"1").etag for _ in range(50)}) == 50


def count_up(root, times):
    store = LocalDirectory(root=root)
    while times:
        (info,) = store.list("count")
        number = int(store.read("count"))
        try:
            store.write("count", str(number + 1), if_match=info.etag)
            times -= 1
        except ObjectConflict:
            continue


def test_writers_in_many_processes_lose_no_update(store, root):
    store.write("count", "0")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=count_up, args=(str(root), 25)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert store.read("count") == b"75"


def test_a_file_written_through_open_counts_at_the_end_of_the_block(store):
    with store.open("a.txt", "w") as file:
        file.write("é\n")
        assert not store.exists("a.txt")
    with store.open("a.txt", "r") as file:
        assert file.read() == "é\n"
    with store.open("a.txt") as file:
        assert file.read() == "é\n".encode()


def test_a_write_that_fails_leaves_the_old_object_and_no_file(store, root):
    store.write("a", b"old")
    with pytest.raises(TypeError), store.open("a", "wb") as file:
        file.writelines([b"new", None])
    assert store.read("a") == b"old"
    assert [path.name for path in root.iterdir()] == ["a"]


def test_errors_of_the_body_stay_what_they_are(store):
    with pytest.raises(FileNotFoundError) as caught, store.open("a", "wb"):
        Path("no such file").read_bytes()
    assert not isinstance(caught.value, TypecaseError)


def test_a_body_may_close_its_file(store):
    with store.open("a", "wb") as file:
        file.write(b"1")
        file.close()
    assert store.read("a") == b"1"


def test_an_unfinished_write_of_another_process_is_not_listed(store, root):
    store.write("a", b"")
    (root / ".typecase-0123").write_bytes(b"half")
    assert paths(store) == ["a"]
    with pytest.raises(InvalidPath, match="unfinished writes"):
        store.read(".typecase-0123")


def test_a_copy_is_an_object_of_its_own(store):
    store.write("a", b"1")
    assert store.copy("a", "b/c").path == "b/c"
    store.write("a", b"2")
    assert store.read("b/c") == b"1"


def test_folders_go_up_and_come_down(store, tmp_path):
    for name in ("one", "sub/two", "sub/deep/three"):
        path = tmp_path / "from" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    assert set(store.upload(tmp_path / "from", "up")) == {"up/one", "up/sub/two", "up/sub/deep/three"}
    store.download("up/sub", tmp_path / "to")
    assert {
        path.relative_to(tmp_path / "to").as_posix() for path in (tmp_path / "to").rglob("*") if path.is_file()
    } == {
        "two",
        "deep/three",
    }
    assert store.upload(tmp_path / "from" / "one") == ("one",)


def test_permissions_are_those_asked_for(root):
    store = LocalDirectory(root=str(root), file_mode="604", folder_mode="701")
    store.write("a/b", b"")
    assert stat.S_IMODE((root / "a" / "b").stat().st_mode) == 0o604
    assert stat.S_IMODE((root / "a").stat().st_mode) == 0o701


def test_a_folder_that_may_not_be_made_is_missing(root):
    store = LocalDirectory(root=str(root), create=False)
    with pytest.raises(OperationFailed):
        store.write("a", b"")
    assert not root.exists()
    assert store.check().status is Status.ERROR


@pytest.mark.parametrize(
    "path", ["../a", "a/../../b", "/etc/passwd", "..", "a\\..\\b", "C:\\x", "a\0", "", "./a", "a/", "//a", "~/../a\x7f"]
)
def test_a_path_that_leads_out_is_refused_by_every_method(store, path):
    store.write("a/b", b"")
    for call in (
        store.read,
        store.delete,
        store.exists,
        store.open,
        lambda path: store.open(path, "w"),
        lambda path: store.write(path, b""),
        lambda path: store.copy("a/b", path),
        lambda path: store.copy(path, "c"),
    ):
        with pytest.raises(InvalidPath):
            call(path)


@pytest.mark.parametrize("prefix", ["../", "/", "/etc/", "a/../../", "..\\/"])
def test_a_prefix_that_leads_out_is_refused(store, prefix):
    with pytest.raises(InvalidPath):
        list(store.list(prefix))


def test_links_are_not_followed_wherever_they_lead(store, root, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    store.write("inside", b"")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "file").symlink_to(tmp_path / "outside" / "secret")
    (root / "dangling").symlink_to(tmp_path / "outside" / "made")
    for path in ("folder/secret", "file", "dangling"):
        for call in (store.read, store.delete, lambda path: store.write(path, b"x")):
            with pytest.raises(InvalidPath):
                call(path)
        assert not store.exists(path)
    assert paths(store) == ["inside"]
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["secret"]


def test_a_folder_that_becomes_a_link_halfway_is_not_followed(store, root, tmp_path, monkeypatch):
    store.write("a/b", b"inside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "b").write_bytes(b"outside")
    really_open = os.open

    def swap(path, flags, *args, **options):
        if path == "b":
            (root / "a").rename(root / "moved")
            (root / "a").symlink_to(tmp_path / "outside")
        return really_open(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", swap)
    monkeypatch.setattr(os, "supports_dir_fd", {*os.supports_dir_fd, swap})
    assert store.read("a/b") == b"inside"


def test_a_pipe_does_not_block_its_reader(store, root):
    store.write("a", b"")
    os.mkfifo(root / "pipe")
    with pytest.raises(InvalidPath, match="not a plain file"):
        store.read("pipe")
    assert paths(store) == ["a"]


@given(
    st.text(max_size=40) | st.lists(st.sampled_from(["..", ".", "a", "link", "", "\\", "~"]), max_size=6).map("/".join)
)
def test_no_path_ever_reaches_outside(path):
    with tempfile.TemporaryDirectory() as folder:
        outside = Path(folder, "outside")
        outside.mkdir()
        Path(folder, "root").mkdir()
        Path(folder, "root", "link").symlink_to(outside)
        store = LocalDirectory(root=f"{folder}/root")
        try:
            store.write(path, path.encode("utf-8", "replace"))
            assert store.read(path) == path.encode("utf-8", "replace")
            assert paths(store) == [path]
        except InvalidPath:
            pass
        assert list(outside.iterdir()) == []
        assert sorted(path.name for path in Path(folder).iterdir()) == ["outside", "root"]


@given(st.dictionaries(st.lists(st.sampled_from("abc"), min_size=3, max_size=3).map("/".join), st.binary(), max_size=8))
def test_whatever_is_written_is_listed_and_read(objects):
    with tempfile.TemporaryDirectory() as folder:
        store = LocalDirectory(root=folder)
        for path, data in objects.items():
            store.write(path, data)
        assert paths(store) == sorted(objects)
        assert {path: store.read(path) for path in objects} == objects


def test_the_root_itself_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    LocalDirectory(root=str(tmp_path / "link")).write("a", b"1")
    assert (tmp_path / "real" / "a").read_bytes() == b"1"


def test_there_are_no_presigned_urls(store):
    with pytest.raises(NotSupported, match="open"):
        store.presign("a")


def test_the_file_system_has_the_folder_as_its_root(store):
    store.write("a/b", b"1")
    assert store.filesystem().cat("a/b") == b"1"


def test_the_file_system_names_its_extra(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec.implementations.dirfs", None)
    with pytest.raises(MissingPackage, match=r"typecase\[local\]"):
        store.filesystem()


def test_the_client_is_the_folder(store, root):
    assert store.client() == root


def test_a_check_writes_nothing_that_stays(store, root):
    assert store.check().status is Status.READY
    assert not root.exists()
    store.write("a", b"")
    assert store.check().status is Status.READY
    assert [path.name for path in root.iterdir()] == ["a"]


def test_a_check_of_a_file_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    check = LocalDirectory(root=str(tmp_path / "file")).check()
    assert check.status is Status.ERROR
    assert check.stages[0].next_step


@pytest.mark.parametrize("fields", [{"root": ""}, {"root": "a\0"}, {"root": "a", "file_mode": "rw-"}])
def test_fields_that_cannot_work_are_refused(fields):
    with pytest.raises(InvalidBlock):
        LocalDirectory(**fields)
