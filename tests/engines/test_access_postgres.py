"""Access on a real PostgreSQL: what several processes do at the same moment."""

import threading

import pytest
from sqlalchemy import func, select, text

from typecase.blocks.errors import (
    InvalidAccess,
    LastAdmin,
    LinkUnusable,
    PrincipalNotFound,
    SignInRequired,
    TooManyRequests,
)
from typecase.registry.access.authority import keeping_an_admin, operator
from typecase.registry.access.clock import utc_now
from typecase.registry.access.permissions import Role
from typecase.registry.access.server_key import Pepper
from typecase.registry.access.tokens import Limits
from typecase.registry.direct import DirectRegistry
from typecase.registry.locks import lock_access
from typecase.registry.tables import grants, principals, server_keys

ROOT = operator("root")
HERE = "192.0.2.7"
GOOD = "correct horse battery"


@pytest.fixture
def processes(postgres_url, tmp_path):
    """Eight registries on one database, as eight processes have them."""
    key = (tmp_path / "root.key").as_uri()
    found = [DirectRegistry(postgres_url, key=key) for _ in range(8)]
    found[0].init(create_key_if_missing=True)
    found[0].workspaces.create("prod")
    yield [registry.access for registry in found]
    for registry in found:
        registry.close()


@pytest.fixture
def access(processes):
    return processes[0]


@pytest.fixture
def flows(access):
    access.principals.create(ROOT, "flows", kind="service")
    access.grants.add(ROOT, "flows", Role.RUNNER, workspace="prod")


def at_once(works):
    """Run each work in a thread of its own; return the results, errors among them."""
    barrier = threading.Barrier(len(works))
    results = [None] * len(works)

    def run(number, work):
        barrier.wait()
        try:
            results[number] = work()
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=item) for item in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def kinds(results):
    return sorted(type(result).__name__ for result in results)


def count(access, table):
    return access.principals._store.read(lambda connection: connection.scalar(select(func.count()).select_from(table)))


def test_the_server_key_is_made_once(processes):
    proofs = at_once([lambda item=item: item.key.prove(Pepper.TOKENS, "text") for item in processes])
    assert len(set(proofs)) == 1
    assert count(processes[0], server_keys) == 1


def test_the_last_use_of_a_token_is_one(processes, access, flows):
    token = access.tokens.create(ROOT, "flows", "ci", limits=Limits(uses=3)).text
    results = at_once([lambda item=item: item.identities.caller_of_token(token, HERE) for item in processes])
    assert kinds(results) == ["Caller"] * 3 + ["SignInRequired"] * 5


def beside(access, first, second):
    """Run `second` while the transaction of `first` is open, until it waits or ends; return what came of it."""
    store, results = access.principals._store, []
    thread = threading.Thread(target=lambda: results.extend(at_once([second])))
    waiting = text(
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    )

    def work(connection):
        first(connection)
        thread.start()
        with store.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as watcher:
            while thread.is_alive() and not watcher.scalar(waiting):
                pass

    store.write(work)
    thread.join()
    return results[0]


def disabled(name):
    return principals.update().where(principals.c.name == name).values(disabled_at=utc_now())


def test_the_last_admin_waits_for_who_is_about_to_remove_the_other(processes, access):
    for name in ("ada", "bob"):
        access.principals.create(ROOT, name, kind="person")
        access.grants.add(ROOT, name, Role.ADMIN)

    def first(connection):
        with keeping_an_admin(connection):
            connection.execute(disabled("ada"))

    assert isinstance(beside(access, first, lambda: processes[1].principals.disable(ROOT, "bob")), LastAdmin)


def test_a_token_waits_for_who_is_about_to_disable_its_principal(processes, access, flows):
    result = beside(
        access,
        lambda connection: connection.execute(disabled("flows")),
        lambda: processes[1].tokens.create(ROOT, "flows", "x"),
    )
    assert isinstance(result, InvalidAccess)
    assert access.tokens.list("flows").items == ()


def test_a_role_waits_for_who_is_about_to_give_it(processes, access, flows):
    principal = access.principals.get("flows").id

    def first(connection):
        lock_access(connection)
        row = {"id": "0" * 32, "principal_id": principal, "role": "viewer", "created_at": utc_now(), "created_by": ""}
        connection.execute(grants.insert().values(row))

    assert beside(access, first, lambda: processes[1].grants.add(ROOT, "flows", Role.VIEWER)).id == "0" * 32


