"""The connection to a server: what is sent again, what is not, and what nobody gets to see."""

import json
import os
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from pydantic import SecretStr

from typecase.blocks.errors import (
    DocumentNotFound,
    RegistryUnreachable,
    RevisionConflict,
    SettingsError,
    SignInRequired,
    TooManyRequests,
)
from typecase.blocks.records import Draft
from typecase.blocks.remote import RemoteRegistry
from typecase.blocks.remote.client import Client, Limits
from typecase.blocks.remote.problems import problem_of
from typecase.blocks.remote.registry import address_of

TOKEN = SecretStr("tcs_canary-4f8a1e97-token")
FAST = Limits(timeout=5.0, deadline=10.0, attempts=3)


class Script:
    """A server that gives prepared answers in order, and remembers what it was asked."""

    def __init__(self):
        self.answers, self.asked = [], []
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self):
                length = int(self.headers.get("Content-Length") or 0)
                script.asked.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
                answer = script.answers.pop(0)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, content = answer
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                """Say nothing."""

        for method in ("GET", "POST", "PUT"):
            setattr(Handler, f"do_{method}", Handler.do)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def script():
    found = Script()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def client(script):
    found = Client(script.url, token=TOKEN, limits=FAST)
    yield found
    found.close()


@pytest.fixture
def registry(script):
    found = RemoteRegistry(script.url, token=TOKEN)
    yield found
    found.close()


def good(value):
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


def problem(error, status, **headers):
    content = json.dumps(problem_of(error)).encode()
    return status, {"Content-Type": "application/problem+json", **headers}, content


class TestSendingAgain:
    def test_a_request_whose_answer_got_lost_is_sent_again_with_the_same_key(self, script, client):
        script.answers = [None, good("done")]
        assert json.loads(client.ask("PUT", "/x", content=b"{}")) == "done"
        keys = [headers["Idempotency-Key"] for _, _, headers, _ in script.asked]
        assert len(keys) == 2
        assert keys[0] == keys[1]

    def test_two_requests_have_two_keys(self, script, client):
        script.answers = [good(1), good(2)]
        client.ask("POST", "/x")
        client.ask("POST", "/x")
        assert len({headers["Idempotency-Key"] for _, _, headers, _ in script.asked}) == 2

    @pytest.mark.parametrize("status", [502, 503, 504])
    def test_a_proxy_whose_server_is_away_is_asked_again(self, script, client, status):
        script.answers = [(status, {}, b"<html>"), good("done")]
        assert json.loads(client.ask("GET", "/x")) == "done"

    def test_what_the_server_refuses_is_not_sent_again(self, script, client):
        refusal = RevisionConflict("It is at revision 3.", hint="Load it again.", name="db", expected=2, actual=3)
        script.answers = [problem(refusal, 412)]
        with pytest.raises(RevisionConflict) as raised:
            client.ask("PUT", "/x")
        assert (raised.value.expected, raised.value.actual, len(script.asked)) == (2, 3, 1)

    def test_after_the_last_attempt_the_error_is_raised(self, script, client):
        script.answers = [(503, {}, b"")] * 3
        with pytest.raises(RegistryUnreachable, match="503"):
            client.ask("GET", "/x")
        assert len(script.asked) == 3

    def test_too_many_requests_are_waited_for(self, script, client):
        error = TooManyRequests("Too many.", hint="Wait.", retry_after=0.0)
        script.answers = [problem(error, 429, **{"Retry-After": "0"}), good("done")]
        assert json.loads(client.ask("GET", "/x")) == "done"

    def test_a_wait_beyond_the_deadline_is_not_waited_for(self, script, client):
        error = TooManyRequests("Too many.", hint="Wait.", retry_after=3600.0)
        script.answers = [problem(error, 429, **{"Retry-After": "3600"})]
        with pytest.raises(TooManyRequests) as raised:
            client.ask("GET", "/x")
        assert raised.value.retry_after == 3600.0

    def test_nobody_listens(self):
        with pytest.raises(RegistryUnreachable, match="did not answer"):
            Client("http://127.0.0.1:9", limits=Limits(timeout=1.0, deadline=1.0, attempts=1)).ask("GET", "/x")


