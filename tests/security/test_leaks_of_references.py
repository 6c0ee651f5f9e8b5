"""What was fetched from a secret store shows nowhere: in no text, log, error, traceback, pickle, copy or file."""

import copy
import inspect
import io
import json
import logging
import os
import pickle
import pprint
import subprocess
import sys
import traceback

import cloudpickle
import pytest
import rich.console
import rich.pretty
from fakes.memory_vault import SHELVES, MemoryVault, shelf
from pydantic import BaseModel, Secret, SecretBytes, SecretStr, field_validator, model_validator

from typecase.blocks import Block, BlockType, Credentials, secret, use_registry
from typecase.blocks.errors import (
    AuthenticationFailed,
    DocumentExists,
    InvalidSecretKey,
    SecretError,
    SecretExpired,
    SecretForbidden,
    SecretMalformed,
    SecretNotFound,
    SecretStoreUnreachable,
    TypecaseError,
    UnresolvedReference,
    UnsavedSecrets,
)
from typecase.blocks.kinds import SecretValue
from typecase.blocks.redaction import RedactingFormatter
from typecase.blocks.sanitizing import forgetful
from typecase.blocks.schema import definition_of
from typecase.blocks.secrets.cache import CACHE
from typecase.blocks.testing import memory_registry
from typecase.registry.embedded import EmbeddedRegistry

__all__ = ["memory_registry"]


LONG = 8


class Step(BaseModel):
    name: str = ""
    token: SecretStr | None = None


class Account(Credentials):
    """Secrets of every type, each from a store."""

    __block__ = BlockType(slug="fetched-account")

    user: str = "ada"
    password: SecretStr | None = None
    raw: SecretBytes | None = None
    table: Secret[dict[str, str]] | None = None
    named: dict[str, SecretStr] = {}
    step: Step | None = None
    steps: list[Step] = []
    inner: "Account | None" = None

    def client(self):
        return self.user


class Refusing(Block):
    """Validators that repeat what they refuse."""

    __block__ = BlockType(slug="fetched-refusing")

    note: str = ""
    host: str = ""
    port: int = 1
    number: Secret[int] | None = None
    password: SecretStr | None = None
    checked: SecretStr | None = None
    step: Step | None = None

    @field_validator("host")
    @classmethod
    def refuse_host(cls, value):
        if len(value) > LONG:
            raise ValueError(f"{value} is no host")
        return value

    @field_validator("checked")
    @classmethod
    def refuse_checked(cls, value):
        if value is not None and len(value) > LONG:
            raise ValueError(f"{value.get_secret_value()} is too long")
        return value

    @model_validator(mode="after")
    def refuse_all(self):
        if self.password is not None and len(self.password) > LONG:
            raise ValueError(f"not accepted: {self.password.get_secret_value()!r}")
        return self


@pytest.fixture
def vault(memory_registry, canary):
    SHELVES.clear()
    CACHE.clear()
    MemoryVault().save("vault")
    held = shelf()
    held.secrets = {
        "text": canary,
        "raw": canary.encode(),
        "json": json.dumps({"name": "n", "token": canary, "password": canary, "user": "eve"}),
        "table": json.dumps({"a": canary}),
    }
    yield held
    CACHE.clear()


def account():
    return Account(
        password=secret("vault", "text"),
        raw=secret("vault", "raw"),
        table=secret("vault", "table"),
        named={"a": secret("vault", "json", field="token")},
        step=secret("vault", "json"),
        steps=[Step(token=secret("vault", "text"))],
        inner=Account(password=secret("vault", "text")),
    )


@pytest.fixture
def fetched(vault, canary):
    """A block that has fetched all that it refers to."""
    account().save("mine")
    loaded = Account.load("mine", resolve="eager")
    for held in (loaded.password, loaded.named["a"], loaded.step.token, loaded.steps[0].token, loaded.inner.password):
        assert held.get_secret_value() == canary
    assert loaded.raw.get_secret_value() == canary.encode()
    assert loaded.table.get_secret_value() == {"a": canary}
    return loaded


