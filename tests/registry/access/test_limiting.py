"""What counts holds in every process, and locks nobody out from elsewhere."""

import pytest
from limits import parse
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy import func, select

from typecase.blocks.errors import TooManyRequests
from typecase.registry.access.counting import CounterStorage
from typecase.registry.tables import counters

HOME = "192.0.2.7"
ATTACKER = "198.51.100.1"


@pytest.fixture
def storage(registry, clock):
    return CounterStorage(registry._store, clock=clock)


@pytest.fixture
def guard(access):
    return access.guard


def fail(guard, name, address, times):
    for _ in range(times):
        guard.attempt(name, address)


def refused(guard, name, address):
    try:
        guard.attempt(name, address)
    except TooManyRequests:
        return True
    return False


def test_a_limit_of_the_library_holds_in_another_process(registry, storage, clock):
    item = parse("2/minute")
    mine = FixedWindowRateLimiter(storage)
    theirs = FixedWindowRateLimiter(CounterStorage(registry._store, clock=clock))
    assert [limiter.hit(item, "a") for limiter in (mine, theirs, mine, theirs)] == [True, True, False, False]
    assert mine.get_window_stats(item, "a").remaining == 0
    assert mine.hit(item, "b")


def test_a_window_ends_where_it_was_to_end(storage, clock):
    item, limiter = parse("2/minute"), FixedWindowRateLimiter(storage)
    limiter.hit(item, "a")
    end = clock.now.timestamp() + 60
    clock.move(seconds=59)
    limiter.hit(item, "a")
    assert not limiter.test(item, "a")
    assert limiter.get_window_stats(item, "a").reset_time == end
    clock.move(seconds=1)
    assert limiter.test(item, "a")
    assert limiter.hit(item, "a")
    assert storage.get(item.key_for("a")) == 1


def test_a_window_can_be_ended(storage):
    for key in ("a", "b"):
        storage.incr(key, 60)
    storage.clear("a")
    assert (storage.get("a"), storage.get("b")) == (0, 1)
    assert storage.reset() == 1
    assert storage.get("b") == 0


def test_the_storage_says_that_it_works(storage):
    assert storage.check()


def test_old_rows_are_swept_while_counting(registry, storage, clock):
    for number in range(10):
        storage.incr(str(number), 60)
    clock.move(minutes=5)
    storage.incr("new", 60)
    query = select(func.count()).select_from(counters)
    assert registry._store.read(lambda connection: connection.scalar(query)) == 1


def test_a_sweep_takes_expired_links_and_sessions_too(access, storage, root, bob, clock):
    access.sessions.begin(bob.id, HOME)
    access.links.for_first_admin(root)
    assert storage.sweep() == 0
    clock.move(days=7)
    assert storage.sweep() == 2


def test_ten_failures_of_a_name_are_enough_for_a_quarter_of_an_hour(guard, clock):
    fail(guard, "ada", HOME, 10)
    with pytest.raises(TooManyRequests) as refusal:
        guard.attempt("ada", HOME)
    assert refusal.value.retry_after == 900
    clock.move(minutes=15)
    guard.attempt("ada", HOME)


def test_it_holds_in_another_process(guard, another):
    fail(guard, "ada", HOME, 10)
    assert refused(another().guard, "ada", HOME)


def test_nobody_is_locked_out_from_elsewhere(guard):
    fail(guard, "ada", ATTACKER, 10)
    assert refused(guard, "ada", ATTACKER)
    assert not refused(guard, "ada", HOME)


def test_nobody_is_locked_out_by_many_networks_together(guard):
    for number in range(1, 50):
        fail(guard, "ada", f"198.51.100.{number}", 10)
    assert not refused(guard, "ada", HOME)


def test_many_names_from_one_network_are_stopped(guard):
    for number in range(100):
        guard.attempt(f"name-{number}", ATTACKER)
    assert refused(guard, "another", ATTACKER)
    assert not refused(guard, "another", HOME)


def test_a_network_that_somebody_signed_in_from_keeps_a_budget_for_them(guard):
    guard.attempt("ada", HOME)
    guard.succeeded("ada", HOME)
    for number in range(100):
        guard.attempt(f"name-{number}", HOME)
    assert refused(guard, "eve", HOME)
    assert not refused(guard, "ada", HOME)


def test_success_forgets_failures_of_that_name_only(guard):
    fail(guard, "ada", HOME, 9)
    fail(guard, "bob", HOME, 10)
    guard.attempt("ada", HOME)
    guard.succeeded("ada", HOME)
    fail(guard, "ada", HOME, 10)
    assert refused(guard, "ada", HOME)
    assert refused(guard, "bob", HOME)


def test_a_good_account_of_ones_own_does_not_reset_the_network(guard):
    for number in range(99):
        guard.attempt(f"name-{number}", ATTACKER)
        if number % 10 == 0:
            guard.attempt("mallory", ATTACKER)
            guard.succeeded("mallory", ATTACKER)
    guard.attempt("last", ATTACKER)
    assert refused(guard, "one more", ATTACKER)


def test_the_addresses_of_one_ipv6_network_count_as_one(guard):
    for number in range(10):
        guard.attempt("ada", f"2001:db8::{number}")
    assert refused(guard, "ada", "2001:db8::ffff")
    assert not refused(guard, "ada", "2001:db8:0:1::1")


def test_an_ipv4_address_that_comes_as_ipv6_is_the_same(guard):
    fail(guard, "ada", HOME, 10)
    assert refused(guard, "ada", f"::ffff:{HOME}")


def test_the_case_of_a_name_makes_no_other_budget(guard):
    fail(guard, "ada", HOME, 10)
    assert refused(guard, "ADA", HOME)


def test_what_was_typed_as_name_is_not_in_the_database(registry, guard, canary, assert_no_canary, tmp_path):
    guard.attempt(canary, HOME)
    registry.close()
    assert_no_canary(tmp_path)


def test_a_wrong_password_counts_and_a_right_one_does_not(access, ada, bob):
    access.links.set_password(access.links.for_password(ada, "bob").code, "correct horse battery")
    for _ in range(11):
        access.sign_in.check("bob", "correct horse battery", HOME)


def test_requests_are_limited_by_minute(access, clock):
    limit = access.request_limit(40)
    for _ in range(40):
        limit.count("token")
    for _ in range(2):
        with pytest.raises(TooManyRequests) as refusal:
            limit.count("token")
    assert refusal.value.retry_after == 60
    limit.count("other token")
    clock.move(minutes=1)
    limit.count("token")


def test_two_processes_share_the_limit(access, another):
    limits = [access.request_limit(40), another().request_limit(40)]
    served = 0
    for number in range(100):
        try:
            limits[number % 2].count("token")
        except TooManyRequests:
            continue
        served += 1
    assert served == 40


def test_a_restart_does_not_reset_the_limit(access, another):
    limit = access.request_limit(20)
    for _ in range(20):
        limit.count("token")
    with pytest.raises(TooManyRequests):
        another().request_limit(20).count("token")
