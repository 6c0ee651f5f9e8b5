"""Browsers that somebody signed in with."""

import pytest

from typecase.blocks.errors import SignInRequired
from typecase.registry.access.codes import Prefix, new_code
from typecase.registry.access.permissions import Permission

HERE = "192.0.2.7"


@pytest.fixture
def session(access, bob):
    return access.sessions.begin(bob.id, HERE)


def test_a_session_is_its_persons(access, session, bob, clock):
    caller = access.identities.caller_of_session(session.cookie, HERE)
    assert (caller.id, caller.name, caller.token, caller.address) == (bob.id, "bob", "", HERE)
    assert caller.may(Permission.DOCUMENTS_READ, "prod")
    assert access.principals.get("bob").last_seen_at == clock.now


@pytest.mark.parametrize("cookie", ["", "x", "tcb_" + "0" * 49, new_code(Prefix.SESSION)], ids=range(4))
def test_any_other_cookie_is_nobodys(access, session, cookie):
    with pytest.raises(SignInRequired):
        access.identities.caller_of_session(cookie, HERE)


def test_a_session_is_no_token_and_a_token_no_session(access, session, bob):
    token = access.tokens.create(bob, "bob", "x").text
    with pytest.raises(SignInRequired):
        access.identities.caller_of_token(session.cookie, HERE)
    with pytest.raises(SignInRequired):
        access.identities.caller_of_session(token, HERE)


def test_it_ends_when_nobody_uses_it(access, session, clock):
    clock.move(hours=7, minutes=59)
    access.identities.caller_of_session(session.cookie, HERE)
    clock.move(hours=7, minutes=59)
    access.identities.caller_of_session(session.cookie, HERE)
    clock.move(hours=8)
    with pytest.raises(SignInRequired):
        access.identities.caller_of_session(session.cookie, HERE)


def test_it_ends_after_a_week_however_much_it_is_used(access, session, clock):
    for _ in range(27):
        clock.move(hours=6)
        access.identities.caller_of_session(session.cookie, HERE)
    clock.move(hours=6)
    assert clock.now == session.expires_at
    with pytest.raises(SignInRequired):
        access.identities.caller_of_session(session.cookie, HERE)


def test_signing_in_again_ends_the_session_before_and_has_a_new_id(access, session, bob):
    renewed = access.sessions.begin(bob.id, HERE, previous=session.cookie)
    assert renewed.cookie != session.cookie
    with pytest.raises(SignInRequired):
        access.identities.caller_of_session(session.cookie, HERE)
    assert access.identities.caller_of_session(renewed.cookie, HERE)


def test_signing_out_ends_this_one_only(access, session, bob):
    other = access.sessions.begin(bob.id, HERE)
    access.sessions.end(session.cookie)
    with pytest.raises(SignInRequired):
        access.identities.caller_of_session(session.cookie, HERE)
    assert access.identities.caller_of_session(other.cookie, HERE)


def test_signing_out_holds_in_another_process_within_a_second(access, another, session, clock):
    other = another().identities
    other.caller_of_session(session.cookie, HERE)
    access.sessions.end(session.cookie)
    clock.move(seconds=1)
    with pytest.raises(SignInRequired):
        other.caller_of_session(session.cookie, HERE)


def test_signing_out_everywhere_ends_all_of_ones_own(access, session, bob, ada):
    other = access.sessions.begin(ada.id, HERE)
    access.sessions.begin(bob.id, HERE)
    assert access.sessions.end_all(bob.id) == 2
    with pytest.raises(SignInRequired):
        access.identities.caller_of_session(session.cookie, HERE)
    assert access.identities.caller_of_session(other.cookie, HERE)


def test_the_disabled_begin_none(access, ada, bob):
    access.principals.disable(ada, "bob")
    with pytest.raises(SignInRequired):
        access.sessions.begin(bob.id, HERE)


def test_a_form_of_this_session_is_known(access, another, session):
    assert another().sessions.is_from_form(session.cookie, session.csrf)


def test_a_form_of_another_session_is_not(access, session, bob):
    other = access.sessions.begin(bob.id, HERE)
    for value in (other.csrf, "", "é", session.cookie):
        assert not access.sessions.is_from_form(session.cookie, value)
    assert not access.sessions.is_from_form("", access.sessions.csrf(""))


def test_neither_the_database_nor_a_repr_shows_the_cookie(registry, access, session, tmp_path, assert_no_canary):
    registry.close()
    assert_no_canary(tmp_path, repr(session), secret=session.cookie)
    assert_no_canary(tmp_path, repr(session), secret=session.csrf)
