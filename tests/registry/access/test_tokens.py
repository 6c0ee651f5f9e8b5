"""Who may make which token, and that none is broader than its maker."""

from dataclasses import replace
from datetime import timedelta

import pytest

from typecase.blocks.errors import (
    AccessNotFound,
    InvalidAccess,
    PermissionDenied,
    PrincipalNotFound,
    WorkspaceNotFound,
)
from typecase.registry.access.permissions import Permission, Role
from typecase.registry.access.tokens import Limits

HERE = "192.0.2.7"
LOAD = frozenset({Permission.DOCUMENTS_LOAD})
ACCESS = frozenset({Permission.ACCESS_WRITE})


def test_a_person_makes_a_token_of_their_own(access, bob):
    made = access.tokens.create(bob, "bob", "laptop")
    assert access.identities.caller_of_token(made.text, HERE).name == "bob"
    assert (made.token.principal, made.token.name, made.token.created_by) == ("bob", "laptop", "bob")


def test_an_admin_makes_a_token_for_a_service_account(access, ada, flows):
    made = access.tokens.create(ada, "flows", "ci")
    assert access.identities.caller_of_token(made.text, HERE).kind == "service"


def test_a_viewer_makes_none_for_a_service_account(access, bob, flows):
    with pytest.raises(PermissionDenied):
        access.tokens.create(bob, "flows", "ci")


def test_a_service_account_makes_none_for_itself(access, flows):
    with pytest.raises(PermissionDenied):
        access.tokens.create(flows, "flows", "more")


def test_not_even_an_admin_makes_one_for_another_person(access, ada, bob):
    with pytest.raises(PermissionDenied):
        access.tokens.create(ada, "bob", "as bob")


def test_whoever_works_at_the_database_makes_one_for_anybody(access, root, bob):
    assert access.tokens.create(root, "bob", "laptop").token.principal == "bob"


def test_who_may_not_make_one_does_not_learn_who_exists(access, bob, flows):
    refusals = []
    for name in ("flows", "nobody"):
        with pytest.raises(PermissionDenied) as refused:
            access.tokens.create(bob, name, "x")
        refusals.append(str(refused.value))
    assert refusals[0] == refusals[1]


def test_an_admin_is_told_that_nobody_has_that_name(access, ada):
    with pytest.raises(PrincipalNotFound):
        access.tokens.create(ada, "nobody", "x")


def test_nobody_makes_one_for_a_disabled_principal(access, ada, flows):
    access.principals.disable(ada, "flows")
    with pytest.raises(InvalidAccess):
        access.tokens.create(ada, "flows", "ci")


@pytest.fixture
def carl(access, root, as_caller, registry):
    """An admin of prod, and of nothing else."""
    registry.workspaces.create("staging")
    access.principals.create(root, "carl", kind="person")
    access.grants.add(root, "carl", Role.ADMIN, workspace="prod")
    return as_caller("carl")


def test_an_admin_of_a_workspace_makes_tokens_for_it_only(access, carl, flows):
    made = access.tokens.create(carl, "flows", "ci", limits=Limits(workspaces=frozenset({"prod"})))
    assert access.identities.caller_of_token(made.text, HERE).workspaces == {"prod"}
    for limits in (Limits(), Limits(workspaces=frozenset({"prod", "staging"}))):
        with pytest.raises(PermissionDenied):
            access.tokens.create(carl, "flows", "ci", limits=limits)


def test_a_token_holds_its_permissions_only(access, flows, root):
    made = access.tokens.create(root, "flows", "ci", limits=Limits(permissions=LOAD))
    caller = access.identities.caller_of_token(made.text, HERE)
    assert caller.may(Permission.DOCUMENTS_LOAD, "prod")
    assert not caller.may(Permission.DOCUMENTS_READ, "prod")


def test_nobody_asks_for_a_permission_that_they_do_not_hold(access, bob):
    with pytest.raises(PermissionDenied):
        access.tokens.create(bob, "bob", "x", limits=Limits(permissions=LOAD))


def test_a_workspace_out_of_reach_looks_like_one_that_is_not_there(access, bob):
    texts = []
    for name in ("default", "nowhere"):
        with pytest.raises(PermissionDenied) as refused:
            access.tokens.create(bob, "bob", "x", limits=Limits(workspaces=frozenset({name})))
        texts.append(str(refused.value).replace(name, "W"))
    assert texts[0] == texts[1]


def test_an_admin_is_told_that_a_workspace_is_not_there(access, ada, flows):
    with pytest.raises(WorkspaceNotFound):
        access.tokens.create(ada, "flows", "x", limits=Limits(workspaces=frozenset({"nowhere"})))


@pytest.mark.parametrize(
    "limits",
    [
        Limits(uses=0),
        Limits(networks=("here",)),
        Limits(networks=("10.0.0.1/8",)),
        Limits(networks=()),
        Limits(permissions=frozenset()),
        Limits(workspaces=frozenset()),
    ],
    ids=["no use", "no network", "host bits", "no networks", "no permissions", "no workspaces"],
)
def test_odd_limits_are_refused(access, ada, limits):
    with pytest.raises(InvalidAccess):
        access.tokens.create(ada, "ada", "x", limits=limits)