def test_two_admins_cannot_remove_each_other(processes, access):
    names = [f"admin-{number}" for number in range(8)]
    for name in names:
        access.principals.create(ROOT, name, kind="person")
        access.grants.add(ROOT, name, Role.ADMIN)
    results = at_once(
        [
            lambda item=item, name=name: item.principals.disable(ROOT, name)
            for item, name in zip(processes, names, strict=True)
        ]
    )
    assert kinds(results) == ["LastAdmin"] + ["Principal"] * 7


def test_one_is_removed_while_the_other_is_demoted(processes, access):
    for name in ("ada", "bob"):
        access.principals.create(ROOT, name, kind="person")
        access.grants.add(ROOT, name, Role.ADMIN)
    grant = access.grants.list(principal="bob")[0]
    results = at_once(
        [
            lambda: processes[1].principals.delete(ROOT, "ada"),
            lambda: processes[2].grants.remove(ROOT, grant.id),
        ]
    )
    assert sum(isinstance(result, LastAdmin) for result in results) == 1


def test_a_link_makes_one_first_admin(processes, access):
    code = access.links.for_first_admin(ROOT).code
    results = at_once(
        [
            lambda item=item, number=number: item.links.make_first_admin(code, f"admin-{number}", GOOD)
            for number, item in enumerate(processes[:4])
        ]
    )
    assert sum(isinstance(result, LinkUnusable) for result in results) == 3
    assert count(access, principals) == 1


def test_a_role_given_at_once_is_there_once(processes, access, flows):
    at_once([lambda item=item: item.grants.add(ROOT, "flows", Role.EDITOR, workspace="prod") for item in processes])
    assert len(access.grants.list(principal="flows")) == 2


def test_attempts_at_once_do_not_slip_through(processes):
    results = at_once([lambda item=item: [attempt(item) for _ in range(4)] for item in processes])
    assert sum(admitted for result in results for admitted in result) == 10


def attempt(access):
    try:
        access.guard.attempt("ada", HERE)
    except TooManyRequests:
        return False
    return True


def test_a_revocation_holds_in_another_process(processes, access, flows):
    made = access.tokens.create(ROOT, "flows", "ci")
    other = processes[1].identities
    assert other.caller_of_token(made.text, HERE).may("documents:load", "prod")
    access.tokens.revoke(ROOT, made.token.id)
    other.forget()
    with pytest.raises(SignInRequired):
        other.caller_of_token(made.text, HERE)


def test_a_new_root_key_wraps_the_server_key(postgres_url, access, tmp_path):
    before = access.key.prove(Pepper.TOKENS, "text")
    new = (tmp_path / "new.key").as_uri()
    registry = DirectRegistry(postgres_url, key=(tmp_path / "root.key").as_uri())
    registry.keys.rewrap(new, create=True)
    registry.close()
    fresh = DirectRegistry(postgres_url, key=new)
    assert fresh.access.key.prove(Pepper.TOKENS, "text") == before
    fresh.close()


def test_pages_sessions_and_sweeping_work_here_too(access, flows):
    session = access.sessions.begin(access.principals.get("flows").id, HERE)
    assert access.identities.caller_of_session(session.cookie, HERE).name == "flows"
    assert [item.name for item in access.principals.list(limit=1).items] == ["flows"]
    assert access.guard._storage.sweep() == 0


@pytest.mark.parametrize("odd", ["a\0", "\ud800"])
def test_text_that_no_database_takes_is_told_as_any_other(access, odd):
    with pytest.raises(SignInRequired):
        access.sign_in.check(odd, odd, HERE)
    with pytest.raises(PrincipalNotFound):
        access.principals.disable(ROOT, odd)
    access.sessions.end(odd)


def test_no_token_slips_in_while_its_principal_is_disabled(processes, access, flows):
    results = at_once(
        [lambda item=item: item.tokens.create(ROOT, "flows", "x") for item in processes[1:]]
        + [lambda: access.principals.disable(ROOT, "flows")]
    )
    assert "Principal" in kinds(results)
    assert [item.revoked_at for item in access.tokens.list("flows").items].count(None) == 0
