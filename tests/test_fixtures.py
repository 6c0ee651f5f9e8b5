"""The shared fixtures find what they are for."""

import base64
import json
import os
from pathlib import Path
from urllib.parse import quote

import pytest


@pytest.mark.parametrize("before", ["", "x", "xy"])
def test_a_canary_is_found_in_base64_whatever_precedes_it(canary, assert_no_canary, before):
    with pytest.raises(AssertionError, match="base64"):
        assert_no_canary(base64.b64encode(f"{before}{canary}and more".encode()))


@pytest.mark.parametrize("encode", [str, json.dumps, repr, quote, lambda text: text.encode().hex()])
def test_a_canary_is_found_in_text_whatever_its_encoding(canary, assert_no_canary, encode):
    with pytest.raises(AssertionError, match="the canary is in argument 1"):
        assert_no_canary(f"before {encode(canary)} after")


def test_a_canary_is_found_in_any_file_of_a_folder(canary, assert_no_canary, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file.db-wal").write_bytes(b"\x00\xff" + canary.encode())
    with pytest.raises(AssertionError, match="db-wal"):
        assert_no_canary(tmp_path)


def test_scanning_tells_how_many_bytes_were_clean(assert_no_canary):
    assert assert_no_canary(b"clean", "text") == 9


def test_scanning_an_empty_folder_is_an_error(assert_no_canary, tmp_path):
    with pytest.raises(FileNotFoundError):
        assert_no_canary(tmp_path)


def test_a_test_lives_in_an_empty_home_of_its_own(home):
    assert Path.home() == home
    assert Path.cwd() == home / "work"
    assert not list(Path.cwd().iterdir())


def test_a_test_sees_no_typecase_setting_of_the_developer():
    assert [name for name in os.environ if name.startswith("TYPECASE_") and "_TEST_" not in name] == []


def test_a_postgres_database_is_fresh(postgres_url):
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(postgres_url) as connection:
        tables = connection.execute("select count(*) from pg_tables where schemaname = 'public'").fetchone()
    assert tables == (0,)
