"""Passwords: how they are kept, and how one signs in with one."""

import threading

import pytest
from argon2 import PasswordHasher, extract_parameters
from sqlalchemy import select, update

from typecase.blocks.errors import PermissionDenied, SignInRequired, TooManyRequests, WeakPassword
from typecase.registry.access.passwords import Passwords, check_password
from typecase.registry.tables import principals

GOOD = "correct horse battery"
HERE = "192.0.2.7"


@pytest.fixture
def dan(access, ada):
    """A person with a password."""
    access.principals.create(ada, "dan", kind="person")
    access.links.set_password(access.links.for_password(ada, "dan").code, GOOD)
    return access.principals.get("dan")


def kept(registry, name="dan"):
    query = select(principals.c.password).where(principals.c.name == name)
    return registry._store.read(lambda connection: connection.scalar(query))


def test_a_password_matches_itself_only():
    passwords = Passwords()
    made = passwords.hash(GOOD)
    assert passwords.matches(made, GOOD)
    assert not passwords.matches(made, GOOD + " ")


def test_it_is_kept_by_argon2id_with_19_mebibytes():
    found = extract_parameters(Passwords().hash(GOOD))
    assert (found.type.name, found.memory_cost, found.time_cost, found.parallelism) == ("ID", 19456, 2, 1)


def test_the_hash_of_nobody_costs_what_a_real_one_does():
    passwords = Passwords()
    assert extract_parameters(passwords._nobodys) == extract_parameters(passwords.hash(GOOD))
    assert not passwords.is_outdated(passwords._nobodys)


def test_nobodys_hash_is_really_computed(access, monkeypatch):
    verified = []
    verify = PasswordHasher.verify
    monkeypatch.setattr(PasswordHasher, "verify", lambda *given: verified.append(given[1]) or verify(*given))
    with pytest.raises(SignInRequired):
        access.sign_in.check("nobody", GOOD, HERE)
    assert verified == [access.passwords._nobodys]


def test_the_same_characters_typed_otherwise_match():
    passwords = Passwords()
    assert passwords.matches(passwords.hash("Zürich-Zürich"), "Zu\u0308rich-Zu\u0308rich")


@pytest.mark.parametrize("damaged", ["", "$argon2id$", "plain", "$2b$12$abc"])
def test_a_damaged_hash_matches_nothing(damaged):
    assert not Passwords().matches(damaged, GOOD)


def test_a_very_long_password_is_not_hashed():
    with pytest.raises(WeakPassword):
        check_password("x" * 1001, name="dan")
    assert not Passwords().matches(Passwords().hash(GOOD), "x" * 10_000_000)


@pytest.mark.parametrize("password", ["", "hunter2", "x" * 11, "dan@EXAMPLE.org", "long-enough-name"])
def test_a_weak_password_is_refused_and_not_shown(password):
    with pytest.raises(WeakPassword) as refused:
        check_password(password, name="Long-Enough-Name", email="dan@example.org")
    assert not password or password not in str(refused.value)


@pytest.mark.parametrize("password", ["x" * 12, "            ", "пароль-пароль"])
def test_no_kind_of_character_is_asked_for(password):
    check_password(password, name="dan")


def test_a_flood_is_sent_away_and_not_queued_without_end():
    passwords = Passwords(at_once=1)
    begun, go = threading.Semaphore(0), threading.Event()

    def hold():
        with passwords._admitted:
            begun.release()
            go.wait()

    threads = [threading.Thread(target=hold) for _ in range(9)]
    for thread in threads:
        thread.start()
    for _ in threads:
        begun.acquire()
    with pytest.raises(TooManyRequests) as refused:
        passwords.hash(GOOD)
    go.set()
    for thread in threads:
        thread.join()
    assert refused.value.retry_after >= 1
    assert passwords.hash(GOOD)


def test_no_more_run_at_once_than_allowed(monkeypatch):
    passwords = Passwords(at_once=2)
    running, most, lock = 0, 0, threading.Lock()
    barrier = threading.Barrier(2)
    hash_ = PasswordHasher.hash

    def watched(hasher, password):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        barrier.wait()
        try:
            return hash_(hasher, password)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(PasswordHasher, "hash", watched)
    threads = [threading.Thread(target=passwords.hash, args=(GOOD,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


def test_one_signs_in(access, dan):
    assert access.sign_in.check("dan", GOOD, HERE) == dan.id


@pytest.mark.parametrize(("name", "password"), [("dan", "wrong"), ("nobody", GOOD), ("ada", GOOD), ("flows", GOOD)])
def test_all_that_is_wrong_is_told_alike(access, dan, flows, name, password):
    with pytest.raises(SignInRequired) as refused:
        access.sign_in.check(name, password, HERE)
    assert refused.value.message == "The name or the password is wrong."


def test_the_disabled_are_told_the_same(access, ada, dan):
    access.principals.disable(ada, "dan")
    with pytest.raises(SignInRequired) as refused:
        access.sign_in.check("dan", GOOD, HERE)
    assert refused.value.message == "The name or the password is wrong."


def test_a_hash_of_other_parameters_is_renewed_at_sign_in(registry, access, dan):
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(GOOD)
    registry._store.write(
        lambda connection: connection.execute(update(principals).where(principals.c.name == "dan").values(password=old))
    )
    access.sign_in.check("dan", GOOD, HERE)
    assert extract_parameters(kept(registry)).memory_cost == 19456
    assert access.sign_in.check("dan", GOOD, HERE)


def test_one_changes_ones_password_knowing_the_present_one(access, dan, as_caller):
    actor = as_caller("dan")
    session = access.sessions.begin(dan.id, HERE)
    with pytest.raises(SignInRequired):
        access.sign_in.change(actor, "dan", current="wrong", new=GOOD * 2)
    access.sign_in.change(actor, "dan", current=GOOD, new=GOOD * 2)
    assert access.sign_in.check("dan", GOOD * 2, HERE)
    with pytest.raises(SignInRequired):
        access.identities.caller_of_session(session.cookie, HERE)


def test_nobody_changes_anothers_even_knowing_it(access, ada, dan):
    with pytest.raises(PermissionDenied):
        access.sign_in.change(ada, "dan", current=GOOD, new=GOOD * 2)


def test_neither_database_nor_record_holds_the_password(registry, access, dan, tmp_path, assert_no_canary):
    registry.close()
    assert_no_canary(tmp_path, secret=GOOD)
    assert kept(registry) not in repr(access.principals.get("dan"))
