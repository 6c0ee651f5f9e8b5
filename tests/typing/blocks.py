"""What type checkers see: never run, checked by mypy and pyright in `./dev check`."""

from datetime import datetime
from typing import Any, assert_type

from pydantic import SecretStr

from typecase.blocks import Block, BlockType, Check, Status, current_registry, field, open_registry, use_registry
from typecase.blocks.kinds import Database, ObjectStore
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.records import Dependent, Revision
from typecase.blocks.registry import Registry


class Server(Block):
    __block__ = BlockType(slug="typing-server")

    host: str = field(help="Its name", example="db.internal")
    port: int = field(5432, ge=1, group="Network")
    password: SecretStr | None = None
    tags: list[str] = field(default_factory=list[str])


def loading() -> None:
    assert_type(Block.load("x"), Block)
    assert_type(Database.load("x"), Database)
    assert_type(ObjectStore.load("x", workspace="prod", revision=2), ObjectStore)
    assert_type(Server.load("x", registry=MemoryRegistry()), Server)
    Server.load("x", "prod")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def loading_async() -> None:
    assert_type(await Block.aload("x"), Block)
    assert_type(await Database.aload("x"), Database)
    assert_type(await Server(host="a").asave("x"), Revision)
    assert_type(await Server.adelete("x", force=True), tuple[Dependent, ...])
    assert_type(await Server(host="a").acheck(), Check)


def fields(server: Server) -> None:
    assert_type(server.host, str)
    assert_type(server.port, int)
    assert_type(server.password, SecretStr | None)
    assert_type(server.tags, list[str])
    assert_type(server.model_copy(update={"port": 1}), Server)


def building() -> None:
    Server(host="a")
    Server(host="a", port=1, password=SecretStr("x"), tags=["b"])
    Server(host="a", hots="b")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Server("a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def freezing(server: Server) -> None:
    server.host = "b"  # type: ignore[misc]
    server.hots = "b"  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


def saving(server: Server) -> None:
    assert_type(server.save("x", overwrite=True, tags=("a",), expires_at=datetime.now()), Revision)  # noqa: DTZ005  its type counts
    assert_type(server.save("x", expires_at=None, expected_revision=3), Revision)
    assert_type(Server.delete("x"), tuple[Dependent, ...])
    server.save("x", tags=["a"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    server.save("x", description=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def checking(server: Server) -> None:
    assert_type(server.check(), Check)
    assert_type(server.check().status, Status)


def registries() -> None:
    assert_type(current_registry(), Registry)
    assert_type(open_registry("memory:"), Registry)
    with use_registry(MemoryRegistry()) as registry:
        assert_type(registry, Registry)


def kinds(database: Database) -> None:
    assert_type(database.fetch_all("select 1", {"a": 1}), list[dict[str, Any]])
    assert_type(database.fetch_one("select 1"), dict[str, Any] | None)
    assert_type(database.execute("delete from a"), int)
