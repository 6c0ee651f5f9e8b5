"""Secrets in memory: how long, for whom, fetched once however many ask, and gone when they should be."""

import asyncio
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from signal import alarm
from threading import Barrier, Event, Thread, get_ident

import pytest
from fakes.memory_vault import SHELVES, MemoryVault, shelf
from pydantic import SecretStr

from typecase.blocks import Block, BlockType, current_registry, secret
from typecase.blocks.errors import (
    AuthenticationFailed,
    ReferenceCycle,
    SecretError,
    SecretExpired,
    SecretForbidden,
    SecretMalformed,
    SecretNotFound,
    SecretStoreUnreachable,
)
from typecase.blocks.kinds import SecretValue
from typecase.blocks.secrets import sources
from typecase.blocks.secrets.cache import CACHE, RESPITE, Age, SecretCache
from typecase.blocks.secrets.fresh import with_fresh_secrets
from typecase.blocks.secrets.moments import one_moment
from typecase.blocks.testing import memory_registry

__all__ = ["memory_registry"]

CROWD = 500


class Account(Block):
    __block__ = BlockType(slug="cached-account")

    user: str = ""
    password: SecretStr | None = None
    number: int = 0


class KeyedVault(MemoryVault):
    """A vault that shows each account something else."""

    __block__ = BlockType(slug="keyed-vault")

    account: Account

    def read(self, key, version=None):
        return super().read(self.account.user + key, version)


class Clock:
    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds

    def now(self):
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cache(clock):
    return SecretCache(limit=3, clock=clock, now=clock.now)


class Backend:
    """Gives a new value at each call, or raises what it is told to."""

    def __init__(self):
        self.calls = 0
        self.error = None
        self.expires_at = None

    def __call__(self):
        self.calls += 1
        if self.error is not None:
            raise self.error
        return SecretValue(f"value-{self.calls}", expires_at=self.expires_at)


@pytest.fixture
def backend():
    return Backend()


def text(value):
    return value.text().get_secret_value()


class TestAge:
    def test_a_value_is_used_until_its_age_is_reached(self, cache, clock, backend):
        age = Age(10)
        assert text(cache.get("k", backend, age)) == "value-1"
        clock.seconds += 9.9
        assert text(cache.get("k", backend, age)) == "value-1"
        clock.seconds += 0.1
        assert text(cache.get("k", backend, age)) == "value-2"

    def test_with_no_age_every_call_asks(self, cache, backend):
        assert [text(cache.get("k", backend, Age(0))) for _ in range(3)] == ["value-1", "value-2", "value-3"]

    def test_the_age_counts_from_when_the_store_was_asked(self, cache, clock):
        def slow():
            clock.seconds += 8
            return SecretValue("slow")

        cache.get("k", slow, Age(10))
        clock.seconds += 2
        calls = Backend()
        cache.get("k", calls, Age(10))
        assert calls.calls == 1

    def test_a_lease_ends_the_use_before_the_age_does(self, cache, clock, backend):
        backend.expires_at = clock.now() + timedelta(seconds=5)
        cache.get("k", backend, Age(1000))
        clock.seconds += 4.9
        assert text(cache.get("k", backend, Age(1000))) == "value-1"
        clock.seconds += 0.1
        assert text(cache.get("k", backend, Age(1000))) == "value-2"

    def test_what_ended_before_it_came_is_given_once_and_not_again(self, cache, clock, backend):
        backend.expires_at = clock.now()
        assert [text(cache.get("k", backend, Age(1000))) for _ in range(2)] == ["value-1", "value-2"]


