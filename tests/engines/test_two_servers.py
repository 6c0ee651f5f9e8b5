"""Two servers on one PostgreSQL: one is killed and started again under load, and clients recover by themselves."""

import subprocess
import sys
from threading import Thread

import pytest
from pydantic import SecretStr

from typecase.blocks.errors import RegistryUnreachable, RevisionConflict
from typecase.blocks.remote import RemoteRegistry
from typecase.blocks.testing.samples import login, register_samples
from typecase.registry.access.authority import operator
from typecase.registry.access.permissions import Role
from typecase.registry.direct import DirectRegistry

WRITERS, WRITES = 4, 25


class Process:
    """A server in a process of its own, on a port that it keeps when it is started again."""

    def __init__(self, environment, port=0):
        self.environment = environment
        self.port = port
        self.start()

    def start(self):
        command = [sys.executable, "-m", "typecase.registry.cli", "serve", "--port", str(self.port), "-o", "plain"]
        self.process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.url = self.process.stdout.readline().partition("\t")[0]
        self.port = int(self.url.rpartition(":")[2])

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def registry(postgres_url, tmp_path):
    found = DirectRegistry(postgres_url, key=(tmp_path / "root.key").as_uri())
    found.init(create_key_if_missing=True)
    register_samples(found)
    yield found
    found.close()


@pytest.fixture
def token(registry):
    setup = operator("setup")
    registry.access.principals.create(setup, "flow", kind="service")
    registry.access.grants.add(setup, "flow", Role.EDITOR)
    return SecretStr(registry.access.tokens.create(setup, "flow", "test").text)


@pytest.fixture
def servers(registry, postgres_url, tmp_path):
    from os import environ

    known = {name: value for name, value in environ.items() if not name.startswith("TYPECASE_")}
    key = (tmp_path / "root.key").as_uri()
    environment = {**known, "TYPECASE_URL": postgres_url, "TYPECASE_KEY": key, "TYPECASE_HOME": str(tmp_path)}
    found = [Process(environment), Process(environment)]
    yield found
    for item in found:
        item.kill()


def write_all(url, token, name, failures):
    """Save revision after revision of one document, each expecting the one before; ask again while nobody answers."""
    registry = RemoteRegistry(url, token=token)
    for number in range(WRITES):
        draft = login(name, user=f"user-{number}", expected_revision=number)
        unsure = False
        for _ in range(20):
            try:
                revision = registry.documents.save(draft)
            except RegistryUnreachable:
                unsure = True
                continue
            except RevisionConflict as error:
                if not unsure or error.actual != number + 1:
                    failures.append(error)
                break
            except Exception as error:
                failures.append(error)
                return
            if revision.number != number + 1:
                failures.append(revision)
            break
        else:
            failures.append("never answered")
            return
    registry.close()


@pytest.mark.slow
def test_no_write_is_lost_or_doubled_while_a_server_is_killed_and_started_again(registry, servers, token):
    failures = []
    threads = [
        Thread(target=write_all, args=(servers[place % 2].url, token, f"db-{place}", failures))
        for place in range(WRITERS)
    ]
    for thread in threads:
        thread.start()
    for _ in range(3):
        servers[0].kill()
        servers[0].start()
    for thread in threads:
        thread.join()
    assert failures == []
    for place in range(WRITERS):
        history = registry.documents.history(f"db-{place}", workspace="default").items
        assert [item.number for item in history] == list(range(WRITES, 0, -1))
    saved = [item for item in registry.audit.list(limit=1000).items if item.action == "document.save"]
    assert len(saved) == WRITERS * WRITES
    assert registry.audit.verify().fault is None