def told(error):
    """Everything that an error can be made to show: its text, its facts, its chain, the variables of its frames.

    The frames of this file are left out: what a test, or a store, has in its own hands is its own affair.
    """
    texts = []
    link = error
    while link is not None:
        texts.append(f"{link!r} {link} {vars(link)!r} {getattr(link, '__notes__', ())}")
        link = link.__cause__ or link.__context__
    pending = [traceback.TracebackException.from_exception(error, capture_locals=True)]
    while pending:
        shown = pending.pop()
        if shown is not None:
            pending += [shown.__cause__, shown.__context__, *(shown.exceptions or ())]
            shown.stack[:] = [frame for frame in shown.stack if frame.filename != __file__]
            texts += shown.format(chain=False)
    return "\n".join(texts)


def refusal(act):
    """The error of `act`."""
    try:
        act()
    except BaseException as error:
        return error
    raise AssertionError("nothing was refused")


# Texts


def printed(*things):
    out = io.StringIO()
    rich.console.Console(file=out, width=200, color_system=None).print(*things)
    return out.getvalue()


TEXTS = {
    "repr": repr,
    "str": str,
    "format": lambda block: f"{block} {block!r} {[block]} {block.password} {block.raw!r} {block.table} {block.step}",
    "vars": lambda block: repr(vars(block)),
    "dict": lambda block: repr(dict(block)),
    "getstate": lambda block: repr(block.__getstate__()),
    "members": lambda block: repr(inspect.getmembers_static(block)),
    "slots": lambda block: repr([getattr(block, name, None) for name in Block.__slots__]),
    "pprint": pprint.pformat,
    "rich": lambda block: printed(block, {"a": [block]}) + rich.pretty.pretty_repr(block, expand_all=True),
    "model_dump": lambda block: repr(block.model_dump()),
    "model_dump json": lambda block: repr(block.model_dump(mode="json")),
    "model_dump_json": lambda block: block.model_dump_json(),
    "inner dump": lambda block: block.step.model_dump_json() + block.inner.model_dump_json(),
    "schema": lambda block: repr(type(block).model_fields) + json.dumps(type(block).model_json_schema()),
    "placeholder": lambda block: f"{block.password!r} {block.password} {vars(block.inner)!r}",
}
COPIES = {
    "itself": lambda block: block,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "model_copy": lambda block: block.model_copy(update={"user": "bob"}, deep=True),
    "refreshed": lambda block: block.refreshed(),
    "loaded again": lambda block: Account.load("mine", resolve="eager"),
}


@pytest.mark.parametrize("form", TEXTS)
@pytest.mark.parametrize("made", COPIES)
def test_no_text_of_a_block_shows_what_it_fetched(form, made, fetched, assert_no_canary):
    assert assert_no_canary(TEXTS[form](COPIES[made](fetched))) > 20


def test_the_cache_shows_nothing_of_what_it_keeps(fetched, assert_no_canary):
    assert "4 kept" in repr(CACHE)
    assert assert_no_canary(f"{CACHE!r} {CACHE} {vars(CACHE)}", repr(list(CACHE._entries.values()))) > 20


def test_a_value_of_a_store_shows_nothing(canary, assert_no_canary):
    value = SecretValue(canary, version="3")
    assert_no_canary(f"{value!r} {value} {[value]} {vars(value).keys()} {value.text()!r}", printed(value))


def test_the_registry_is_never_told(fetched, memory_registry, assert_no_canary):
    fetched.save("mine")
    fetched.model_copy(update={"user": "bob"}).save("mine")
    fetched.save("copy")
    documents = memory_registry.documents
    for name in ("mine", "copy"):
        tree = memory_registry.load(name, workspace="default")
        assert_no_canary(tree.root.data, *(stored.data for stored in tree.referenced.values()))
        assert_no_canary(repr(documents.get(name, workspace="default")))
    assert_no_canary(repr(documents.diff("mine", workspace="default", before=1, after=3)))


# Logs


@pytest.fixture
def log():
    """All that every logger writes from DEBUG on, in clear."""
    out, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(out), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield out
    root.removeHandler(handler)
    root.setLevel(level)