class TestStale:
    DOWN = SecretStoreUnreachable("It is down.", reason="timeout")

    def test_an_old_value_helps_while_the_store_is_down(self, cache, clock, backend):
        cache.get("k", backend, Age(10, 20))
        backend.error = self.DOWN
        clock.seconds += 29.9
        assert text(cache.get("k", backend, Age(10, 20))) == "value-1"

    def test_but_not_for_ever(self, cache, clock, backend):
        cache.get("k", backend, Age(10, 20))
        backend.error = self.DOWN
        clock.seconds += 30
        with pytest.raises(SecretStoreUnreachable):
            cache.get("k", backend, Age(10, 20))

    def test_and_not_unless_it_was_asked_for(self, cache, clock, backend):
        cache.get("k", backend, Age(10))
        backend.error = self.DOWN
        clock.seconds += 10
        with pytest.raises(SecretStoreUnreachable):
            cache.get("k", backend, Age(10))

    def test_and_not_past_the_end_of_a_lease(self, cache, clock, backend):
        backend.expires_at = clock.now() + timedelta(seconds=15)
        cache.get("k", backend, Age(10, 100))
        backend.error = self.DOWN
        clock.seconds += 15
        with pytest.raises(SecretStoreUnreachable):
            cache.get("k", backend, Age(10, 100))

    def test_a_store_that_is_down_is_not_asked_at_every_use(self, cache, clock, backend):
        cache.get("k", backend, Age(10, 100))
        backend.error = self.DOWN
        clock.seconds += 10
        for _ in range(5):
            cache.get("k", backend, Age(10, 100))
        assert backend.calls == 2
        clock.seconds += RESPITE
        cache.get("k", backend, Age(10, 100))
        assert backend.calls == 3

    def test_a_store_that_is_back_gives_the_new_value(self, cache, clock, backend):
        cache.get("k", backend, Age(10, 100))
        backend.error = self.DOWN
        clock.seconds += 10
        cache.get("k", backend, Age(10, 100))
        backend.error = None
        clock.seconds += RESPITE
        assert text(cache.get("k", backend, Age(10, 100))) == "value-3"

    @pytest.mark.parametrize(
        "error", [SecretNotFound, SecretForbidden, SecretExpired, SecretMalformed, AuthenticationFailed]
    )
    def test_an_answer_of_the_store_ends_the_use_of_the_old_value(self, cache, clock, backend, error):
        cache.get("k", backend, Age(10, 1000))
        clock.seconds += 10
        backend.error = error("No.")
        with pytest.raises(error):
            cache.get("k", backend, Age(10, 1000))
        backend.error = self.DOWN
        with pytest.raises(SecretStoreUnreachable):
            cache.get("k", backend, Age(10, 1000))


