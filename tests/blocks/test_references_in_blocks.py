"""Blocks in fields: saved ones are references, unsaved ones are part of the document."""

import json

import pytest
from pydantic import BaseModel, SecretStr

from typecase.blocks import Block, BlockType
from typecase.blocks.errors import InvalidBlock, ReferenceCycle, ReferenceNotFound
from typecase.blocks.kinds import Credentials, Notifier
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.testing import memory_registry

__all__ = ["memory_registry"]


class Login(Credentials):
    __block__ = BlockType(slug="references-login")

    user: str = ""
    password: SecretStr | None = None

    def client(self):
        return self.user


class Pager(Notifier):
    __block__ = BlockType(slug="references-pager")

    number: str = ""

    def notify(self, body, subject=None, severity="info", **details):
        return None


class Team(BaseModel):
    login: Login | None = None


class Flow(Block):
    __block__ = BlockType(slug="references-flow")

    title: str = ""
    login: Login | None = None
    any: Block | None = None
    either: Credentials | Notifier | None = None
    exact: Login | Pager | None = None
    many: list[Credentials] = []
    named: dict[str, Block] = {}
    pair: tuple[Login, Login] | None = None
    team: Team | None = None


@pytest.fixture(autouse=True)
def registry(memory_registry):
    return memory_registry


def written(registry, name):
    return json.loads(registry.load(name, workspace="default").root.data)


@pytest.fixture
def login():
    made = Login(user="ada", password="s3cret-value")
    made.save("login")
    return made


def test_a_saved_block_is_written_as_a_reference(registry, login):
    Flow(login=login).save("flow")
    (document_id,) = registry.load("flow", workspace="default").referenced
    assert written(registry, "flow")["login"] == {"$block": {"id": document_id}}


def test_an_unsaved_block_is_written_with_its_type_and_version(registry):
    Flow(login=Login(user="bob")).save("flow")
    inline = {"$type": "references-login", "$version": 1, "user": "bob", "password": None}
    assert written(registry, "flow")["login"] == inline


@pytest.mark.parametrize("name", ["login", "any", "either", "exact"])
def test_both_come_back_in_every_kind_of_field(name, login):
    for number, value in enumerate((login, Login(user="inline"))):
        Flow(**{name: value}).save(f"flow-{number}")
        assert getattr(Flow.load(f"flow-{number}"), name) == value


def test_both_come_back_in_containers_and_models(login):
    flow = Flow(
        many=[login, Login(user="x")],
        named={"a": login, "$b": Pager(number="1")},
        pair=(login, Login(user="y")),
        team=Team(login=login),
    )
    flow.save("flow")
    assert Flow.load("flow") == flow


def test_the_second_alternative_of_a_union_is_found_too(login):
    pager = Pager(number="1")
    pager.save("pager")
    for number, value in enumerate((pager, Pager(number="2"))):
        flow = Flow(either=value, exact=value)
        flow.save(f"flow-{number}")
        assert Flow.load(f"flow-{number}") == flow


def test_a_document_that_is_referred_to_twice_is_built_once(login):
    Flow(login=login, any=login, many=[login]).save("flow")
    flow = Flow.load("flow")
    assert flow.login is flow.any
    assert flow.login is flow.many[0]


def test_a_change_of_the_referenced_document_is_seen(login):
    Flow(login=login).save("flow")
    login.model_copy(update={"user": "eve"}).save("login")
    assert Flow.load("flow").login.user == "eve"


def test_a_referenced_document_of_the_wrong_type_names_the_field(registry, login):
    Flow(any=login).save("flow")
    Flow(named={"flow": Flow.load("flow")}).save("outer")
    document_id = registry.load("flow", workspace="default").root.document_id
    outer = registry.load("outer", workspace="default").root.document_id
    registry._state.documents[outer].revisions[0].text = json.dumps({"login": {"$block": {"id": document_id}}}).encode()
    with pytest.raises(InvalidBlock, match=r"login.*references-flow"):
        Flow.load("outer")


def test_an_inline_block_of_the_wrong_type_is_refused():
    with pytest.raises(InvalidBlock, match="references-pager"):
        Flow(login={"$type": "references-pager", "number": "1"})


def test_an_inline_block_can_be_given_as_json():
    text = '{"any": {"$type": "references-pager", "number": "1"}}'
    assert Flow.model_validate_json(text) == Flow(any=Pager(number="1"))


def test_an_unknown_field_of_an_inline_block_is_refused():
    with pytest.raises(InvalidBlock, match="nubmer"):
        Flow(any={"$type": "references-pager", "nubmer": "1"})


def test_a_chain_of_references_comes_back_whole(login):
    inner = Flow(title="0", login=login)
    inner.save("flow-0")
    for number in range(1, 20):
        inner = Flow(title=str(number), any=inner)
        inner.save(f"flow-{number}")
    found = Flow.load("flow-19")
    for _ in range(19):
        found = found.any
    assert found.login.password.get_secret_value() == "s3cret-value"


def test_a_chain_is_read_in_one_round_trip(registry, login, monkeypatch):
    Flow(any=Flow(login=login)).save("inner")
    Flow(any=Flow.load("inner")).save("outer")
    calls = []
    load = MemoryRegistry.load
    monkeypatch.setattr(MemoryRegistry, "load", lambda self, *a, **b: calls.append(a) or load(self, *a, **b))
    monkeypatch.setattr(MemoryRegistry, "load_id", None)
    assert Flow.load("outer").any.any.login == login
    assert len(calls) == 1


def test_a_reference_to_itself_is_refused():
    flow = Flow(title="a")
    flow.save("flow")
    with pytest.raises(ReferenceCycle, match="flow"):
        flow.model_copy(update={"any": flow}).save("flow")


def test_a_circle_through_others_is_refused():
    first = Flow(title="first")
    first.save("first")
    second = Flow(any=first)
    second.save("second")
    with pytest.raises(ReferenceCycle, match="first -> second -> first"):
        first.model_copy(update={"any": second}).save("first")


def test_a_reference_to_a_deleted_document_names_the_fix(login):
    Flow(login=login).save("flow")
    Login.delete("login", force=True)
    with pytest.raises(ReferenceNotFound, match="no longer exists"):
        Flow.load("flow")
    Flow(login=Login(user="new")).save("flow", overwrite=True)
    assert Flow.load("flow").login.user == "new"


def test_a_block_of_another_registry_is_not_taken_for_a_reference_of_this_one(login):
    with pytest.raises(ReferenceNotFound):
        Flow(login=login).save("flow", registry=MemoryRegistry())


def test_a_changed_copy_in_a_field_is_inline(registry, login):
    Flow(login=login.model_copy(update={"user": "changed"})).save("flow")
    assert written(registry, "flow")["login"]["user"] == "changed"
