"""SqliteDatabase, and what it shares with every SQL database."""

import gc
import io
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.traceback import Traceback

from typecase.blocks import Status
from typecase.blocks.errors import ConnectionFailed, InvalidBlock, MissingPackage, NotSupported, OperationFailed
from typecase.integrations.sqlite import SqliteDatabase
from typecase.integrations.sqlite.memory import _MEMORIES


@pytest.fixture(params=["file", "memory"])
def db(request, tmp_path):
    db = SqliteDatabase(path=str(tmp_path / "a b%?#.db")) if request.param == "file" else SqliteDatabase()
    yield db
    db.dispose()


@pytest.fixture
def table(db):
    db.execute("create table t (id integer primary key, word text unique)")
    db.execute_many("insert into t values (:id, :word)", [{"id": n, "word": f"w{n}"} for n in range(10)])
    return db


def test_a_statement_tells_how_many_rows_it_changed(table):
    assert table.execute("update t set word = word || '!' where id < :id", {"id": 3}) == 3
    assert table.execute("create index i on t (word)") == 0


def test_many_rows_are_written_by_one_statement(table):
    assert table.execute_many("insert into t values (:id, 'x' || :id)", [{"id": 100}, {"id": 101}]) == 2
    assert table.execute_many("insert into t values (:id, :id)", []) == 0


def test_rows_come_as_dicts(table):
    assert table.fetch_all("select id, word from t where id = :id", {"id": 3}) == [{"id": 3, "word": "w3"}]
    assert table.fetch_one("select id from t order by id") == {"id": 0}
    assert table.fetch_one("select id from t where id = 99") is None
    assert table.fetch_many("select id from t order by id", size=2) == [{"id": 0}, {"id": 1}]


def test_a_stream_comes_in_batches(table):
    batches = list(table.stream("select id from t where id >= :low order by id", {"low": 1}, size=4))
    assert [len(batch) for batch in batches] == [4, 4, 1]
    assert batches[0][0] == {"id": 1}


def test_a_stream_that_is_closed_early_gives_its_connection_back(table):
    stream = table.stream("select id from t", size=1)
    next(stream)
    stream.close()
    assert table.engine().pool.checkedout() == 0


def test_a_connection_commits_at_the_end(table):
    with table.connect() as connection:
        connection.exec_driver_sql("delete from t")
    assert table.fetch_all("select * from t") == []


def test_a_connection_rolls_back_after_an_error(table):
    def change(connection):
        connection.exec_driver_sql("delete from t")
        connection.exec_driver_sql("create table other (id integer)")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), table.connect() as connection:
        change(connection)
    assert table.fetch_one("select count(*) as n from t") == {"n": 10}
    assert table.fetch_all("select name from sqlite_master where name = 'other'") == []


def test_a_connection_can_do_without_a_transaction(table):
    with table.connect(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum")


def test_errors_inside_a_connection_are_told_too(table):
    with pytest.raises(OperationFailed, match="no such table"), table.connect() as connection:
        connection.exec_driver_sql("select * from absent")


def test_frames_of_both_libraries_hold_the_rows(table):
    query = "select id, word from t order by id limit 2"
    assert table.fetch_frame(query).to_dict("list") == {"id": [0, 1], "word": ["w0", "w1"]}
    assert table.fetch_frame(query, library="polars").to_dict(as_series=False) == {"id": [0, 1], "word": ["w0", "w1"]}
    assert table.fetch_arrow(query).to_pydict() == {"id": [0, 1], "word": ["w0", "w1"]}


def test_frames_without_rows_have_their_columns(table):
    query = "select id, word from t where id = 99"
    assert list(table.fetch_frame(query).columns) == ["id", "word"]
    assert table.fetch_frame(query, library="polars").columns == ["id", "word"]
    assert table.fetch_arrow(query).column_names == ["id", "word"]


def test_another_frame_library_is_refused(table):
    with pytest.raises(NotSupported, match="Use 'pandas' or 'polars'"):
        table.fetch_frame("select 1", library="spark")


@pytest.mark.parametrize(("module", "extra"), [("pandas", "pandas"), ("polars", "polars"), ("pyarrow", "arrow")])
def test_a_missing_library_names_its_extra(table, monkeypatch, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingPackage, match=rf"typecase\[{extra}\]"):
        table.fetch_arrow("select 1") if extra == "arrow" else table.fetch_frame("select 1", library=module)


def test_two_columns_of_one_name_are_refused_rather_than_lost(table):
    with pytest.raises(OperationFailed, match="Several columns") as caught:
        table.fetch_all("select a.id, b.id from t a join t b using (id)")
    assert caught.value.columns == ("id",)


def test_fetching_from_a_statement_without_rows_undoes_it(table):
    with pytest.raises(OperationFailed, match="execute"):
        table.fetch_all("delete from t")
    assert table.fetch_one("select count(*) as n from t") == {"n": 10}


def test_a_failed_statement_says_why(table):
    with pytest.raises(OperationFailed, match=r"UNIQUE constraint failed: t\.word"):
        table.execute("insert into t values (77, 'w1')")


def shown(error):
    """The error as rich shows it, with the local variables of every frame."""
    out = io.StringIO()
    trace = Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True)
    Console(file=out, width=400).print(trace)
    return out.getvalue()


