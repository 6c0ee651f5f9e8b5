"""The async twins do what the plain methods do, in a worker thread, with the caller's context."""

import asyncio
import threading

import pytest

from typecase.blocks import Block, BlockType, Check, Stage, Status, use_registry
from typecase.blocks.errors import DocumentInUse, DocumentNotFound
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.testing import memory_registry

__all__ = ["memory_registry"]


class Note(Block):
    __block__ = BlockType(slug="async-note")

    text: str = ""
    about: Block | None = None

    def check(self):
        return Check(stages=(Stage(name=threading.current_thread().name, status=Status.READY),))


@pytest.fixture(autouse=True)
def registry(memory_registry):
    return memory_registry


async def test_save_load_and_delete():
    assert (await Note(text="a").asave("note", tags=("x",))).number == 1
    assert await Note.aload("note") == Note(text="a")
    assert await Note.aload("note", revision=1, workspace="default") == Note(text="a")
    assert await Note.adelete("note") == ()
    with pytest.raises(DocumentNotFound):
        await Note.aload("note")


async def test_delete_with_force():
    note = Note()
    await note.asave("note")
    await Note(about=note).asave("other")
    with pytest.raises(DocumentInUse):
        await Note.adelete("note")
    assert len(await Note.adelete("note", force=True)) == 1


async def test_the_registry_of_the_task_is_used():
    other = MemoryRegistry()
    with use_registry(other):
        await Note(text="other").asave("note")
        assert (await Note.aload("note")).text == "other"
    with pytest.raises(DocumentNotFound):
        await Note.aload("note")


async def test_many_loads_at_once_give_the_same():
    Note(text="a").save("note")
    assert set(map(repr, await asyncio.gather(*(Note.aload("note") for _ in range(20))))) == {repr(Note(text="a"))}


async def test_the_body_runs_in_another_thread():
    (stage,) = (await Note().acheck()).stages
    assert stage.name != threading.current_thread().name
