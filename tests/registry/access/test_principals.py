"""People, service accounts and their roles: who may change what, and that an admin is always left."""

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from typecase.blocks.errors import (
    AccessNotFound,
    DocumentNotFound,
    InvalidAccess,
    InvalidName,
    LastAdmin,
    PermissionDenied,
    PrincipalExists,
    PrincipalNotFound,
    RegistryNotEmpty,
    WorkspaceNotFound,
)
from typecase.registry.access.parts import Access
from typecase.registry.access.permissions import Permission, Role
from typecase.registry.data_keys import DataKeys
from typecase.registry.file_registry import FileRegistry
from typecase.registry.tables import grants, sessions, tokens


def count(registry, table):
    return registry._store.read(lambda connection: connection.scalar(select(func.count()).select_from(table)))


def test_somebody_new_may_do_nothing(access, ada):
    made = access.principals.create(ada, "eve", kind="person", title="Eve", email="eve@example.org")
    assert (made.name, made.kind, made.title, made.email, made.has_password) == (
        "eve",
        "person",
        "Eve",
        "eve@example.org",
        False,
    )
    assert access.grants.list(principal="eve") == ()


def test_a_name_is_given_once(access, ada):
    with pytest.raises(PrincipalExists):
        access.principals.create(ada, "ada", kind="service")


@pytest.mark.parametrize("name", ["", "Ada", "a b", "-a", "a" * 129, "a\n", "\u0430da"])
def test_an_odd_name_is_refused(access, ada, name):
    with pytest.raises(InvalidName):
        access.principals.create(ada, name, kind="person")


@pytest.mark.parametrize("facts", [{"title": "a\x1b[2J"}, {"title": "a" * 201}, {"email": "nobody"}])
def test_odd_facts_are_refused(access, ada, facts):
    with pytest.raises(InvalidAccess):
        access.principals.create(ada, "eve", kind="person", **facts)


def test_they_are_listed_by_page(access, ada, bob, flows):
    first = access.principals.list(limit=2)
    assert [item.name for item in first.items] == ["ada", "bob"]
    assert [item.name for item in access.principals.list(limit=2, cursor=first.cursor).items] == ["flows"]
    assert [item.name for item in access.principals.list(kind="service").items] == ["flows"]


def test_nobody_of_that_name(access, ada):
    for work in (access.principals.get, lambda name: access.principals.disable(ada, name)):
        with pytest.raises(PrincipalNotFound):
            work("nobody")


def test_one_changes_ones_own_title_and_nobody_elses(access, ada, bob):
    assert access.principals.describe(bob, "bob", title="Bob").title == "Bob"
    assert access.principals.describe(ada, "bob", email="bob@example.org").title == "Bob"
    for name in ("ada", "nobody"):
        with pytest.raises(PermissionDenied):
            access.principals.describe(bob, name, title="x")


def test_a_narrowed_token_changes_nothing_of_its_owner(access, bob):
    with pytest.raises(PermissionDenied):
        access.principals.describe(replace(bob, permissions=frozenset({Permission.DOCUMENTS_READ})), "bob", title="x")


@pytest.mark.parametrize("action", ["create", "disable", "enable", "delete"])
def test_who_is_no_admin_of_the_server_changes_nobody(access, root, bob, action, as_caller):
    access.grants.add(root, "bob", Role.ADMIN, workspace="prod")
    options = {"kind": "person"} if action == "create" else {}
    with pytest.raises(PermissionDenied):
        getattr(access.principals, action)(as_caller("bob"), "flows", **options)


def test_disabling_ends_sessions_for_good(registry, access, ada, bob):
    access.sessions.begin(bob.id, "192.0.2.7")
    assert access.principals.disable(ada, "bob").disabled_at
    assert count(registry, sessions) == 0


def test_deletion_leaves_nothing(registry, access, root, ada, bob):
    access.tokens.create(bob, "bob", "laptop")
    access.sessions.begin(bob.id, "192.0.2.7")
    before = count(registry, grants)
    access.principals.delete(ada, "bob")
    assert (count(registry, tokens), count(registry, sessions), count(registry, grants)) == (0, 0, before - 1)


LAST = {
    "removed": lambda access, actor: access.principals.delete(actor, "ada"),
    "disabled": lambda access, actor: access.principals.disable(actor, "ada"),
    "demoted": lambda access, actor: access.grants.remove(actor, access.grants.list(principal="ada")[0].id),
}


@pytest.mark.parametrize("action", LAST)
@pytest.mark.parametrize("actor", ["ada", "root"])
def test_the_last_admin_is_not(access, ada, root, action, actor):
    with pytest.raises(LastAdmin):
        LAST[action](access, {"ada": ada, "root": root}[actor])
    assert access.principals.get("ada").disabled_at is None
    assert access.grants.list(principal="ada")[0].role == "admin"


@pytest.mark.parametrize("action", LAST)
def test_the_last_but_one_is(access, ada, root, bob, action):
    access.grants.add(root, "bob", Role.ADMIN)
    LAST[action](access, ada)
    with pytest.raises(LastAdmin):
        access.principals.disable(root, "bob")


def test_a_disabled_admin_does_not_count(access, ada, root, bob):
    access.grants.add(root, "bob", Role.ADMIN)
    access.principals.disable(root, "bob")
    with pytest.raises(LastAdmin):
        access.principals.disable(root, "ada")


def test_an_admin_of_a_workspace_does_not_count(access, ada, root, bob):
    access.grants.add(root, "bob", Role.ADMIN, workspace="prod")
    with pytest.raises(LastAdmin):
        access.principals.disable(root, "ada")


