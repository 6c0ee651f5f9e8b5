"""The log: every line one JSON object, and nothing of what was sent in any."""

import io
import json
import logging
import sys

import httpx
import pytest
from fakes.served import Place, served

from typecase.registry.access.codes import Prefix, new_code
from typecase.registry.server import logs


@pytest.fixture
def place(tmp_path):
    found = Place(tmp_path)
    yield found
    found.registry.close()


@pytest.fixture
def written(monkeypatch):
    """What is logged in this process from now on, in the form asked for."""
    stream = io.StringIO()
    root, names = logging.getLogger(), ("typecase", "uvicorn")
    before = root.handlers, root.level, [logging.getLogger(name).level for name in names]
    monkeypatch.setattr(logging, "raiseExceptions", False)

    def configure(form):
        logs.configure("debug", form, stream)
        return stream

    yield configure
    logging.captureWarnings(False)
    root.handlers = before[0]
    root.setLevel(before[1])
    for name, level in zip(names, before[2], strict=True):
        logging.getLogger(name).setLevel(level)


def test_nothing_that_was_sent_is_written_even_at_debug(place, canary, assert_no_canary):
    token, principal = place.token()
    sent = {
        "Authorization": f"Bearer {token}",
        "X-Request-Id": token,
        "Cookie": canary.encode(),
        "X-Other": canary.encode(),
    }
    with served({**place.environment, "TYPECASE_SERVER_LOG_LEVEL": "debug"}) as server, httpx.Client() as client:
        api = f"{server.url}/api/v1"
        answers = [
            client.post(f"{api}/workspaces", json={"name": "made", "description": canary}, headers=sent),
            client.post(f"{api}/workspaces", json={"name": canary, "description": 7}, headers=sent),
            client.get(f"{api}/workspaces/default/documents", params={"search": canary}, headers=sent),
            client.get(f"{api}/{canary}", headers=sent),
            client.post(f"{api}/workspaces/default/documents/{canary}/load", headers=sent),
            client.get(f"{api}/workspaces", headers={"Authorization": f"Bearer {canary}".encode()}),
            client.request("PUT", f"{server.url}/healthz", content=canary.encode()),
        ]
        assert server.end() == 0
        assert [answer.status_code for answer in answers[:2]] == [201, 422]
        lines = [line for line in server.lines if line["logger"] == "typecase.access"]
        assert len(lines) == len(answers)
        assert assert_no_canary(server.log) > 0
        assert token not in server.log
        assert {line["principal"] for line in lines} == {principal, ""}
        assert {line["route"] for line in lines} >= {"/api/v1/workspaces", "none", "/healthz"}


def test_every_line_is_one_json_object(place):
    with served(place.environment) as server:
        httpx.get(f"{server.url}/healthz", headers={"X-Request-Id": "flow-42.step-7"})
        server.end()
        text = [line for line in server.log.splitlines() if not line.startswith("There is no admin")]
    lines = [json.loads(line) for line in text]
    (access,) = [line for line in lines if line["logger"] == "typecase.access"]
    assert {
        "method": "GET",
        "route": "/healthz",
        "status": 200,
        "request_id": "flow-42.step-7",
    }.items() <= access.items()
    assert {line["logger"] for line in lines} == {"typecase.access", "uvicorn.error"}


def failing(secret):
    raise ValueError(f"bad password {secret}")


@pytest.mark.parametrize("form", ["json", "plain"])
def test_an_exception_is_told_without_its_own_words(written, form, canary, assert_no_canary):
    stream = written(form)
    try:
        failing(canary)
    except ValueError:
        logging.getLogger("typecase.server").exception("unexpected")
    assert_no_canary(stream.getvalue())
    assert "ValueError" in stream.getvalue()
    assert "in failing" in stream.getvalue()


@pytest.mark.parametrize("form", ["json", "plain"])
@pytest.mark.parametrize("prefix", Prefix)
def test_a_code_is_covered_wherever_it_turns_up(written, form, prefix):
    stream, code = written(form), new_code(prefix)
    logging.getLogger("typecase.server").warning("given: %s", code, extra={"facts": {"also": code}})
    assert code not in stream.getvalue()
    assert stream.getvalue().count("**********") == 2


@pytest.mark.parametrize("form", ["json", "plain"])
def test_a_line_break_in_what_is_logged_begins_no_line(written, form):
    stream = written(form)
    logging.getLogger("typecase.server").warning("one\ntwo\x1b[2J", extra={"facts": {"three": "a\nb"}})
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("name", ["sqlalchemy.engine", "httpcore.http11", "asyncio"])
def test_other_libraries_stay_silent_at_debug(written, name):
    stream = written("json")
    logging.getLogger(name).info("a row, or a header")
    assert stream.getvalue() == ""


def test_a_terminal_gets_lines_for_people(written):
    stream = io.StringIO()
    stream.isatty = lambda: True
    written("auto")
    logs.configure("info", "auto", stream)
    logging.getLogger("typecase.server").info("hello", extra={"facts": {"status": 200, "none": ""}})
    assert stream.getvalue().endswith("typecase.server: hello status=200\n")


def test_standard_error_is_where_it_goes(written, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    written("json")
    logs.configure("info", "auto")
    logging.getLogger("typecase.server").info("hello")
    assert json.loads(stream.getvalue())["message"] == "hello"
