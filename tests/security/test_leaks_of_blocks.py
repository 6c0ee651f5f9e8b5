"""No text that a block can be turned into, and no error about one, shows a secret."""

import copy
import inspect
import io
import json
import logging
import pprint
import warnings
from base64 import b64encode
from collections import OrderedDict
from dataclasses import dataclass
from types import TracebackType
from typing import Annotated, Any, Literal

import pytest
import rich.console
import rich.pretty
import rich.traceback
from pydantic import (
    AliasChoices,
    BaseModel,
    Field,
    PrivateAttr,
    Secret,
    SecretBytes,
    SecretStr,
    field_validator,
    model_validator,
)

from typecase.blocks import Block, BlockType, field
from typecase.blocks.errors import InvalidBlock, KindMismatch, TypecaseError
from typecase.blocks.kinds import Credentials, Database
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.schema import definition_of
from typecase.blocks.testing import memory_registry

__all__ = ["memory_registry"]


class Step(BaseModel):
    token: SecretStr | None = None
    tokens: list[SecretStr] = []


@dataclass
class Pair:
    left: str
    right: SecretStr


class Left(BaseModel):
    kind: Literal["left"]
    token: SecretStr


class Right(BaseModel):
    kind: Literal["right"]
    token: SecretStr


class Key(Credentials):
    __block__ = BlockType(slug="leaks-key")

    value: SecretStr

    def client(self):
        return None


class Everywhere(Block):
    """Secrets in every container and of every type."""

    __block__ = BlockType(slug="leaks-everywhere")

    text: SecretStr
    raw: SecretBytes
    number: Secret[int] = Secret(1)
    table: Secret[dict[str, list[str]]]
    optional: SecretStr | None = None
    either: int | SecretStr = 1
    in_list: list[SecretStr] = []
    in_set: frozenset[SecretStr] = frozenset()
    in_tuple: tuple[str, SecretStr] | None = None
    in_dict: dict[str, SecretStr] = {}
    deep: dict[str, list[dict[str, SecretStr | None]]] = {}
    step: Step | None = None
    steps: list[Step] = []
    pair: Pair | None = None
    tagged: Annotated[Left | Right, Field(discriminator="kind")] | None = None
    key: Key | None = None
    many: list[Credentials] = []
    _cached: SecretStr | None = PrivateAttr(default=None)


@pytest.fixture
def values(canary):
    """Arguments with the canary in every place."""
    return {
        "text": canary,
        "raw": canary.encode(),
        "table": {"a": [canary]},
        "optional": canary,
        "either": canary,
        "in_list": [canary],
        "in_set": [canary],
        "in_tuple": ["a", canary],
        "in_dict": {"a": canary},
        "deep": {"a": [{"b": canary}]},
        "step": {"token": canary, "tokens": [canary]},
        "steps": [{"token": canary}],
        "pair": {"left": "a", "right": canary},
        "tagged": {"kind": "right", "token": canary},
        "key": {"value": canary},
        "many": [Key(value=canary)],
    }


@pytest.fixture
def block(values, canary):
    made = Everywhere(**values)
    made._cached = SecretStr(canary)
    return made


def printed(show):
    """What `show(console)` writes."""
    out = io.StringIO()
    show(rich.console.Console(file=out, width=200, color_system=None))
    return out.getvalue()


def in_log(block):
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    logger = logging.getLogger("leaks")
    logger.addHandler(handler)
    try:
        logger.warning("%s %r %s", block, block, {"a": [block]})
    finally:
        logger.removeHandler(handler)
    return out.getvalue()


TEXTS = {
    "repr": repr,
    "str": str,
    "f-string": lambda block: f"{block} {block!r} {block!s} {[block]} {block.text} {block.raw!r} {block.table}",
    "format": "{0} {0.text} {0.table!r}".format,
    "percent": lambda block: "%s %r" % (block, block),  # noqa: UP031  it is what is tested
    "vars": lambda block: repr(vars(block)),
    "dict": lambda block: repr(block.__dict__) + repr(dict(block)),
    "getstate": lambda block: repr(block.__getstate__()),
    "members": lambda block: repr([(name, value) for name, value in inspect.getmembers_static(block)]),
    "pprint": lambda block: pprint.pformat(block) + pprint.pformat(vars(block)),
    "rich print": lambda block: printed(lambda console: console.print(block, {"a": [block]}, repr(block))),
    "rich pretty": lambda block: rich.pretty.pretty_repr(block, expand_all=True),
    "rich inspect": lambda block: printed(lambda console: rich.inspect(block, console=console, all=True)),
    "logging": in_log,
    "model_dump": lambda block: repr(block.model_dump()),
    "model_dump json": lambda block: json.dumps(block.model_dump(mode="json")),
    "model_dump_json": lambda block: block.model_dump_json(indent=1),
    "copy": lambda block: repr(vars(copy.copy(block))),
    "deepcopy": lambda block: repr(vars(copy.deepcopy(block))),
    "model_copy": lambda block: repr(vars(block.model_copy(update={"optional": None}, deep=True))),
    "rich_repr": lambda block: repr(list(block.__rich_repr__())),
    "repr_args": lambda block: repr(list(block.__repr_args__())),
    "fields": lambda block: repr(type(block).model_fields) + repr(inspect.signature(type(block))),
}