def test_no_logger_is_told_what_was_fetched(log, vault, canary, assert_no_canary):
    account().save("mine")
    loaded = Account.load("mine", resolve="eager")
    loaded.password.get_secret_value()
    loaded.refreshed()
    Account(password=canary).save("moved", secrets_to="vault")
    vault.secrets["text"] = b"\xff"
    CACHE.clear()
    error = refusal(loaded.password.get_secret_value)
    logging.getLogger("flow").debug("%s %r %s", loaded, [loaded], loaded.password, exc_info=error)
    assert "SecretMalformed" in log.getvalue()
    assert_no_canary(log.getvalue())


@pytest.fixture
def covered(log):
    """What a logger writes through the formatter that covers secrets."""
    handler = logging.getLogger().handlers[-1]
    handler.setFormatter(RedactingFormatter())
    return lambda text: logging.getLogger("flow").warning("using %s", text) or log.getvalue()


PLACES = {
    "a secret": lambda block: block.password.get_secret_value(),
    "bytes": lambda block: block.raw.get_secret_value().decode(),
    "a structure": lambda block: block.table.get_secret_value()["a"],
    "in a dict": lambda block: block.named["a"].get_secret_value(),
    "in a whole model": lambda block: block.step.token.get_secret_value(),
    "in a block inside": lambda block: block.inner.password.get_secret_value(),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("made", COPIES)
def test_what_a_flow_logs_in_clear_is_covered(place, made, fetched, covered, assert_no_canary):
    text = covered(PLACES[place](COPIES[made](fetched)))
    assert "using **********" in text
    assert_no_canary(text)


@pytest.mark.parametrize("reference", [{"step": "json"}, {"password": "text"}, {"table": "table"}], ids=str)
@pytest.mark.parametrize("again", ["refreshed", "loaded again"])
def test_so_are_the_old_and_the_new_one_of_a_secret_that_rotated(reference, again, vault, canary, covered):
    ((field, key),) = reference.items()
    take = {
        "step": lambda block: block.step.token.get_secret_value(),
        "password": lambda block: block.password.get_secret_value(),
        "table": lambda block: block.table.get_secret_value()["a"],
    }[field]
    Account(**{field: secret("vault", key)}).save("mine")
    block = Account.load("mine")
    before = take(block)
    vault.secrets[key] = vault.secrets[key].replace("canary-", "rotated-")
    CACHE.clear()
    after = take(COPIES[again](block))
    assert (before, after) == (canary, canary.replace("canary-", "rotated-"))
    covered(after)
    assert covered(before) == "using **********\n" * 2


# Errors


KINDS = [
    SecretNotFound("Nothing there.", hint="Name another.", reason="absent"),
    SecretForbidden("Not for you.", hint="Ask."),
    SecretStoreUnreachable("No answer.", hint="Wait.", reason="timeout"),
    SecretExpired("It ended.", hint="Renew it."),
    SecretMalformed("Odd.", hint="Correct it."),
    InvalidSecretKey("No such key.", hint="Write another."),
    AuthenticationFailed("Who are you?", hint="Sign in."),
    SecretError("It failed.", hint="Look."),
    RuntimeError("to be replaced"),
]


def failing(vault, error, canary):
    """Let reads raise `error`, caused by one that shows what was being read."""

    def on_read(key, _vault):
        if key == "text":
            answer = {"secret": canary}
            fault = RuntimeError(f"cannot read {answer}") if type(error) is RuntimeError else copy.copy(error)
            raise fault from ValueError(f"unexpected {canary}")

    vault.on_read = on_read


ASKING = {
    "a secret": lambda: str(Account.load("mine").password.get_secret_value()),
    "all": lambda: Account.load("mine", resolve="eager"),
    "a plain field": lambda: Account.load("plain"),
    "a plain field anew": lambda: Account(user=secret("vault", "text")).refreshed(),
    "a plain field of an inner block": lambda: Account.load("around"),
}


@pytest.mark.parametrize("asking", ASKING)
@pytest.mark.parametrize("error", KINDS, ids=lambda error: type(error).__name__)
def test_no_error_of_a_store_shows_what_it_was_about(error, asking, vault, canary, assert_no_canary):
    account().save("mine")
    Account(user=secret("vault", "text")).save("plain")
    Account(inner=Account(user=secret("vault", "text"))).save("around")
    failing(vault, error, canary)
    raised = refusal(ASKING[asking])
    assert isinstance(raised, SecretError | AuthenticationFailed)
    assert_no_canary(told(raised))
    again = pickle.loads(pickle.dumps(raised))
    assert (type(again), str(again), vars(again)) == (type(raised), str(raised), vars(raised))


@pytest.mark.parametrize("field", ["host", "port", "number", "password", "checked", "step"])
@pytest.mark.parametrize("resolve", ["lazy", "eager"])
def test_a_class_that_refuses_what_was_fetched_shows_nothing_of_it(
    field, resolve, vault, memory_registry, canary, assert_no_canary
):
    Refusing(**{field: secret("vault", "text")}).save("mine")
    error = refusal(lambda: getattr(Refusing.load("mine", resolve=resolve), field).get_secret_value())
    assert isinstance(error, TypecaseError)
    assert_no_canary(told(error), pickle.dumps(error))


@pytest.mark.parametrize("field", ["host", "port", "number", "password", "checked", "step"])
def test_a_class_that_refuses_a_whole_secret_shows_nothing_of_it(field, vault, canary, assert_no_canary):
    vault.secrets["whole"] = json.dumps({field: canary, "note": canary})
    Refusing.model_validate({"$secret": "vault/whole"}).save("mine")
    error = refusal(lambda: Refusing.load("mine"))
    assert isinstance(error, TypecaseError)
    assert_no_canary(told(error), pickle.dumps(error))


@pytest.mark.parametrize("content", ["[{}", '["{}"]', '"{}"', "{}", '{{"token": "{}"'])
@pytest.mark.parametrize("field", ["token", None])
def test_a_secret_that_is_no_such_json_is_not_quoted(content, field, vault, canary, assert_no_canary):
    vault.secrets["json"] = content.format(canary)
    account = {"step": secret("vault", "json")} if field is None else {"password": secret("vault", "json", field=field)}
    Account(**account).save("mine")
    error = refusal(lambda: Account.load("mine", resolve="eager"))
    assert isinstance(error, SecretMalformed)
    assert_no_canary(told(error), pickle.dumps(error))


def test_a_very_short_one_hides_the_whole_sentence(vault):
    class Short(Block):
        __block__ = BlockType(slug="fetched-short")
        password: SecretStr

        @model_validator(mode="after")
        def refuse(self):
            raise ValueError(f"{self.password.get_secret_value()} is short")

    vault.secrets["text"] = "zq"
    Short(password=secret("vault", "text")).save("mine")
    error = refusal(lambda: Short.load("mine"))
    assert "repeats a secret" in str(error)
    assert "zq" not in told(error)


def test_a_reference_as_a_default_is_not_fetched_for_the_schema(vault, canary, assert_no_canary):
    class Defaulted(Block):
        __block__ = BlockType(slug="fetched-defaulted")
        password: SecretStr = secret("vault", "text")
        step: Step = Step(token=secret("vault", "text"))

    definition = definition_of(Defaulted)
    Defaulted().save("mine")
    assert vault.reads == []
    assert_no_canary(repr(definition), json.dumps(definition.form))
    assert Defaulted.load("mine").password.get_secret_value() == canary


async def test_the_async_twins_show_nothing(fetched, vault, canary, assert_no_canary):
    failing(vault, SecretForbidden("Not for you.", hint="Ask."), canary)
    CACHE.clear()
    with pytest.raises(SecretForbidden) as raised:
        await Account.aload("mine", resolve="eager")
    assert_no_canary(told(raised.value))
    vault.on_put = lambda *_: failing(vault, RuntimeError(), canary) or vault.on_read("text", None)
    with pytest.raises(SecretError) as raised:
        await Account(password=canary).asave("other", secrets_to="vault")
    assert_no_canary(told(raised.value))


def outcome(act):
    """What `act` gives or raises, as text."""
    try:
        return repr(act())
    except TypecaseError as error:
        return told(error)


REFRESHING = {
    "refreshed": lambda block: block.refreshed(),
    "model_copy": lambda block: block.model_copy(update={"note": "x"}),
    "loaded again": lambda block: Refusing.load("mine", resolve="eager"),
    "saved": lambda block: block.model_copy(update={"note": "x"}).save("mine"),
}


@pytest.mark.parametrize("field", ["host", "port", "number", "password", "checked", "step"])
@pytest.mark.parametrize("again", REFRESHING)
def test_so_it_is_when_the_store_has_another_one_later(again, field, vault, canary, assert_no_canary):
    vault.secrets["text"] = {"host": "h", "step": '{"name": "n"}'}.get(field, "1234")
    Refusing(**{field: secret("vault", "text")}).save("mine")
    block = Refusing.load("mine", resolve="eager")
    vault.secrets["text"] = canary
    CACHE.clear()
    shown = outcome(lambda: REFRESHING[again](block))
    assert assert_no_canary(shown) > 20
    assert (again != "loaded again") or "SecretMalformed" in shown or "InvalidBlock" in shown


def test_a_block_that_is_only_built_says_so_and_shows_nothing(fetched, assert_no_canary):
    built = Account(user=secret("vault", "text"), inner=fetched, steps=fetched.steps)
    error = refusal(lambda: str(built.user))
    assert isinstance(error, UnresolvedReference)
    assert_no_canary(told(error), repr(built))


def test_a_change_that_is_refused_shows_nothing_of_the_others(fetched, assert_no_canary):
    assert_no_canary(told(refusal(lambda: fetched.model_copy(update={"named": 5}))))
    assert_no_canary(told(refusal(lambda: setattr(fetched, "user", "bob"))))


def test_a_refused_save_into_a_store_shows_nothing(vault, canary, assert_no_canary):
    Account().save("mine")
    for act in (
        lambda: Account(password=canary).save("mine", secrets_to="vault"),
        lambda: Account(password=canary).save("other", secrets_to="nowhere"),
    ):
        error = refusal(act)
        assert isinstance(error, TypecaseError)
        assert_no_canary(told(error))
    assert isinstance(refusal(lambda: Account(password=canary).save("mine", secrets_to="vault")), DocumentExists)


@pytest.mark.parametrize("error", [*KINDS, KeyboardInterrupt()], ids=lambda error: type(error).__name__)
def test_a_store_that_takes_no_secret_shows_nothing_of_it(error, vault, canary, assert_no_canary):
    def on_put(_key, _when):
        if isinstance(error, Exception):
            raise copy.copy(error) from ValueError(canary)
        raise error

    vault.on_put = on_put
    raised = refusal(lambda: Account(password=canary).save("mine", secrets_to="vault"))
    assert type(raised) is (SecretError if type(error) is RuntimeError else type(error))
    assert_no_canary(told(raised))


# Tracebacks of functions that forget


@forgetful
def forgetting(given, *more, **options):
    local = [given, *more, options]
    raise KeyError(len(local))


def outside(error):
    """The variables in the frames of `sanitizing` and below."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [frame for frame in shown.stack if frame.filename != __file__ or frame.name == "forgetting"]
    assert {frame.name for frame in frames} == {"run", "forgetting"}
    return repr([frame.locals for frame in frames])


def test_a_function_that_forgets_leaves_neither_arguments_nor_variables(canary, assert_no_canary):
    error = refusal(lambda: forgetting(canary, canary, option=canary))
    assert_no_canary(outside(error))


def test_it_forgets_in_calls_of_calls(canary, assert_no_canary):
    outer = forgetful(lambda value: forgetting(value, option=value))
    shown = traceback.TracebackException.from_exception(refusal(lambda: outer(canary)), capture_locals=True)
    runs = [frame.locals for frame in shown.stack if frame.name == "run"]
    assert len(runs) == 2
    assert_no_canary(repr(runs))


# Pickles


PICKLERS = [lambda value, n=n: pickle.dumps(value, n) for n in range(pickle.HIGHEST_PROTOCOL + 1)] + [cloudpickle.dumps]


@pytest.mark.parametrize("dumps", PICKLERS)
def test_no_pickle_carries_what_was_fetched(dumps, fetched, canary, assert_no_canary):
    sent = [
        dumps(fetched),
        dumps({"a": [fetched, fetched.password]}),
        dumps(fetched.inner.password),
        dumps(fetched.raw),
    ]
    assert_no_canary(*sent)
    assert pickle.loads(sent[0]).password.get_secret_value() == canary


@pytest.mark.parametrize("dumps", PICKLERS)
def test_an_unsaved_block_carries_its_references_alone(dumps, vault, canary, assert_no_canary):
    built = Account(password=secret("vault", "text"), raw=secret("vault", "raw"))
    assert built.password.get_secret_value() == canary
    assert_no_canary(dumps(built))
    assert pickle.loads(dumps(built)).password.get_secret_value() == canary


def test_fetched_values_of_a_changed_block_do_not_travel(fetched):
    with pytest.raises(UnsavedSecrets):
        pickle.dumps(fetched.model_copy(update={"user": "bob"}))


def test_neither_the_cache_nor_a_value_of_a_store_is_pickled(fetched, canary):
    for thing in (CACHE, SecretValue(canary), list(CACHE._entries.values())):
        assert isinstance(
            refusal(lambda thing=thing: pickle.dumps(thing)), TypecaseError | TypeError | pickle.PicklingError
        )


SENDING = """
import pickle, sys, traceback
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pydantic import field_validator
from typecase.blocks import Block, BlockType, secret
from typecase.blocks.testing.samples import Drawer, Login

class Picky(Block):
    __block__ = BlockType(slug="fetched-picky")
    port: int = 1

def use(block):
    return len(block.password.get_secret_value())

def fail(block):
    held = block.password.get_secret_value()
    block.model_copy(update={"user": 5})

def refuse(name):
    return Picky.load(name)

if __name__ == "__main__":
    Drawer(folder=sys.argv[1]).save("vault")
    Login(password=secret("vault", "text")).save("mine")
    Login(password=secret("vault", "gone")).save("lost")
    Picky(port=secret("vault", "text")).save("picky")
    block = Login.load("mine", resolve="eager")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        print(pool.submit(use, block).result())
        for call in [(use, Login.load("lost")), (fail, block), (refuse, "picky")]:
            try:
                pool.submit(*call).result()
            except Exception as error:
                told = traceback.TracebackException.from_exception(error, capture_locals=True)
                print(type(error).__name__, "".join(told.format()), pickle.dumps(error))
"""


def test_errors_come_back_from_other_processes_without_values(home, tmp_path, canary, assert_no_canary):
    folder = tmp_path / "drawer"
    folder.mkdir()
    (folder / "text").write_text(canary, "utf-8")
    script = tmp_path / "script.py"
    script.write_text(SENDING)
    environment = {**os.environ, "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, script, folder], capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )
    assert done.stdout.splitlines()[0] == str(len(canary)), done.stderr
    for name in ("SecretNotFound", "InvalidBlock", "SecretMalformed"):
        assert f"\n{name} " in done.stdout
    assert_no_canary(done.stdout, done.stderr, home)


# Files


def test_the_database_and_its_journals_are_never_told(home, tmp_path, canary, assert_no_canary):
    SHELVES.clear()
    CACHE.clear()
    shelf().secrets = {"text": canary, "raw": canary.encode(), "table": json.dumps({"a": canary})}
    shelf().secrets["json"] = json.dumps({"name": "n", "token": canary, "password": canary, "user": "eve"})
    registry = EmbeddedRegistry(home / "registry.db", key=(tmp_path / "root.key").as_uri())
    registry.init()
    with use_registry(registry):
        MemoryVault().save("vault")
        account().save("mine")
        loaded = Account.load("mine", resolve="eager")
        loaded.model_copy(update={"user": "bob"}).save("mine")
        Account(password=canary, named={"a": canary}).save("moved", secrets_to="vault")
        registry.documents.restore("mine", workspace="default", revision=1)
        assert (home / "registry.db-wal").stat().st_size > 0
        assert assert_no_canary(home) > 10_000
        registry.keys.rotate(retire=True)
        registry.close()
        assert assert_no_canary(home) > 10_000