@pytest.mark.parametrize(
    "call",
    [
        lambda db, value: db.execute("insert into absent values (:secret)", {"secret": value()}),
        lambda db, value: db.execute_many("insert into absent values (:secret)", [{"secret": value()}]),
        lambda db, value: db.fetch_all("select :secret from absent", {"secret": value()}),
        lambda db, value: list(db.stream("select :secret from absent", {"secret": value()})),
        lambda db, value: db.fetch_frame("select :secret from absent", {"secret": value()}),
        lambda db, value: db.fetch_all("select json_extract('{}', :secret)", {"secret": value()}),
    ],
)
def test_an_error_shows_no_parameter(db, canary, assert_no_canary, call):
    with pytest.raises(OperationFailed) as caught:
        call(db, lambda: canary)
    error = caught.value
    assert error.__context__ is None
    error.__traceback__ = error.__traceback__.tb_next.tb_next
    assert_no_canary(str(error), repr(error.__cause__), shown(error))


def test_a_missing_parameter_is_an_error_of_ours(table):
    with pytest.raises(OperationFailed, match="word"):
        table.fetch_all("select * from t where word = :word")


async def test_async_twins_answer_the_same(table):
    assert await table.afetch_one("select word from t where id = 1") == {"word": "w1"}
    assert await table.aexecute_many("insert into t values (:id, :id)", [{"id": 50}]) == 1


def test_foreign_keys_hold(db):
    db.execute("create table parent (id integer primary key)")
    db.execute("create table child (parent integer references parent)")
    with pytest.raises(OperationFailed, match="FOREIGN KEY"):
        db.execute("insert into child values (1)")


def test_threads_share_one_database(table):
    barrier = threading.Barrier(4)
    problems = []

    def work(number):
        barrier.wait()
        try:
            for step in range(20):
                table.execute("insert into t values (:id, :id)", {"id": 1000 + number * 100 + step})
        except OperationFailed as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert table.fetch_one("select count(*) as n from t") == {"n": 90}


def test_the_drivers_own_connection_sees_the_same_database(table):
    connection = table.client()
    assert connection.execute("select count(*) from t").fetchone() == (10,)
    connection.close()


def test_equal_blocks_share_an_engine(tmp_path):
    path = str(tmp_path / "x.db")
    engine = SqliteDatabase(path=path).engine()
    assert SqliteDatabase(path=path).engine() is engine
    assert SqliteDatabase(path=path, timeout=1).engine() is not engine
    SqliteDatabase(path=path).dispose()


def test_each_block_object_has_a_memory_of_its_own():
    one, other = SqliteDatabase(), SqliteDatabase()
    one.execute("create table t (id integer)")
    with pytest.raises(OperationFailed, match="no such table"):
        other.fetch_all("select * from t")


def test_a_memory_ends_with_its_block_object():
    gc.collect()
    before = len(_MEMORIES._kept)
    db = SqliteDatabase()
    db.execute("create table t (id integer)")
    assert len(_MEMORIES._kept) == before + 1
    del db
    gc.collect()
    assert len(_MEMORIES._kept) == before


