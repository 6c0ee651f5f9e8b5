"""Every built-in block keeps the promises of a block."""

from typecase.blocks.testing import BlockContract
from typecase.integrations.json import Json
from typecase.integrations.local import LocalDirectory
from typecase.integrations.postgres import PostgresDatabase
from typecase.integrations.secret import Secret
from typecase.integrations.sqlite import SqliteDatabase
from typecase.integrations.webhook import Webhook


class TestSecret(BlockContract):
    block = Secret(value="secret value 1")


class TestJson(BlockContract):
    block = Json(value={"$ref": [1, None, {"b": 2.5}]})


class TestSqliteDatabase(BlockContract):
    block = SqliteDatabase(path="/absent/x.db", pragmas={"cache_size": -1})


class TestPostgresDatabase(BlockContract):
    block = PostgresDatabase(
        database="orders",
        username="app",
        password="secret value 1",
        ssl_key="secret value 2",
        driver_options={"passfile": "secret value 3"},
    )


class TestLocalDirectory(BlockContract):
    block = LocalDirectory(root="/absent", file_mode="640")


class TestWebhook(BlockContract):
    block = Webhook(
        url="https://hooks.example.com/secret-value-1",
        headers={"Authorization": "secret value 2"},
        signing_secret="secret value 3",
        secret_fields={"routing_key": "secret value 4"},
        extra={"channel": "#ops"},
    )
