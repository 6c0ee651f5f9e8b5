"""A registry with access on it, on each database, and a clock that tests move."""

import pytest
from fakes.clocks import Clock

from typecase.registry.access.authority import operator
from typecase.registry.access.callers import Caller, Grant
from typecase.registry.access.parts import Access
from typecase.registry.access.permissions import Role
from typecase.registry.data_keys import DataKeys
from typecase.registry.file_registry import FileRegistry


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def registry(tmp_path):
    registry = FileRegistry(tmp_path / "registry.db", DataKeys((tmp_path / "root.key").as_uri()))
    registry.init(create_key_if_missing=True)
    registry.workspaces.create("prod")
    yield registry
    registry.close()


@pytest.fixture
def another(registry, clock):
    """Access as another process has it: the same database, nothing in memory."""

    def another():
        return Access(registry._store, DataKeys(registry._keys.url), clock=clock)

    return another


@pytest.fixture
def access(registry, clock):
    return Access(registry._store, registry._keys, clock=clock)


@pytest.fixture
def root():
    """Whoever works at the database."""
    return operator("root")


@pytest.fixture
def ada(access, root):
    """An admin of the server."""
    access.principals.create(root, "ada", kind="person", email="ada@example.org")
    access.grants.add(root, "ada", Role.ADMIN)
    return caller(access, "ada")


@pytest.fixture
def bob(access, root):
    """A viewer of prod."""
    access.principals.create(root, "bob", kind="person")
    access.grants.add(root, "bob", Role.VIEWER, workspace="prod")
    return caller(access, "bob")


@pytest.fixture
def flows(access, root):
    """A service account that runs flows in prod."""
    access.principals.create(root, "flows", kind="service")
    access.grants.add(root, "flows", Role.RUNNER, workspace="prod")
    return caller(access, "flows")


def caller(access, name):
    """Who `name` is now, as a session would say."""
    person = access.principals.get(name)
    grants = tuple(
        Grant(role=Role(item.role), workspace=item.workspace, document_id=item.document_id, tag=item.tag)
        for item in access.grants.list(principal=name)
    )
    return Caller(id=person.id, name=name, kind=person.kind, grants=grants, address="192.0.2.7")


@pytest.fixture
def as_caller(access):
    return lambda name: caller(access, name)
