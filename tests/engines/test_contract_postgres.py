"""A registry on PostgreSQL keeps the contract of registries, asked directly and behind a server."""

import os
import secrets
from urllib.parse import urlsplit, urlunsplit

import pytest
from fakes.serving import serving
from pydantic import SecretStr
from sqlalchemy import MetaData, create_engine, make_url

from typecase.blocks.remote import RemoteRegistry
from typecase.blocks.testing import RegistryContract
from typecase.registry.direct import DirectRegistry


@pytest.fixture(scope="module")
def url(postgres_server):
    """One database for all of this module: making and migrating one for each test takes most of a minute."""
    if postgres_server is None:
        if os.environ.get("TYPECASE_TEST_REQUIRE") == "1":
            pytest.fail("no PostgreSQL, and TYPECASE_TEST_REQUIRE=1", pytrace=False)
        pytest.skip("no PostgreSQL that lets databases be made (name one in TYPECASE_TEST_POSTGRES), or no psycopg")
    import psycopg

    name = f"typecase_contract_{secrets.token_hex(6)}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f"create database {name} template template0 encoding 'UTF8'")
        # Nobody mourns what a crash takes from here, and waiting for the disk is most of the time.
        admin.execute(f"alter database {name} set synchronous_commit = off")
    yield urlunsplit(urlsplit(postgres_server)._replace(path=f"/{name}"))
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return (tmp_path_factory.mktemp("key") / "root.key").as_uri()


@pytest.fixture(scope="module")
def emptied(url, key):
    """Puts every table back to what it held when the registry was new."""
    first = DirectRegistry(url, key=key)
    first.init(create_key_if_missing=True)
    first.close()
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    tables = MetaData()
    with engine.begin() as connection:
        tables.reflect(connection)
        rows = {name: connection.execute(table.select()).mappings().all() for name, table in tables.tables.items()}

    def empty():
        with engine.begin() as connection:
            for table in reversed(tables.sorted_tables):
                connection.execute(table.delete())
            for table in tables.sorted_tables:
                if rows[table.name]:
                    connection.execute(table.insert(), [dict(row) for row in rows[table.name]])

    yield empty
    engine.dispose()


class TestPostgresRegistry(RegistryContract):
    @pytest.fixture
    def registry(self, url, key, emptied):
        emptied()
        registry = DirectRegistry(url, key=key)
        yield registry
        registry.close()


@pytest.fixture(scope="module")
def server():
    with serving() as found:
        yield found


class TestRemoteRegistryOnPostgres(RegistryContract):
    author = "ada"

    @pytest.fixture
    def registry(self, url, key, emptied, server):
        emptied()
        behind = DirectRegistry(url, key=key)
        server.show(behind)
        registry = RemoteRegistry(server.url, token=SecretStr("admin"))
        yield registry
        registry.close()
        behind.close()
