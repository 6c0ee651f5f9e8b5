"""One-time links: for the first admin, and for a password."""

import pytest

from typecase.blocks.errors import InvalidAccess, LinkUnusable, PermissionDenied, SignInRequired, WeakPassword
from typecase.registry.access.codes import Prefix, new_code

GOOD = "correct horse battery"
HERE = "192.0.2.7"


def test_there_is_no_account_by_default(access):
    assert access.principals.list().items == ()


def test_the_first_admin_comes_by_a_link(access, root, as_caller):
    link = access.links.for_first_admin(root)
    made = access.links.make_first_admin(link.code, "ada", GOOD, email="ada@example.org")
    assert access.sign_in.check("ada", GOOD, HERE) == made
    assert [(item.role, item.workspace) for item in access.grants.list(principal="ada")] == [("admin", None)]


def test_it_works_once(access, root):
    link = access.links.for_first_admin(root)
    access.links.make_first_admin(link.code, "ada", GOOD)
    with pytest.raises(LinkUnusable):
        access.links.make_first_admin(link.code, "eve", GOOD)


def test_of_two_links_the_second_ends_the_first(access, root):
    first, second = access.links.for_first_admin(root), access.links.for_first_admin(root)
    with pytest.raises(LinkUnusable):
        access.links.make_first_admin(first.code, "eve", GOOD)
    assert access.links.make_first_admin(second.code, "ada", GOOD)


def test_it_works_for_an_hour(access, root, clock):
    link = access.links.for_first_admin(root)
    clock.move(hours=1)
    assert link.expires_at == clock.now
    with pytest.raises(LinkUnusable):
        access.links.make_first_admin(link.code, "ada", GOOD)


def test_there_is_none_where_an_admin_is(access, root, ada):
    with pytest.raises(InvalidAccess):
        access.links.for_first_admin(root)


def test_one_from_before_does_not_make_a_second_admin(access, root, request):
    link = access.links.for_first_admin(root)
    request.getfixturevalue("ada")
    with pytest.raises(LinkUnusable):
        access.links.make_first_admin(link.code, "eve", GOOD)


def test_only_who_works_at_the_database_makes_one(access, bob):
    with pytest.raises(PermissionDenied):
        access.links.for_first_admin(bob)


def test_a_weak_password_does_not_use_it_up(access, root):
    link = access.links.for_first_admin(root)
    with pytest.raises(WeakPassword):
        access.links.make_first_admin(link.code, "ada", "short")
    assert access.links.make_first_admin(link.code, "ada", GOOD)


def test_a_password_link_sets_a_password_and_ends_sessions(access, ada, bob):
    session = access.sessions.begin(bob.id, HERE)
    link = access.links.for_password(ada, "bob")
    assert access.links.set_password(link.code, GOOD) == bob.id
    assert access.sign_in.check("bob", GOOD, HERE) == bob.id
    with pytest.raises(SignInRequired):
        access.identities.caller_of_session(session.cookie, HERE)
    with pytest.raises(LinkUnusable):
        access.links.set_password(link.code, GOOD * 2)


def test_a_new_password_link_ends_the_one_before(access, ada, bob):
    first, second = (access.links.for_password(ada, "bob") for _ in range(2))
    with pytest.raises(LinkUnusable):
        access.links.set_password(first.code, GOOD)
    assert access.links.set_password(second.code, GOOD)


def test_a_password_link_ends_with_its_time(access, ada, bob, clock):
    link = access.links.for_password(ada, "bob")
    clock.move(days=1)
    with pytest.raises(LinkUnusable):
        access.links.set_password(link.code, GOOD)


def test_disabling_ends_the_link(access, ada, bob):
    link = access.links.for_password(ada, "bob")
    access.principals.disable(ada, "bob")
    access.principals.enable(ada, "bob")
    with pytest.raises(LinkUnusable):
        access.links.set_password(link.code, GOOD)


def test_a_link_of_one_purpose_serves_no_other(access, root, bob):
    password = access.links.for_password(root, "bob")
    first = access.links.for_first_admin(root)
    with pytest.raises(LinkUnusable):
        access.links.make_first_admin(password.code, "eve", GOOD)
    with pytest.raises(LinkUnusable):
        access.links.set_password(first.code, GOOD)


@pytest.mark.parametrize("code", ["", "x", "tcl_" + "0" * 49, new_code(Prefix.LINK)], ids=range(4))
def test_any_other_code_is_none(access, code):
    with pytest.raises(LinkUnusable):
        access.links.set_password(code, GOOD)


def test_a_guess_is_not_hashed(access, monkeypatch):
    monkeypatch.setattr(access.passwords, "hash", None)
    with pytest.raises(LinkUnusable):
        access.links.make_first_admin(new_code(Prefix.LINK), "eve", GOOD)


def test_service_accounts_and_the_disabled_get_none(access, ada, bob, flows):
    access.principals.disable(ada, "bob")
    for name in ("flows", "bob"):
        with pytest.raises(InvalidAccess):
            access.links.for_password(ada, name)


def test_who_is_no_admin_makes_none(access, bob):
    with pytest.raises(PermissionDenied):
        access.links.for_password(bob, "bob")


def test_neither_the_database_nor_a_repr_shows_the_code(registry, access, root, tmp_path, assert_no_canary):
    link = access.links.for_first_admin(root)
    registry.close()
    assert_no_canary(tmp_path, repr(link), secret=link.code)