@pytest.mark.parametrize("form", TEXTS)
def test_no_text_shows_a_secret(form, block, assert_no_canary):
    assert assert_no_canary(TEXTS[form](block)) > 20


@pytest.mark.parametrize("form", TEXTS)
def test_no_text_of_a_loaded_block_shows_a_secret(form, block, memory_registry, assert_no_canary):
    block.save("mine")
    assert assert_no_canary(TEXTS[form](Everywhere.load("mine"))) > 20


def test_what_a_registry_shows_holds_no_secret(block, memory_registry, assert_no_canary):
    block.save("mine", tags=("a",))
    block.model_copy(update={"number": Secret(2)}).save("mine")
    documents = memory_registry.documents
    assert_no_canary(repr(documents.get("mine", workspace="default")))
    assert_no_canary(repr(documents.diff("mine", workspace="default", before=1, after=2)))
    assert_no_canary(repr(memory_registry.load("mine", workspace="default")))
    assert_no_canary(repr(memory_registry._state))


def test_schemas_and_forms_hold_no_secret_default(canary, assert_no_canary):
    class Defaulted(Block):
        __block__ = BlockType(slug="leaks-defaulted")
        plain: SecretStr = canary
        wrapped: SecretStr = SecretStr(canary)
        nested: list[Step] = field(default=[Step(token=canary)])
        optional: SecretStr | None = canary
        listed: list[SecretStr] = [canary]

    assert_no_canary(repr(definition_of(Defaulted)), json.dumps(definition_of(Defaulted).form))
    assert_no_canary(repr(Defaulted()), Defaulted().model_dump_json())


def test_serializing_warns_of_nothing(block, memory_registry):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        block.model_dump_json()
        block.save("mine")


# Errors


def elsewhere(step):
    """A traceback without the frames of this file, whose variables hold the canary by design."""
    if step is None:
        return None
    following = elsewhere(step.tb_next)
    if step.tb_frame.f_code.co_filename == __file__:
        return following
    return TracebackType(following, step.tb_frame, step.tb_lasti, step.tb_lineno)


def told(error):
    """Everything that an error can be made to show: text, attributes, chain, and its traceback with local variables."""
    texts = []
    link = error
    while link is not None:
        texts.append(repr(link) + str(link) + repr(vars(link)))
        link.__traceback__ = elsewhere(link.__traceback__)
        link = link.__cause__ or link.__context__
    shown = rich.traceback.Traceback.from_exception(
        type(error), error, error.__traceback__, show_locals=True, locals_max_string=None, locals_max_length=None
    )
    return "\n".join([*texts, printed(lambda console: console.print(shown))])


def refusal(act):
    """The error of `act`."""
    try:
        act()
    except Exception as error:
        return error
    raise AssertionError("nothing was refused")


class Repeating(Block):
    """Validators that repeat what they were given, in several encodings."""

    __block__ = BlockType(slug="leaks-repeating")

    password: SecretStr | None = None
    nested: Step | None = None
    listed: list[SecretStr] = []
    aliased: SecretStr | None = Field(None, validation_alias=AliasChoices("pw", "pass"))
    host: str = ""
    port: int = 1
    how: str = "plain"

    @field_validator("password", "aliased")
    @classmethod
    def check(cls, value, info):
        if value is not None:
            raise ValueError(f"bad password {value.get_secret_value()}")
        return value

    @model_validator(mode="after")
    def together(self):
        for secret in [*self.listed, *([self.nested.token] if self.nested else [])]:
            text = secret.get_secret_value()
            forms = {
                "plain": text,
                "repr": repr(text),
                "json": json.dumps(text),
                "base64": b64encode(text.encode()).decode(),
                "dump": repr({"listed": [text]}),
                "part of text": f"x{text}x",
            }
            raise ValueError(f"not accepted: {forms[self.how]}")
        return self


HOWS = ["plain", "repr", "json", "base64", "dump", "part of text"]


