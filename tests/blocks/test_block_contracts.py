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


def test_every_first_party_block_is_held_to_the_contract(project):
    """By name: the contracts of blocks that need a service stand beside the tests of their vendor."""
    texts = [path.read_text() for path in (project / "tests").rglob("test_*.py")]
    contracts = "\n".join(text for text in texts if "(BlockContract)" in text)
    own = {CATALOG.get(entry.slug).__name__ for entry in CATALOG if entry.package == "typecase"}
    assert {name for name in own if f"{name}(" not in contracts} == set()