class TestFailures:
    @pytest.mark.parametrize("error", [SecretNotFound, SecretStoreUnreachable, SecretError, ValueError])
    def test_a_failure_is_kept_for_nobody(self, cache, backend, error):
        backend.error = error("No.")
        with pytest.raises(error):
            cache.get("k", backend, Age(100))
        backend.error = None
        assert text(cache.get("k", backend, Age(100))) == "value-2"

    def test_a_secret_that_needs_itself_is_an_error_and_no_standstill(self, cache):
        with pytest.raises(ReferenceCycle, match="this very secret"):
            cache.get("k", lambda: cache.get("k", Backend(), Age(1)), Age(1))
        assert text(cache.get("k", Backend(), Age(1))) == "value-1"

    def test_so_it_is_where_other_threads_do_the_work(self, cache):
        def by_another_thread():
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(copy_context().run, cache.get, "k", Backend(), Age(1)).result()

        with pytest.raises(ReferenceCycle, match="this very secret"):
            cache.get("k", by_another_thread, Age(1))

    def test_two_secrets_that_need_each_other_are_an_error_and_no_standstill(self, cache):
        both = Barrier(2)

        def ask(key, other):
            def fetch():
                both.wait(60)
                return cache.get(other, Backend(), Age(1))

            with pytest.raises(ReferenceCycle, match="this very secret"):
                cache.get(key, fetch, Age(1))

        with ThreadPoolExecutor(2) as pool:
            for run in [pool.submit(ask, "a", "b"), pool.submit(ask, "b", "a")]:
                run.result()

    def test_whatever_interrupts_a_fetch_leaves_nobody_waiting(self, cache, clock, backend, monkeypatch):
        def interrupted():
            raise KeyboardInterrupt

        monkeypatch.setattr(cache, "_clock", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cache.get("k", backend, Age(1))
        monkeypatch.setattr(cache, "_clock", clock)
        assert text(cache.get("k", backend, Age(1))) == "value-1"

    def test_a_late_answer_drops_no_newer_value(self, cache, backend):
        def forbidden():
            cache.drop("k")
            cache.get("k", backend, Age(100))
            raise SecretForbidden("No.")

        with pytest.raises(SecretForbidden):
            cache.get("k", forbidden, Age(100))
        assert text(cache.get("k", backend, Age(100))) == "value-1"


class TestMemory:
    def test_the_one_used_longest_ago_goes_first(self, cache, backend):
        for key in "abc":
            cache.get(key, backend, Age(100))
        cache.get("a", backend, Age(100))
        cache.get("d", backend, Age(100))
        calls = backend.calls
        cache.get("a", backend, Age(100))
        assert backend.calls == calls
        cache.get("b", backend, Age(100))
        assert backend.calls == calls + 1

    def test_it_holds_no_more_than_its_limit(self, cache, backend):
        for key in range(50):
            cache.get(key, backend, Age(100))
        assert repr(cache) == "<SecretCache, 3 kept>"

    def test_it_holds_no_more_than_its_bytes(self, clock):
        cache = SecretCache(most_bytes=100, clock=clock, now=clock.now)
        for key in range(10):
            cache.get(key, lambda: SecretValue("x" * 30), Age(100))
        assert repr(cache) == "<SecretCache, 3 kept>"
        for _ in range(3):
            cache.drop(9)
            cache.get(9, lambda: SecretValue("x" * 40), Age(100))
        assert repr(cache) == "<SecretCache, 3 kept>"

    def test_what_is_too_large_to_keep_is_given_and_not_kept(self, clock):
        cache = SecretCache(most_bytes=100, clock=clock, now=clock.now)
        assert text(cache.get("k", lambda: SecretValue("x" * 101), Age(100))) == "x" * 101
        assert repr(cache) == "<SecretCache, 0 kept>"

    def test_who_asks_on_a_thread_that_is_asking_does_not_wait_for_it(self, backend):
        """As a signal handler or a finalizer does."""
        interrupting = []

        def clock():
            if interrupting:
                interrupting.pop()()
            return 1000.0

        cache = SecretCache(clock=clock)
        cache.get("k", backend, Age(100))
        interrupting.append(lambda: cache.get("other", backend, Age(100)))
        assert text(cache.get("k", backend, Age(100))) == "value-1"
        assert backend.calls == 2

    def test_what_is_dropped_is_fetched_anew(self, cache, backend):
        cache.get("k", backend, Age(100))
        cache.drop("k")
        assert text(cache.get("k", backend, Age(100))) == "value-2"

    def test_only_the_value_that_was_refused_is_dropped(self, cache, backend):
        old = cache.get("k", backend, Age(100))
        cache.drop("k")
        cache.get("k", backend, Age(100))
        cache.drop("k", old)
        assert text(cache.get("k", backend, Age(100))) == "value-2"

    def test_what_is_dropped_while_it_is_fetched_is_not_kept(self, cache, backend):
        def dropped():
            cache.drop("k")
            return backend()

        assert text(cache.get("k", dropped, Age(100))) == "value-1"
        assert text(cache.get("k", backend, Age(100))) == "value-2"

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
    @pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
    def test_a_forked_child_begins_with_nothing(self, backend):
        CACHE.get(("fork",), backend, Age(100))
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.write(writer, repr(CACHE).encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writer)
        assert os.read(reader, 100) == b"<SecretCache, 0 kept>"
        os.close(reader)
        CACHE.drop(("fork",))

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
    @pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
    def test_a_child_forked_while_a_secret_is_fetched_fetches_it_itself(self, backend):
        gate = Gate()
        leader = Thread(target=CACHE.get, args=(("fork",), gate, Age(100)))
        leader.start()
        assert gate.entered.wait(60)
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            alarm(60)
            os.write(writer, text(CACHE.get(("fork",), backend, Age(100))).encode())
            os._exit(0)
        os.close(writer)
        assert os.read(reader, 100) == b"value-1"
        os.close(reader)
        os.waitpid(child, 0)
        gate.open.set()
        leader.join()
        CACHE.drop(("fork",))

    def test_a_value_is_not_pickled(self):
        with pytest.raises(Exception, match="not pickled"):
            pickle.dumps(SecretValue("x"))


class Gate:
    """A backend that answers once all who follow the first are at the door."""

    def __init__(self):
        self.calls = 0
        self.entered = Event()
        self.open = Event()
        self.outcome = lambda: SecretValue("shared")

    def __call__(self):
        self.calls += 1
        self.entered.set()
        assert self.open.wait(60)
        return self.outcome()


class TestSingleFlight:
    def crowd(self, cache, gate, number=CROWD):
        """Run `number` threads into the cache, the first of them to the gate; return what each got."""
        found = []
        waiting = Barrier(number + 1)

        def ask():
            waiting.wait()
            try:
                found.append(text(cache.get("k", gate, Age(100))))
            except BaseException as error:
                found.append(error)

        threads = [Thread(target=ask) for _ in range(number)]
        for thread in threads:
            thread.start()
        waiting.wait()
        assert gate.entered.wait(60)
        gate.open.set()
        for thread in threads:
            thread.join()
        return found

    def test_many_threads_make_one_call(self, cache):
        gate = Gate()
        assert self.crowd(cache, gate) == ["shared"] * CROWD
        assert gate.calls == 1

    def test_one_that_is_cancelled_fails_nobody_else(self, cache):
        gate, leader = Gate(), []

        def outcome():
            if not leader:
                leader.append(get_ident())
                raise KeyboardInterrupt
            return SecretValue("shared")

        gate.outcome = outcome
        found = self.crowd(cache, gate, 50)
        assert sorted(map(str, found)) == ["", *["shared"] * 49]
        assert gate.calls == 2

    def test_each_gets_an_error_of_their_own(self, cache):
        gate = Gate()

        def outcome():
            raise SecretForbidden("No.", hint="Ask.")

        gate.outcome = outcome
        found = self.crowd(cache, gate, 20)
        assert {type(error) for error in found} == {SecretForbidden}
        assert len({id(error) for error in found}) == 20


class TestLoading:
    @pytest.fixture(autouse=True)
    def vault(self, memory_registry):
        SHELVES.clear()
        CACHE.clear()
        MemoryVault().save("vault")
        held = shelf()
        held.secrets = {"user": "ada", "json": '{"user": 5}'}
        Account(user=secret("vault", "user")).save("mine")
        yield held
        CACHE.clear()

    @pytest.fixture
    def clocked(self, monkeypatch, clock):
        cache = SecretCache(clock=clock, now=clock.now)
        monkeypatch.setattr(sources, "CACHE", cache)
        return cache

    def test_a_second_load_asks_nobody(self, vault):
        for _ in range(3):
            assert Account.load("mine").user == "ada"
        assert vault.reads == [("user", None)]

    def test_the_setting_says_how_long(self, vault, clock, clocked, monkeypatch):
        monkeypatch.setenv("TYPECASE_SECRET_MAX_AGE", "20")
        Account.load("mine")
        clock.seconds += 19
        Account.load("mine")
        assert len(vault.reads) == 1
        clock.seconds += 1
        Account.load("mine")
        assert len(vault.reads) == 2

    def test_a_store_may_say_otherwise(self, vault, clock, clocked, monkeypatch):
        monkeypatch.setenv("TYPECASE_SECRET_MAX_AGE", "20")
        MemoryVault.load("vault").model_copy(update={"cache_seconds": 2, "stale_seconds": 3}).save("vault")
        Account.load("mine")
        clock.seconds += 2

        def down(*_):
            raise SecretStoreUnreachable("It is down.", reason="timeout")

        vault.on_read = down
        assert Account.load("mine").user == "ada"
        assert len(vault.reads) == 2
        clock.seconds += 3
        with pytest.raises(SecretStoreUnreachable):
            Account.load("mine")

    def test_stale_values_are_off_by_default(self, vault, clock, clocked):
        Account.load("mine")

        def down(*_):
            raise SecretStoreUnreachable("It is down.", reason="timeout")

        vault.on_read = down
        clock.seconds += 300
        with pytest.raises(SecretStoreUnreachable):
            Account.load("mine")

    def test_a_long_running_flow_sees_a_rotated_secret(self, vault, clock, clocked):
        Account(password=secret("vault", "user")).save("long")
        account = Account.load("long")
        assert account.password.get_secret_value() == "ada"
        vault.secrets["user"] = "rotated"
        assert account.password.get_secret_value() == "ada"
        clock.seconds += 300
        assert account.password.get_secret_value() == "rotated"

    def test_a_malformed_value_is_not_kept(self, vault):
        Account(number=secret("vault", "json", field="user"), user=secret("vault", "user")).save("bad")
        vault.secrets["json"] = "{not json"
        for _ in range(2):
            with pytest.raises(SecretMalformed):
                Account.load("bad")
        vault.secrets["json"] = '{"user": 6}'
        assert Account.load("bad").number == 6

    def test_an_unfit_value_is_not_kept(self, vault):
        Account(number=secret("vault", "json", field="user")).save("bad")
        vault.secrets["json"] = '{"user": [1]}'
        with pytest.raises(SecretMalformed):
            Account.load("bad")
        vault.secrets["json"] = '{"user": 6}'
        assert Account.load("bad").number == 6

    def test_workspaces_share_nothing(self, vault):
        current_registry().workspaces.create("prod")
        MemoryVault().save("vault", workspace="prod")
        Account(user=secret("vault", "user")).save("mine", workspace="prod")
        Account.load("mine")
        Account.load("mine", workspace="prod")
        assert len(vault.reads) == 2

    def test_principals_share_nothing(self, vault, monkeypatch):
        for user in ("ada", "bob", "ada"):
            monkeypatch.setenv("LOGNAME", user)
            Account.load("mine")
        assert len(vault.reads) == 2

    def test_versions_and_keys_share_nothing(self, vault):
        vault.secrets["other"] = "bob"
        vault.versions["user", "1"] = "eve"
        Account(user=secret("vault", "user", version="1")).save("first")
        Account(user=secret("vault", "other")).save("other")
        assert [Account.load(name).user for name in ("mine", "first", "other")] == ["ada", "eve", "bob"]

    def test_a_changed_store_is_another_store(self, vault):
        Account.load("mine")
        MemoryVault.load("vault").model_copy(update={"place": "elsewhere"}).save("vault")
        shelf("elsewhere").secrets["user"] = "bob"
        assert Account.load("mine").user == "bob"

    def test_a_store_whose_own_credentials_changed_is_another_store(self, vault):
        Account(user="left").save("who")
        KeyedVault(account=Account.load("who")).save("keyed")
        Account(user=secret("keyed", "-key")).save("its")
        vault.secrets.update({"left-key": "of the left", "right-key": "of the right"})
        assert Account.load("its").user == "of the left"
        Account(user="right").save("who", overwrite=True)
        assert Account.load("its").user == "of the right"

    def test_another_folder_of_files_is_another_store(self, tmp_path, monkeypatch):
        Account(user=secret("file", "user")).save("filed")
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "user").write_text(name)
            monkeypatch.setenv("TYPECASE_SECRET_FILES", str(tmp_path / name))
            assert Account.load("filed").user == name

    def test_many_threads_that_load_make_one_call(self, vault, memory_registry):
        start = Barrier(CROWD)

        def ask(_):
            start.wait()
            return Account.load("mine", registry=memory_registry).user

        with ThreadPoolExecutor(CROWD) as pool:
            assert list(pool.map(ask, range(CROWD))) == ["ada"] * CROWD
        assert vault.reads == [("user", None)]

    async def test_many_tasks_that_load_make_one_call(self, vault):
        loaded = await asyncio.gather(*(Account.aload("mine") for _ in range(CROWD)))
        assert [account.user for account in loaded] == ["ada"] * CROWD
        assert vault.reads == [("user", None)]

    async def test_a_task_that_is_cancelled_fails_no_other(self, vault):
        entered, go = Event(), Event()

        def hold(*_):
            entered.set()
            assert go.wait(60)

        vault.on_read = hold
        first = asyncio.create_task(Account.aload("mine"))
        assert await asyncio.to_thread(entered.wait, 60)
        others = [asyncio.create_task(Account.aload("mine")) for _ in range(3)]
        first.cancel()
        go.set()
        assert [account.user for account in await asyncio.gather(*others)] == ["ada"] * 3
        (outcome,) = await asyncio.gather(first, return_exceptions=True)
        assert isinstance(outcome, asyncio.CancelledError)
        assert vault.reads == [("user", None)]


