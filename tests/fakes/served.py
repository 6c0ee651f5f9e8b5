"""`typecase serve` in a process of its own, or its parts in a thread of this one; and a registry that it can serve."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import monotonic

import httpx

from typecase.registry.access.authority import operator
from typecase.registry.access.permissions import Role
from typecase.registry.data_keys import DataKeys
from typecase.registry.file_registry import FileRegistry
from typecase.registry.server import serving
from typecase.registry.server.settings import ServerSettings

COMMAND = (sys.executable, "-m", "typecase.registry.cli", "serve", "--port", "0", "-o", "json")


class Place:
    """A registry in a folder, with its root key."""

    def __init__(self, folder):
        self.path = folder / "registry.db"
        self.key = folder / "root.key"
        self.registry = FileRegistry(self.path, DataKeys(self.key.as_uri()))
        self.registry.init(create_key_if_missing=True)

    @property
    def environment(self):
        return {"TYPECASE_URL": f"sqlite:///{self.path}", "TYPECASE_KEY": self.key.as_uri()}

    def token(self, name="ada"):
        """A token of a new admin."""
        access, root = self.registry.access, operator("root")
        person = access.principals.create(root, name, kind="person")
        access.grants.add(root, name, Role.ADMIN)
        return access.tokens.create(root, name, "test").text, person.id


class Process:
    """A running server."""

    def __init__(self, process, log):
        self._process = process
        self._log = log
        first = iter(process.stdout.readline, "")
        told = ""
        for line in first:
            told += line
            if line == "}\n":
                break
        self.url = json.loads(told)["url"] if told else ""

    def end(self, sign=signal.SIGTERM):
        """Send a signal and return the exit code."""
        self._process.send_signal(sign)
        return self._process.wait(60)

    def signal(self, sign=signal.SIGTERM):
        self._process.send_signal(sign)

    def wait(self):
        return self._process.wait(60)

    @property
    def log(self):
        """What it wrote to standard error."""
        return Path(self._log).read_text(encoding="utf-8")

    @property
    def lines(self):
        """The lines of the log that are JSON."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]


@contextmanager
def served(environment, *arguments):
    """Run `typecase serve`; its `url` is empty where it ended at once."""
    everything = {**os.environ, "TYPECASE_SERVER_LOG_FORMAT": "json", **environment}
    with (
        tempfile.NamedTemporaryFile() as log,
        subprocess.Popen(
            [*COMMAND, *arguments], env=everything, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            yield Process(process, log.name)
        finally:
            process.kill()


@contextmanager
def listening(registry, telemetry=None, **settings):
    """Run the same server in a thread; yields it with `url` and `address`."""
    chosen = ServerSettings(**{"port": 0, **settings})
    running = serving.prepare(registry, chosen, telemetry)
    listener = serving.listen(chosen)
    running.url = serving.address_of(listener, chosen)
    running.address = listener.getsockname()[:2]
    thread = Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.should_exit = running.force_exit = True
        thread.join()


def spoken(address, *parts):
    """Send bytes, and return all that comes until the server closes the connection."""
    with socket.create_connection(address, timeout=30) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        while received := connection.recv(65536):
            answer += received
    return answer


def measured(url, name):
    """The value of a metric."""
    (found,) = re.findall(rf"^{re.escape(name)} (\S+)$", httpx.get(f"{url}/metrics").text, re.MULTILINE) or ["0"]
    return float(found)


def until(url, name, value):
    """Ask until a metric has a value."""
    deadline = monotonic() + 30
    while (found := measured(url, name)) != value:
        assert monotonic() < deadline, f"{name} is {found}, not {value}"