def test_a_forked_child_begins_with_an_empty_memory_and_leaves_the_parents_alone():
    script = (
        "import os\n"
        "from typecase.integrations.sqlite import SqliteDatabase\n"
        "db = SqliteDatabase(); db.execute('create table t (id integer)')\n"
        "if os.fork() == 0:\n"
        "    print(db.fetch_all('select name from sqlite_master'), flush=True); os._exit(0)\n"
        "os.wait(); print(db.fetch_all('select name from sqlite_master'))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[{'name': 't'}]\n"


def test_a_read_only_database_refuses_changes(tmp_path):
    path = str(tmp_path / "x.db")
    writer, reader = SqliteDatabase(path=path), SqliteDatabase(path=path, read_only=True)
    writer.execute("create table t (id integer)")
    with pytest.raises(OperationFailed, match="readonly"):
        reader.execute("insert into t values (1)")
    assert reader.fetch_all("select * from t") == []
    writer.dispose()
    reader.dispose()


def test_a_file_is_not_made_where_that_is_not_allowed(tmp_path):
    db = SqliteDatabase(path=str(tmp_path / "x.db"), create=False)
    with pytest.raises(ConnectionFailed, match="unable to open"):
        db.execute("select 1")
    assert list(tmp_path.iterdir()) == []


def test_the_home_folder_is_understood(home):
    db = SqliteDatabase(path="~/x.db")
    db.execute("create table t (id integer)")
    db.dispose()
    assert (home / "x.db").exists()


def test_pragmas_hold_for_each_connection(tmp_path):
    db = SqliteDatabase(path=str(tmp_path / "x.db"), journal_mode="wal", pragmas={"cache_size": -123})
    assert db.fetch_one("pragma journal_mode") == {"journal_mode": "wal"}
    assert db.fetch_one("pragma cache_size") == {"cache_size": -123}
    db.dispose()


@pytest.mark.parametrize("pragmas", [{"a; drop": 1}, {"a": "1; drop table t"}, {"A": 1}])
def test_a_pragma_is_a_word_and_nothing_else(pragmas):
    with pytest.raises(InvalidBlock, match="a pragma is"):
        SqliteDatabase(pragmas=pragmas)


def test_a_path_with_nul_is_refused():
    with pytest.raises(InvalidBlock, match="NUL"):
        SqliteDatabase(path="a\0b")


def test_a_check_of_a_good_database_is_ready(table):
    assert table.check().status is Status.READY


def test_a_check_makes_no_file(tmp_path):
    assert SqliteDatabase(path=str(tmp_path / "x.db")).check().status is Status.READY
    assert SqliteDatabase(path=str(tmp_path / "x.db"), create=False).check().status is Status.ERROR
    assert list(tmp_path.iterdir()) == []


def test_a_check_of_another_file_says_what_is_wrong(tmp_path):
    (tmp_path / "x.db").write_text("this is a text and no database at all" * 100)
    (stage,) = SqliteDatabase(path=str(tmp_path / "x.db")).check().stages
    assert stage.status is Status.ERROR
    assert "not a database" in stage.reason


def test_a_check_of_a_folder_is_an_error(tmp_path):
    (stage,) = SqliteDatabase(path=str(tmp_path)).check().stages
    assert stage.status is Status.ERROR
    assert "unable to open" in stage.reason


def test_the_url_shows_where_the_file_is(tmp_path):
    path = Path(tmp_path, "x.db")
    assert SqliteDatabase(path=str(path)).url().render_as_string() == f"sqlite:///{path}"


@given(
    st.lists(
        st.dictionaries(
            st.just("v"), st.text() | st.integers(-(2**63), 2**63 - 1) | st.binary() | st.none(), min_size=1
        )
    )
)
def test_values_come_back_as_they_were(rows):
    if any("\ud800" <= character <= "\udfff" for row in rows for character in str(row["v"])):
        return
    db = SqliteDatabase()
    db.execute("create table t (n integer primary key, v)")
    db.execute_many("insert into t (v) values (:v)", rows)
    assert db.fetch_all("select v from t order by n") == rows
    db.dispose()
