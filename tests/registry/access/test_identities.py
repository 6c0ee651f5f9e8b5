"""From a token to who asks; what ends holds everywhere within a second."""

from datetime import timedelta

import pytest
from sqlalchemy import event, select

from typecase.blocks.errors import RegistrySealed, SignInRequired
from typecase.registry.access.callers import Grant
from typecase.registry.access.codes import Prefix, new_code
from typecase.registry.access.parts import Access
from typecase.registry.access.permissions import Permission, Role
from typecase.registry.access.tokens import Limits
from typecase.registry.data_keys import DataKeys
from typecase.registry.tables import grants, tokens

HERE = "192.0.2.7"


@pytest.fixture
def statements(registry):
    """What was asked of the database."""
    seen = []

    def note(connection, cursor, statement, *_):
        seen.append(statement.split()[0])

    event.listen(registry._store.engine(), "before_cursor_execute", note)
    yield seen
    event.remove(registry._store.engine(), "before_cursor_execute", note)


@pytest.fixture
def token(access, root, flows):
    return access.tokens.create(root, "flows", "ci").text


def test_a_caller_has_the_roles_of_the_principal(access, token, flows):
    caller = access.identities.caller_of_token(token, HERE)
    assert (caller.id, caller.name, caller.kind, caller.address) == (flows.id, "flows", "service", HERE)
    assert caller.grants == (Grant(role=Role.RUNNER, workspace="prod"),)
    assert caller.may(Permission.DOCUMENTS_LOAD, "prod")


def test_somebody_without_a_role_may_do_nothing(access, root):
    access.principals.create(root, "new", kind="service")
    caller = access.identities.caller_of_token(access.tokens.create(root, "new", "x").text, HERE)
    assert caller.grants == ()
    assert not any(caller.may(permission, "prod") or caller.may(permission) for permission in Permission)


def test_roles_for_tags_and_documents_come_along(access, root, token):
    access.grants.add(root, "flows", Role.EDITOR, tag="etl")
    found = access.identities.caller_of_token(token, HERE).grants
    assert Grant(role=Role.EDITOR, tag="etl") in found


def test_a_miss_is_one_query(access, another, root, token, statements):
    fresh = another().identities
    fresh.caller_of_token(token, HERE)  # opens the server's key, notes the first use
    fresh.forget()
    statements.clear()
    fresh.caller_of_token(token, HERE)
    assert statements == ["BEGIN", "SELECT"]


def test_a_second_use_within_a_second_asks_nobody(access, token, statements):
    access.identities.caller_of_token(token, HERE)
    statements.clear()
    access.identities.caller_of_token(token, HERE)
    assert statements == []


def test_each_use_has_the_address_of_its_own(access, token):
    access.identities.caller_of_token(token, HERE)
    assert access.identities.caller_of_token(token, "192.0.2.8").address == "192.0.2.8"