def test_a_token_does_not_end_in_the_past(access, ada, clock):
    for end in (clock.now, clock.now.replace(tzinfo=None)):
        with pytest.raises(InvalidAccess):
            access.tokens.create(ada, "ada", "x", limits=Limits(expires_at=end))


def of_token(access, actor, **limits):
    """The actor as one who comes with a token of theirs."""
    made = access.tokens.create(actor, actor.name, "first", limits=Limits(**limits))
    return access.identities.caller_of_token(made.text, "10.0.0.1")


def test_a_token_makes_none_that_outlives_it(access, ada, clock):
    end = clock.now + timedelta(hours=1)
    child = access.tokens.create(of_token(access, ada, expires_at=end), "ada", "second").token
    assert child.expires_at == end


def test_a_token_makes_none_with_more_permissions(access, ada):
    parent = of_token(access, ada, permissions=LOAD | ACCESS)
    assert access.tokens.create(parent, "ada", "second").token.permissions == ("access:write", "documents:load")
    with pytest.raises(PermissionDenied):
        access.tokens.create(parent, "ada", "third", limits=Limits(permissions=frozenset({Permission.DOCUMENTS_WRITE})))


def test_a_token_that_may_only_load_makes_none(access, ada):
    with pytest.raises(PermissionDenied):
        access.tokens.create(of_token(access, ada, permissions=LOAD), "ada", "second")


def test_a_token_of_a_workspace_makes_none_for_everywhere(access, ada, flows):
    parent = of_token(access, ada, workspaces=frozenset({"prod"}))
    assert access.tokens.create(parent, "flows", "ci").token.workspaces == ("prod",)
    with pytest.raises(PermissionDenied):
        access.tokens.create(parent, "flows", "ci", limits=Limits(workspaces=frozenset({"default"})))


def test_a_token_of_a_network_makes_none_for_others(access, ada):
    parent = of_token(access, ada, networks=("10.0.0.0/8",))
    assert access.tokens.create(parent, "ada", "a").token.networks == ("10.0.0.0/8",)
    assert access.tokens.create(parent, "ada", "b", limits=Limits(networks=("10.1.0.0/16",))).token
    with pytest.raises(InvalidAccess):
        access.tokens.create(parent, "ada", "c", limits=Limits(networks=("0.0.0.0/0",)))


def test_a_token_for_a_number_of_uses_makes_none(access, ada):
    with pytest.raises(PermissionDenied):
        access.tokens.create(of_token(access, ada, uses=5), "ada", "second")


def test_tokens_are_listed_by_page_and_without_what_they_are(access, ada):
    texts = [access.tokens.create(ada, "ada", str(number)).text for number in range(3)]
    first = access.tokens.list("ada", limit=2)
    last = access.tokens.list("ada", limit=2, cursor=first.cursor)
    assert {item.name for item in (*first.items, *last.items)} == {"0", "1", "2"}
    assert last.cursor is None
    assert not [text for text in texts if text in repr((first, last))]


def test_one_revokes_ones_own(access, bob):
    made = access.tokens.create(bob, "bob", "laptop")
    assert access.tokens.revoke(bob, made.token.id).revoked_at


def test_the_time_of_the_first_revocation_stays(access, bob, clock):
    made = access.tokens.create(bob, "bob", "laptop")
    first = access.tokens.revoke(bob, made.token.id).revoked_at
    clock.move(hours=1)
    assert access.tokens.revoke(bob, made.token.id).revoked_at == first


def test_nobody_revokes_anothers(access, ada, bob):
    made = access.tokens.create(ada, "ada", "laptop")
    with pytest.raises(PermissionDenied):
        access.tokens.revoke(bob, made.token.id)
    assert access.tokens.list("ada").items[0].revoked_at is None


def test_an_admin_revokes_anybodys(access, ada, bob):
    assert access.tokens.revoke(ada, access.tokens.create(bob, "bob", "laptop").token.id).revoked_at


def test_an_admin_of_a_workspace_revokes_what_is_for_it_only(access, root, carl, flows):
    inside = access.tokens.create(root, "flows", "a", limits=Limits(workspaces=frozenset({"prod"}))).token
    wide = access.tokens.create(root, "flows", "b").token
    assert access.tokens.revoke(carl, inside.id).revoked_at
    with pytest.raises(PermissionDenied):
        access.tokens.revoke(carl, wide.id)


def test_whoever_found_a_token_may_end_it(access, root, flows):
    made = access.tokens.create(root, "flows", "ci", limits=Limits(permissions=LOAD))
    finder = access.identities.caller_of_token(made.text, HERE)
    assert access.tokens.revoke(finder, made.token.id).revoked_at


def test_there_is_no_token_of_that_id(access, ada, bob):
    with pytest.raises(AccessNotFound):
        access.tokens.revoke(ada, "0" * 32)
    with pytest.raises(PermissionDenied):
        access.tokens.revoke(bob, "0" * 32)


def test_a_narrowed_session_acts_for_nobody(access, bob):
    with pytest.raises(PermissionDenied):
        access.tokens.create(replace(bob, workspaces=frozenset({"prod"})), "bob", "x")