def test_a_role_given_twice_is_there_once(access, ada, bob):
    first = access.grants.add(ada, "bob", Role.EDITOR, workspace="prod")
    assert access.grants.add(ada, "bob", Role.EDITOR, workspace="prod") == first
    assert len(access.grants.list(principal="bob")) == 2


def test_roles_are_listed_by_principal_and_by_workspace(access, ada, bob, flows):
    assert [item.principal for item in access.grants.list()] == ["ada", "bob", "flows"]
    assert [item.principal for item in access.grants.list(workspace="prod")] == ["bob", "flows"]
    assert [item.role for item in access.grants.list(principal="ada")] == ["admin"]


@pytest.fixture
def carl(access, root, as_caller):
    """An admin of prod, and of nothing else."""
    access.principals.create(root, "carl", kind="person")
    access.grants.add(root, "carl", Role.ADMIN, workspace="prod")
    return as_caller("carl")


@pytest.mark.parametrize("role", Role)
def test_an_admin_of_a_workspace_gives_roles_there(access, carl, bob, role):
    given = access.grants.add(carl, "bob", role, workspace="prod")
    assert (given.role, given.workspace) == (role.value, "prod")


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("workspace", [None, "default", "nowhere"])
def test_an_admin_of_a_workspace_gives_none_elsewhere(access, carl, bob, role, workspace):
    with pytest.raises(PermissionDenied):
        access.grants.add(carl, "bob", role, workspace=workspace)


def test_an_admin_of_a_workspace_takes_roles_away_there_only(access, carl, ada, bob):
    elsewhere = access.grants.add(ada, "bob", Role.VIEWER, workspace="default")
    here = access.grants.list(workspace="prod", principal="bob")[0]
    assert access.grants.remove(carl, here.id) == here
    with pytest.raises(PermissionDenied):
        access.grants.remove(carl, elsewhere.id)


def test_who_is_no_admin_gives_no_role_not_even_their_own(access, bob):
    for role in Role:
        with pytest.raises(PermissionDenied):
            access.grants.add(bob, "bob", role, workspace="prod")


def test_a_token_that_may_only_change_access_gives_no_more_than_that(access, ada, bob):
    narrow = replace(ada, permissions=frozenset({Permission.ACCESS_WRITE}))
    for role in Role:
        with pytest.raises(PermissionDenied):
            access.grants.add(narrow, "bob", role, workspace="prod")


def test_an_admin_narrowed_to_a_workspace_gives_none_for_the_server(access, ada, bob):
    narrow = replace(ada, workspaces=frozenset({"prod"}))
    with pytest.raises(PermissionDenied):
        access.grants.add(narrow, "bob", Role.VIEWER)


@pytest.mark.parametrize(
    ("role", "where"),
    [
        (Role.ADMIN, {"workspace": "prod", "tag": "etl"}),
        (Role.ADMIN, {"tag": "etl"}),
        (Role.EDITOR, {"document": "db"}),
        (Role.EDITOR, {"workspace": "prod", "document": "db", "tag": "etl"}),
        (Role.EDITOR, {"tag": ""}),
        (Role.EDITOR, {"tag": "a\nb"}),
    ],
)
def test_an_odd_role_is_refused(access, ada, bob, role, where):
    with pytest.raises(InvalidAccess):
        access.grants.add(ada, "bob", role, **where)


def test_a_role_needs_its_workspace_document_and_principal(access, ada, bob):
    with pytest.raises(WorkspaceNotFound):
        access.grants.add(ada, "bob", Role.VIEWER, workspace="nowhere")
    with pytest.raises(DocumentNotFound):
        access.grants.add(ada, "bob", Role.VIEWER, workspace="prod", document="nothing")
    with pytest.raises(PrincipalNotFound):
        access.grants.add(ada, "nobody", Role.VIEWER, workspace="prod")
    with pytest.raises(AccessNotFound):
        access.grants.remove(ada, "0" * 32)


def test_a_workspace_takes_its_roles_along(registry, access, ada, bob):
    registry.workspaces.delete("prod")
    assert access.grants.list(principal="bob") == ()
    registry.workspaces.create("prod")
    assert access.grants.list(workspace="prod") == ()


@pytest.mark.parametrize("text", ["a\0", "\ud800", "a" * 1000, "'"])
def test_text_that_no_database_takes_is_nobodys_name_and_no_id(access, ada, text):
    with pytest.raises(PrincipalNotFound):
        access.principals.get(text)
    with pytest.raises(AccessNotFound):
        access.grants.remove(ada, text)
    with pytest.raises(AccessNotFound):
        access.tokens.revoke(ada, text)
    with pytest.raises(PrincipalNotFound):
        access.tokens.create(ada, text, "x")


def test_a_registry_with_people_is_not_taken_for_an_unused_one(registry, access, ada, tmp_path):
    registry.workspaces.delete("prod")
    registry.backup(tmp_path / "backup.jsonl")
    with pytest.raises(RegistryNotEmpty):
        registry.restore_backup(tmp_path / "backup.jsonl")
    assert access.principals.get("ada")


def test_a_backup_brings_people_tokens_and_roles_along(registry, access, ada, bob, tmp_path, clock):
    token = access.tokens.create(bob, "bob", "laptop").text
    registry.backup(tmp_path / "backup.jsonl")
    keys = DataKeys(registry._keys.url)
    copy = FileRegistry(tmp_path / "copy.db", keys)
    copy.restore_backup(tmp_path / "backup.jsonl")
    restored = Access(copy._store, keys, clock=clock)
    assert restored.identities.caller_of_token(token, "192.0.2.7").may(Permission.DOCUMENTS_READ, "prod")
    copy.close()