ENDS = {
    "a revocation": lambda access, root: access.tokens.revoke(root, access.tokens.list("flows").items[0].id),
    "disabling": lambda access, root: access.principals.disable(root, "flows"),
    "deletion": lambda access, root: access.principals.delete(root, "flows"),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_ends_a_token_holds_in_another_process_within_a_second(access, another, root, token, clock, end):
    other = another().identities
    other.caller_of_token(token, HERE)
    ENDS[end](access, root)
    clock.move(seconds=1)
    for identities in (other, access.identities):
        with pytest.raises(SignInRequired):
            identities.caller_of_token(token, HERE)


def test_a_role_that_was_taken_away_is_gone_everywhere_within_a_second(access, another, root, token, clock):
    other = another().identities
    assert other.caller_of_token(token, HERE).grants
    access.grants.remove(root, access.grants.list(principal="flows")[0].id)
    clock.move(seconds=1)
    assert other.caller_of_token(token, HERE).grants == ()


def test_a_clock_that_is_set_back_prolongs_nothing(access, another, root, token, clock):
    other = another().identities
    other.caller_of_token(token, HERE)
    ENDS["a revocation"](access, root)
    clock.move(hours=-1)
    with pytest.raises(SignInRequired):
        other.caller_of_token(token, HERE)


def test_enabling_brings_no_token_back(access, root, token, clock):
    access.principals.disable(root, "flows")
    access.principals.enable(root, "flows")
    with pytest.raises(SignInRequired):
        access.identities.caller_of_token(token, HERE)


def test_a_token_ends_when_it_expires_also_where_it_is_remembered(access, root, flows, clock):
    made = access.tokens.create(
        root, "flows", "short", limits=Limits(expires_at=clock.now + timedelta(milliseconds=500))
    )
    assert access.identities.caller_of_token(made.text, HERE).expires_at
    clock.move(milliseconds=500)
    with pytest.raises(SignInRequired):
        access.identities.caller_of_token(made.text, HERE)


def test_each_use_counts_in_whichever_process(access, another, root, flows):
    text = access.tokens.create(root, "flows", "thrice", limits=Limits(uses=3)).text
    other = another().identities
    for identities in (access.identities, other, access.identities):
        identities.caller_of_token(text, HERE)
    for identities in (access.identities, other):
        with pytest.raises(SignInRequired):
            identities.caller_of_token(text, HERE)
    assert access.tokens.list("flows").items[0].uses_left == 0


def test_a_refused_use_does_not_count(access, root, flows):
    text = access.tokens.create(root, "flows", "once", limits=Limits(uses=1, networks=("10.0.0.0/8",))).text
    with pytest.raises(SignInRequired):
        access.identities.caller_of_token(text, HERE)
    assert access.identities.caller_of_token(text, "10.9.9.9")


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1"])
def test_a_token_is_taken_from_its_networks(access, root, flows, address):
    text = access.tokens.create(root, "flows", "x", limits=Limits(networks=("10.1.0.0/16", "2001:db8::/32"))).text
    assert access.identities.caller_of_token(text, address)


@pytest.mark.parametrize("address", ["10.2.0.1", "2001:db9::1", "", "proxy", "10.1.2.3, 10.1.2.3"])
def test_a_token_is_refused_from_elsewhere_also_where_it_is_remembered(access, root, flows, address):
    text = access.tokens.create(root, "flows", "x", limits=Limits(networks=("10.1.0.0/16", "2001:db8::/32"))).text
    access.identities.caller_of_token(text, "10.1.2.3")
    with pytest.raises(SignInRequired):
        access.identities.caller_of_token(text, address)


def test_the_last_use_is_written_at_most_once_a_minute(access, token, clock):
    for seconds, address in ((0, HERE), (59, "192.0.2.8"), (1, "192.0.2.9")):
        clock.move(seconds=seconds)
        access.identities.caller_of_token(token, address)
    used = access.tokens.list("flows").items[0]
    assert (used.last_used_at, used.last_used_from) == (clock.now, "192.0.2.9")
    clock.move(seconds=30)
    access.identities.caller_of_token(token, HERE)
    assert access.tokens.list("flows").items[0] == used


def test_a_permission_that_this_release_does_not_know_gives_nothing(registry, access, root, flows, clock):
    text = access.tokens.create(
        root, "flows", "x", limits=Limits(permissions=frozenset({Permission.DOCUMENTS_LOAD}))
    ).text
    registry._store.write(lambda connection: connection.execute(tokens.update().values(permissions=["all:of:it"])))
    assert access.identities.caller_of_token(text, HERE).permissions == frozenset()


def test_a_role_that_this_release_does_not_know_gives_nothing(registry, access, token):
    registry._store.write(lambda connection: connection.execute(grants.update().values(role="god")))
    assert access.identities.caller_of_token(token, HERE).grants == ()


def test_a_sealed_registry_knows_nobody(registry, token, tmp_path):
    stranger = Access(registry._store, DataKeys((tmp_path / "other.key").as_uri()))
    with pytest.raises(RegistrySealed):
        stranger.identities.caller_of_token(token, HERE)


def test_a_token_put_into_the_database_with_another_server_key_is_none(registry, access, token, clock):
    registry._store.write(lambda connection: connection.execute(tokens.update().values(proof=b"0" * 32)))
    with pytest.raises(SignInRequired):
        access.identities.caller_of_token(token, HERE)
    assert registry._store.read(lambda connection: connection.scalar(select(tokens.c.last_used_at))) is None


def test_unknown_and_revoked_are_told_alike(access, root, token, clock):
    ENDS["a revocation"](access, root)
    texts = set()
    for text in (token, new_code(Prefix.TOKEN), "nonsense"):
        with pytest.raises(SignInRequired) as refused:
            access.identities.caller_of_token(text, HERE)
        texts.add(str(refused.value))
    assert len(texts) == 1
