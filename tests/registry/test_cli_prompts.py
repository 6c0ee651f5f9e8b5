"""Questions of `typecase blocks create` and `delete`, on a real pseudo-terminal."""

import os
import selectors
import subprocess
import sys

import pytest

from typecase.blocks import Block, current_registry
from typecase.integrations.secret import Secret

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")

# The pseudo-terminal belongs to a process of its own: this one has threads and should not fork.
# Whoever runs the tests in the background of a shell lets them ignore Ctrl-C; somebody at a terminal does not.
LAUNCHER = """import os, pty, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
status = pty.spawn(sys.argv[1:])
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.fixture(autouse=True)
def address(home, monkeypatch):
    """A registry in this test's home, for this process and for the commands that it starts."""
    monkeypatch.setenv("TYPECASE_URL", f"sqlite:///{home}/registry.db")
    yield
    current_registry().close()


class Terminal:
    """A `typecase` command with somebody at its terminal."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-c", LAUNCHER, sys.executable, "-m", "typecase.registry.cli", *arguments]
        environment = {**os.environ, "TERM": "dumb", "COLUMNS": "200"}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self.seen = ""
        self._unread = ""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.process.stdout, selectors.EVENT_READ)

    def answer(self, question: str, text: str) -> None:
        """Wait for `question`, then type `text` and Enter."""
        while question not in self._unread:
            assert self._selector.select(timeout=30), f"{question!r} was not asked: {self.seen}"
            data = os.read(self.process.stdout.fileno(), 65536).decode()
            assert data, f"{question!r} was not asked: {self.seen}"
            self.seen += data
            self._unread += data
        self._unread = self._unread.partition(question)[2]
        self.process.stdin.write(f"{text}\n".encode())
        self.process.stdin.flush()

    def finish(self) -> int:
        """Read to the end and return the exit code."""
        self.seen += self.process.stdout.read().decode()
        self.process.stdin.close()
        self._selector.close()
        self.process.stdout.close()
        return self.process.wait(timeout=30)


def test_a_secret_is_asked_for_and_not_shown(canary, assert_no_canary):
    terminal = Terminal("blocks", "create", "secret", "api")
    terminal.answer("value: ", canary)
    assert terminal.finish() == 0, terminal.seen
    assert_no_canary(terminal.seen)
    assert Block.load("api").get() == canary


def test_required_fields_are_asked_for_and_optional_ones_are_not():
    terminal = Terminal("blocks", "create", "postgres-database", "db")
    terminal.answer("database (such as orders): ", "shop")
    terminal.answer("username (such as app): ", "me")
    assert terminal.finish() == 0, terminal.seen
    block = Block.load("db")
    assert (block.database, block.username, block.port) == ("shop", "me", 5432)


def test_what_is_given_is_not_asked_for():
    terminal = Terminal("blocks", "create", "postgres-database", "db", "--set", "database=shop")
    terminal.answer("username (such as app): ", "me")
    assert terminal.finish() == 0, terminal.seen
    assert "database (" not in terminal.seen


def test_all_asks_for_optional_fields_too_and_again_after_a_wrong_answer():
    terminal = Terminal(
        "blocks", "create", "postgres-database", "db", "--all", "--set", "database=d", "--set", "username=u"
    )
    terminal.answer("host (Enter for localhost): ", "")
    terminal.answer("port (whole number; Enter for 5432): ", "many")
    terminal.answer("port must be whole number", "")
    terminal.answer("password (Enter to skip): ", "\x03")
    assert terminal.finish() == 130, terminal.seen


def test_a_taken_name_is_refused_before_anything_is_asked():
    Secret(value="sesame-first").save("api")
    terminal = Terminal("blocks", "create", "secret", "api")
    assert terminal.finish() == 5, terminal.seen


@pytest.mark.parametrize(("reply", "code", "left"), [("y", 0, []), ("n", 130, ["api"]), ("", 130, ["api"])])
def test_delete_asks_and_goes_on_only_with_a_yes(reply, code, left):
    Secret(value="sesame-delete").save("api")
    terminal = Terminal("blocks", "delete", "api")
    terminal.answer("[y/N] ", reply)
    assert terminal.finish() == code, terminal.seen
    assert [item.name for item in current_registry().documents.list(workspace="default").items] == left