def test_an_error_of_construction_shows_no_secret(values, assert_no_canary):
    error = refusal(lambda: Everywhere(**{**values, "either": [], "nothing": values["text"]}))
    assert isinstance(error, InvalidBlock)
    assert_no_canary(told(error))


def test_a_secret_in_a_wrong_place_is_not_shown(values, assert_no_canary):
    wrong = {"text": 5, "raw": [values["text"]], "table": values["text"], "number": values["text"]}
    wrong |= {"in_list": values["text"], "deep": {"a": values["text"]}, "step": values["text"], "key": values["text"]}
    error = refusal(lambda: Everywhere(**wrong))
    assert {problem[0] for problem in error.problems} >= {"number", "in_list", "step", "key"}
    assert_no_canary(told(error))


def test_model_validate_shows_no_secret(values, assert_no_canary):
    assert_no_canary(told(refusal(lambda: Everywhere.model_validate({**values, "number": "x"}))))
    assert_no_canary(told(refusal(lambda: Everywhere.model_validate(values["text"]))))
    assert_no_canary(told(refusal(lambda: Everywhere.model_validate([values]))))


def test_model_validate_json_shows_no_secret(values, assert_no_canary):
    text = {"text": values["text"], "number": "x"}
    assert_no_canary(told(refusal(lambda: Everywhere.model_validate_json(json.dumps(text)))))
    assert_no_canary(told(refusal(lambda: Everywhere.model_validate_json(json.dumps(text)[:-3]))))
    assert_no_canary(told(refusal(lambda: Everywhere.model_validate_json(values["raw"]))))


@pytest.mark.parametrize("how", HOWS)
def test_a_validator_that_repeats_the_value_is_cleaned(how, values, assert_no_canary):
    error = refusal(lambda: Repeating(listed=[values["text"]], how=how))
    assert "not accepted" in str(error)
    assert_no_canary(told(error))
    assert_no_canary(told(refusal(lambda: Repeating(nested={"token": values["text"]}, how=how))))
    assert_no_canary(told(refusal(lambda: Repeating.model_validate({"listed": [SecretStr(values["text"])]}))))
    assert_no_canary(told(refusal(lambda: Repeating(password=values["text"]))))
    assert_no_canary(told(refusal(lambda: Repeating(pw=values["text"]))))
    assert_no_canary(told(refusal(lambda: Repeating.model_validate_json(json.dumps({"pass": values["text"]})))))


def test_a_misspelt_secret_is_not_shown(values, assert_no_canary):
    class Strict(Block):
        __block__ = BlockType(slug="leaks-strict")
        password: SecretStr | None = None

        @model_validator(mode="before")
        @classmethod
        def refuse(cls, given):
            raise ValueError(f"cannot use {given}")

    error = refusal(lambda: Strict(pasword=values["text"]))
    assert "cannot use" in str(error)
    assert_no_canary(told(error))


def test_a_very_short_secret_hides_the_whole_sentence():
    error = refusal(lambda: Repeating(password="xyz"))
    assert "xyz" not in told(error)
    assert "repeats a secret" in str(error)


def test_what_is_not_secret_is_still_explained(values, assert_no_canary):
    class Limited(Block):
        __block__ = BlockType(slug="leaks-limited")
        password: SecretStr
        port: int = field(1, le=65535)

    error = refusal(lambda: Limited(password=values["text"], port=70000))
    assert "less than or equal to 65535" in str(error)
    assert_no_canary(told(error))


def test_an_error_of_any_other_type_leaves_no_secret_in_the_frames(values, assert_no_canary):
    class Broken(Block):
        __block__ = BlockType(slug="leaks-broken")
        password: SecretStr

        @model_validator(mode="before")
        @classmethod
        def fail(cls, given):
            local = dict(given)
            raise RuntimeError(f"a bug with {len(local)} values")

    for act in (
        lambda: Broken(password=values["text"]),
        lambda: Broken.model_validate({"password": values["text"]}),
        lambda: Broken.model_validate_json(json.dumps({"password": values["text"]})),
    ):
        error = refusal(act)
        assert type(error) is RuntimeError
        assert_no_canary(told(error))


def test_a_change_that_is_refused_shows_no_secret(block, values, assert_no_canary):
    assert_no_canary(told(refusal(lambda: setattr(block, "text", values["text"]))))
    assert_no_canary(told(refusal(lambda: block.model_copy(update={"number": values["text"]}))))