class TestRefused:
    @pytest.fixture(autouse=True)
    def vault(self, memory_registry):
        SHELVES.clear()
        CACHE.clear()
        MemoryVault().save("vault")
        held = shelf()
        held.secrets = {"password": "first"}
        Account(password=secret("vault", "password")).save("mine")
        yield held
        CACHE.clear()

    @pytest.fixture
    def lets_in(self, vault):
        """Signs in with an account where the system behind it knows another password; counts the refusals."""
        refused = []

        def lets_in(password):
            def body(account):
                given = account.password.get_secret_value()
                if given != password:
                    refused.append(given)
                    raise AuthenticationFailed("No.")
                return given

            return with_fresh_secrets(Account.load("mine"), body)

        lets_in.refused = refused
        return lets_in

    def test_a_refused_secret_is_fetched_anew_and_tried_once_more(self, vault, lets_in):
        assert lets_in("first") == "first"
        vault.secrets["password"] = "second"
        assert lets_in("second") == "second"
        assert lets_in.refused == ["first"]

    def test_one_that_has_not_changed_is_not_tried_again_and_not_kept(self, vault, lets_in):
        with pytest.raises(AuthenticationFailed):
            lets_in("second")
        assert lets_in.refused == ["first"]
        vault.secrets["password"] = "second"
        assert Account.load("mine").password.get_secret_value() == "second"

    def test_one_that_is_refused_again_is_not_tried_a_third_time_and_not_kept(self, vault, lets_in):
        assert lets_in("first") == "first"
        vault.secrets["password"] = "second"
        with pytest.raises(AuthenticationFailed):
            lets_in("third")
        assert lets_in.refused == ["first", "second"]
        vault.secrets["password"] = "third"
        assert Account.load("mine").password.get_secret_value() == "third"

    def test_a_second_attempt_that_loads_again_gets_a_fresh_secret(self, vault, lets_in):
        with pytest.raises(AuthenticationFailed):
            lets_in("second")
        vault.secrets["password"] = "second"
        assert lets_in("second") == "second"
        assert lets_in.refused == ["first"]

    def test_another_failure_is_no_refusal(self, vault):
        def fail(account):
            account.password.get_secret_value()
            raise SecretStoreUnreachable("It is down.", reason="timeout")

        with pytest.raises(SecretStoreUnreachable):
            with_fresh_secrets(Account.load("mine"), fail)
        Account.load("mine").password.get_secret_value()
        assert len(vault.reads) == 1

    def test_a_store_that_is_saved_with_another_token_is_seen_by_those_who_loaded_before(self, vault):
        MemoryVault(place="guarded", token="old-token").save("guarded")
        shelf("guarded").secrets["password"] = "guarded"

        def on_read(_key, store):
            if store.token.get_secret_value() != "new-token":
                raise AuthenticationFailed("The token is refused.")

        Account(password=secret("guarded", "password")).save("long")
        account = Account.load("long")
        assert account.password.get_secret_value() == "guarded"
        CACHE.clear()
        shelf("guarded").on_read = on_read
        with pytest.raises(AuthenticationFailed):
            account.password.get_secret_value()
        MemoryVault(place="guarded", token="new-token").save("guarded", overwrite=True)
        assert account.password.get_secret_value() == "guarded"

    def test_a_task_that_outlives_a_moment_sees_what_is_new(self, vault):
        account = Account.load("mine")
        with one_moment():
            assert account.password.get_secret_value() == "first"
            later = copy_context()
        vault.secrets["password"] = "second"
        CACHE.clear()
        assert later.run(account.password.get_secret_value) == "second"