class TestAnswers:
    def test_a_redirect_is_not_followed(self, script, client):
        script.answers = [(302, {"Location": "http://127.0.0.1:9/"}, b"")]
        with pytest.raises(RegistryUnreachable, match="302"):
            client.ask("GET", "/x")

    def test_another_server_is_not_taken_for_a_registry(self, script, registry):
        script.answers = [good({"hello": "world"})]
        with pytest.raises(RegistryUnreachable, match="not a document"):
            registry.load("db", workspace="default")

    def test_an_error_of_a_newer_server_is_a_registry_error(self, script, client):
        content = json.dumps({"type": "urn:typecase:error:of-tomorrow", "detail": "New.", "hint": "Upgrade."}).encode()
        script.answers = [(422, {"Content-Type": "application/problem+json"}, content)]
        with pytest.raises(Exception, match=r"New. Upgrade.") as raised:
            client.ask("GET", "/x")
        assert type(raised.value).__name__ == "RegistryError"

    def test_a_missing_token_says_what_to_do(self, script, client):
        script.answers = [problem(SignInRequired("Nobody is signed in.", hint="Run `typecase login`."), 401)]
        with pytest.raises(SignInRequired, match="typecase login"):
            client.ask("GET", "/x")

    def test_facts_come_back_as_they_were(self, script, client):
        error = DocumentNotFound("There is none.", name="db", searched=("prod", "default"), near=("dc",))
        script.answers = [problem(error, 404)]
        with pytest.raises(DocumentNotFound) as raised:
            client.ask("GET", "/x")
        assert (raised.value.name, raised.value.searched, raised.value.near) == ("db", ("prod", "default"), ("dc",))


class TestFork:
    def test_a_forked_child_opens_a_connection_of_its_own(self, script, client):
        script.answers = [good("parent"), good("child"), good("parent")]
        client.ask("GET", "/x")
        child = os.fork()
        if not child:
            os._exit(0 if json.loads(client.ask("GET", "/x")) == "child" else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert json.loads(client.ask("GET", "/x")) == "parent"


class TestToken:
    def test_it_is_sent_and_shown_nowhere(self, script, client, registry):
        script.answers = [good(1)]
        client.ask("GET", "/x")
        assert script.asked[0][2]["Authorization"] == f"Bearer {TOKEN.get_secret_value()}"
        assert "canary" not in repr(registry) + repr(vars(registry)) + repr(vars(client))

    def test_no_traceback_shows_it(self, script, client):
        script.answers = [(503, {}, b"")] * 3
        with pytest.raises(RegistryUnreachable) as raised:
            client.ask("GET", "/x")
        shown = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
        assert "canary" not in "".join(shown.format())


class TestAddress:
    @pytest.mark.parametrize(
        ("given", "found"),
        [
            ("https://registry.example.com", "https://registry.example.com"),
            ("https://registry.example.com:8443/typecase/", "https://registry.example.com:8443/typecase"),
            ("http://localhost:8420", "http://localhost:8420"),
            ("http://[::1]:8420/", "http://[::1]:8420"),
        ],
    )
    def test_it_is_kept_without_the_last_slash(self, given, found):
        assert address_of(given) == found

    @pytest.mark.parametrize(
        ("given", "reason"),
        [
            ("http://registry.example.com", "http://"),
            ("https://ada:pw@registry.example.com", "name or password"),
            ("https://registry.example.com?token=x", "not the address"),
            ("https://", "not the address"),
            ("https://host:port", "not the address"),
        ],
    )
    def test_what_is_no_safe_address_is_refused(self, given, reason):
        with pytest.raises(SettingsError, match=reason) as raised:
            address_of(given)
        assert "pw" not in str(raised.value)


def test_a_draft_with_a_bad_name_is_refused_before_it_is_sent(script, registry):
    draft = Draft(name="a/b", workspace="default", type_slug="x", schema_version=1, data={})
    with pytest.raises(ValueError, match="a/b"):
        registry.documents.save(draft)
    assert script.asked == []