def test_an_inline_block_of_the_wrong_kind_shows_no_secret(values, assert_no_canary):
    inline = {"$type": "leaks-key", "value": values["text"]}
    error = refusal(lambda: Everywhere(**{**values, "key": {"$type": "secret", "value": values["text"]}}))
    assert isinstance(error, InvalidBlock)
    assert_no_canary(told(error))
    assert_no_canary(told(refusal(lambda: Everywhere(**{**values, "many": [inline, inline, 5]}))))


# Loading and saving


def stored(registry, cls, data, name="mine"):
    from typecase.blocks.records import Draft

    number = registry.types.register(definition_of(cls)).number
    slug = cls.__block__.slug
    draft = Draft(name=name, workspace="default", type_slug=slug, schema_version=number, data=data)
    registry.documents.save(draft)


def test_a_document_that_does_not_fit_shows_no_secret(memory_registry, values, assert_no_canary):
    stored(memory_registry, Repeating, {"listed": [values["text"]], "how": "repr"})
    error = refusal(lambda: Block.load("mine"))
    assert isinstance(error, InvalidBlock)
    assert_no_canary(told(error))


@pytest.mark.parametrize("wrong", ["wrong type", "wrong kind", "not there", "wrong slug"])
def test_a_load_that_fails_shows_no_secret(wrong, memory_registry, block, assert_no_canary):
    block.save("mine")
    acts = {
        "wrong type": lambda: Key.load("mine"),
        "wrong kind": lambda: Database.load("mine"),
        "not there": lambda: Block.load("mime"),
        "wrong slug": lambda: Block.load("leaks-key/mine"),
    }
    error = refusal(acts[wrong])
    assert isinstance(error, KindMismatch | LookupError)
    assert_no_canary(told(error))


def test_a_load_that_meets_a_bug_leaves_no_secret_in_the_frames(memory_registry, values, assert_no_canary):
    class Buggy(Block):
        __block__ = BlockType(slug="leaks-buggy")
        password: SecretStr

        @model_validator(mode="after")
        def fail(self, info):
            if info.context is not None:
                raise RuntimeError("a bug")
            return self

    Buggy(password=values["text"]).save("mine")
    error = refusal(lambda: Buggy.load("mine"))
    assert str(error) == "a bug"
    assert "_build" in told(error), "the frames themselves stay"
    assert_no_canary(told(error))


def test_a_save_that_fails_shows_no_secret(memory_registry, block, assert_no_canary):
    block.save("mine")
    for act in (
        lambda: block.model_copy(update={"number": Secret(3)}).save("mine", expected_revision=7),
        lambda: copy.deepcopy(Everywhere(**dict(block))).save("mine"),
        lambda: block.save("bad name"),
        lambda: block.save("other", workspace="nowhere"),
    ):
        error = refusal(act)
        assert isinstance(error, TypecaseError)
        assert_no_canary(told(error))


def test_a_value_without_a_json_form_shows_no_secret(memory_registry, values, assert_no_canary):
    class Odd(Block):
        __block__ = BlockType(slug="leaks-odd")
        secret: Secret[Any]

    odd = Odd(secret=[values["text"], object()])
    error = refusal(lambda: odd.save("mine"))
    assert isinstance(error, InvalidBlock)
    assert_no_canary(told(error))


def test_a_registry_that_fails_leaves_no_secret_in_the_frames(block, assert_no_canary, monkeypatch):
    registry = MemoryRegistry()

    def fail(*arguments, **options):
        held = arguments
        raise OSError(f"the disk is full after {len(held)}")

    monkeypatch.setattr("typecase.blocks.memory.documents.validate_document", fail)
    error = refusal(lambda: block.save("mine", registry=registry))
    assert "MemoryDocuments" in told(error) or "documents.py" in told(error), "the frames themselves stay"
    assert_no_canary(told(error))


def test_what_a_caller_was_handling_keeps_its_variables():
    def outer():
        mine = "kept"
        raise KeyError(len(mine))

    try:
        outer()
    except KeyError as error:
        first, second = error, refusal(lambda: Everywhere(text=1))
    assert second.__context__ is first
    assert first.__traceback__.tb_next.tb_frame.f_locals["mine"] == "kept"


async def test_the_async_twins_leave_no_secret_in_the_frames(memory_registry, block, assert_no_canary):
    await block.asave("mine")
    try:
        await Everywhere(**dict(block)).asave("mine")
    except TypecaseError as error:
        assert_no_canary(told(error))
    else:
        raise AssertionError("nothing was refused")


def test_a_dictionary_of_a_block_keeps_its_secrets_covered(block, assert_no_canary):
    assert_no_canary(repr(OrderedDict(block)), repr(block.model_dump(exclude_unset=True)))
