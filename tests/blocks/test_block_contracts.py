"""The blocks that come with Typecase keep the contract of blocks."""

from pydantic import SecretStr

from typecase.blocks.catalog import CATALOG
from typecase.blocks.testing import BlockContract
from typecase.integrations.json import Json
from typecase.integrations.local import LocalDirectory
from typecase.integrations.postgres import PostgresDatabase
from typecase.integrations.secret import Secret
from typecase.integrations.sqlite import SqliteDatabase
from typecase.integrations.webhook import Webhook

SECRET = SecretStr("contract/+é&\"secret'value")


class TestJson(BlockContract):
    block = Json(value={"$block": ["a", 1, 1.5, None, True, {"$$type": "x"}]})


class TestLocalDirectory(BlockContract):
    block = LocalDirectory(root="/srv/landing")


class TestPostgresDatabase(BlockContract):
    block = PostgresDatabase(host="db.internal", database="sales", username="ada", password=SECRET)


class TestSecret(BlockContract):
    block = Secret(value=SECRET)


class TestSqliteDatabase(BlockContract):
    block = SqliteDatabase(path="/srv/sales.db")


class TestWebhook(BlockContract):
    block = Webhook(url=SecretStr("https://hooks.example.com/T000/contract-secret"))


def test_every_first_party_block_is_held_to_the_contract():
    own = {entry.slug for entry in CATALOG if entry.package == "typecase"}
    held = {cls.block.__block__.slug for cls in BlockContract.__subclasses__() if cls.__module__ == __name__}
    assert held == own
