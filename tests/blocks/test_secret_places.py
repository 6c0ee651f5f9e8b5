"""Names of stores mean something in a registry and a workspace: what they lead to is not mixed up with others."""

import pytest
from fakes.memory_vault import SHELVES, MemoryVault, shelf

from typecase.blocks import current_registry, secret, use_registry
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.secrets.cache import CACHE
from typecase.blocks.testing import memory_registry
from typecase.integrations.postgres import PostgresDatabase
from typecase.integrations.webhook import Webhook
from typecase.integrations.webhook.transports import transport_of

__all__ = ["memory_registry"]


@pytest.fixture(autouse=True)
def vaults(memory_registry, monkeypatch):
    """Two workspaces with a store of the same name, and in it secrets of the same names."""
    SHELVES.clear()
    CACHE.clear()
    for workspace in ("left", "right"):
        current_registry().workspaces.create(workspace)
        MemoryVault(place=workspace).save("vault", workspace=workspace)
        shelf(workspace).secrets = {"host": "db", "password": f"of-{workspace}", "url": f"https://{workspace}.test/"}
    monkeypatch.setenv("TYPECASE_WORKSPACE", "left")
    yield
    CACHE.clear()


@pytest.fixture
def to(monkeypatch):
    """Goes to a workspace."""
    return lambda workspace: monkeypatch.setenv("TYPECASE_WORKSPACE", workspace)


def database(**fields):
    fields = {"host": "db", "password": secret("vault", "password"), **fields}
    return PostgresDatabase(database="orders", username="app", **fields)


def webhook():
    return Webhook(url=secret("vault", "url"))


KINDS = {"sql": (database, lambda block: block.engine()), "webhook": (webhook, transport_of)}


@pytest.fixture(params=KINDS)
def kind(request):
    yield KINDS[request.param]
    from typecase.blocks.kinds.sql import ENGINES

    ENGINES.close()


def test_a_block_that_is_used_in_two_workspaces_has_what_it_holds_open_in_each(kind, to):
    build, opened = kind
    block = build()
    left = opened(block)
    to("right")
    right = opened(block)
    assert right is not left
    to("left")
    assert opened(block) is left


def test_equal_blocks_of_two_workspaces_share_nothing(kind, to):
    build, opened = kind
    left = opened(build())
    to("right")
    assert opened(build()) is not left


def test_equal_blocks_of_one_workspace_share_it(kind):
    build, opened = kind
    assert opened(build()) is opened(build())


def test_equal_blocks_of_two_registries_share_nothing(kind):
    build, opened = kind
    here = opened(build())
    with use_registry(MemoryRegistry()) as other:
        other.workspaces.create("left")
        MemoryVault(place="right").save("vault")
        assert opened(build()) is not here


def test_a_saved_block_that_was_loaded_twice_shares_it(kind):
    build, opened = kind
    build().save("mine")
    load = type(build()).load
    assert opened(load("mine")) is opened(load("mine"))


def test_what_is_resolved_in_two_workspaces_is_not_equal(to):
    block = database(host=secret("vault", "host"))
    left = block.refreshed()
    assert left == block.refreshed()
    to("right")
    assert left != block.refreshed()
    assert left.password.get_secret_value() == "of-left"


def test_the_environment_is_the_same_in_all(to):
    block = database(password=secret("env", "DB_PASSWORD"))
    left = block.model_copy()
    to("right")
    block.save("mine")
    assert PostgresDatabase.load("mine").password == left.password
