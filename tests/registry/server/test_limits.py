"""What a client may send, how long it may take, and how many there may be."""

import json
import socket
from contextlib import ExitStack

import httpx
import pytest
from fakes.served import Place, listening, measured, spoken, until
from hypothesis import given
from hypothesis import strategies as st

from typecase.registry.server.middleware import depth_of

HEAD = b"POST /healthz HTTP/1.1\r\nHost: x\r\n"
NOBODY = 'typecase_requests_total{method="POST",route="none",status="none"}'


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    found = Place(tmp_path_factory.mktemp("place"))
    yield found
    found.registry.close()


@pytest.fixture(scope="module")
def server(place):
    with listening(
        place.registry, max_body=2048, max_depth=8, max_header=4096, body_seconds=0.2, header_seconds=0.2
    ) as found:
        yield found


def sent(server, body, **headers):
    return httpx.post(f"{server.url}/healthz", content=body, headers=headers)


def test_a_body_that_says_it_is_too_large_is_not_read(server):
    answer = spoken(server.address, HEAD + b"Content-Length: 2049\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"urn:typecase:error:request-too-large" in answer


def test_a_body_that_turns_out_too_large_is_refused(server):
    assert sent(server, iter([b"x" * 1024] * 3)).status_code == 413


def test_a_body_of_the_largest_size_is_read(server):
    assert sent(server, b"x" * 2048).status_code == 405
    assert sent(server, iter([b"x" * 1024] * 2)).status_code == 405


def test_a_body_that_does_not_arrive_is_given_up(server):
    answer = spoken(server.address, HEAD + b"Content-Length: 10\r\n\r\n", b"x")
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_head_that_does_not_end_closes_the_connection(server):
    assert spoken(server.address, b"GET /healthz HTTP/1.1\r\nX-Slow: ") == b""


def test_a_connection_that_says_nothing_is_closed(server):
    assert spoken(server.address) == b""


def test_the_next_head_on_a_connection_must_end_too(server):
    first = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    assert spoken(server.address, first, b"GET /healthz HTTP").count(b"HTTP/1.1 200 ") == 1


def test_a_head_whose_beginning_came_with_the_request_before_must_end_too(server):
    first = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    assert spoken(server.address, first + b"GET /healthz HTTP").count(b"HTTP/1.1 200 ") == 1


def test_a_head_that_is_too_large_is_refused(server):
    answer = spoken(server.address, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * 5000)
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_json_that_is_too_deep_is_refused(server):
    assert sent(server, b"[" * 9 + b"]" * 9).status_code == 413
    assert sent(server, b"[" * 8 + b"]" * 8).status_code == 405


def test_brackets_in_text_are_no_depth(server):
    assert sent(server, json.dumps(["[{" * 50, '"[[[[[[[[[[', "\\"]).encode()).status_code == 405


def test_a_client_that_goes_away_leaves_nothing_behind(server):
    before = measured(server.url, NOBODY)
    with socket.create_connection(server.address) as connection:
        connection.sendall(HEAD + b"Content-Length: 10\r\n\r\nx")
    until(server.url, NOBODY, before + 1)
    until(server.url, "typecase_requests_in_flight", 1)


def test_further_connections_are_told_to_come_later(place):
    with listening(place.registry, max_connections=3) as server, ExitStack() as kept:
        for _ in range(3):
            client = kept.enter_context(httpx.Client())
            assert client.get(f"{server.url}/healthz").status_code == 200
        assert spoken(server.address).startswith(b"HTTP/1.1 503 ")
        assert client.get(f"{server.url}/healthz").status_code == 200


VALUES = st.recursive(
    st.none() | st.integers() | st.text(alphabet='[]{}"\\a'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='[]{}"\\a'), inner, max_size=3),
)


def depth_by_definition(value):
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth_by_definition, value), default=0) if isinstance(value, list) else 0


@given(VALUES)
def test_depth_is_what_json_says(value):
    assert depth_of(json.dumps(value).encode()) == depth_by_definition(value)


@given(st.text(alphabet='[]{}"\\a').map(str.encode))
def test_what_is_no_json_has_a_depth_too(body):
    assert depth_of(body) <= body.count(b"[") + body.count(b"{")
