"""Every endpoint, for every role, in the caller's own workspace and in another one. A new endpoint needs a row."""

import json
import shutil
from dataclasses import dataclass, field

import httpx
import pytest
from fakes.serving import server_of, serving

from typecase.blocks.records import Draft
from typecase.blocks.remote.wire import plain
from typecase.blocks.schema import definition_of
from typecase.blocks.testing.samples import LOGIN, Login, register_samples
from typecase.registry.access.authority import operator
from typecase.registry.access.callers import Caller, Grant
from typecase.registry.access.parts import Access
from typecase.registry.access.permissions import Permission, Role
from typecase.registry.data_keys import DataKeys
from typecase.registry.file_registry import FileRegistry
from typecase.registry.server.app import create_app

CANARY = "canary-b1c2d3-of-the-matrix"
OWN, OTHER = "own", "other"
API = "/api/v1"


@dataclass(frozen=True)
class Row:
    """What an operation needs, where: in the workspace of its path, in any (`anywhere`), or everywhere (`server`)."""

    permission: Permission | None
    place: str = "workspace"
    body: object = None
    query: dict = field(default_factory=dict)
    headers: dict = field(default_factory=dict)
    shows_secrets: bool = False
    also: tuple = ()


WHOLE = {"type_slug": LOGIN, "schema_version": 1, "data": {"user": "ada", "password": CANARY}, "overwrite": True}
DEFINITION = plain(type(definition_of(Login)), definition_of(Login))
P = Permission

ROWS = {
    "live": Row(None, "public"),
    "ready": Row(None, "public"),
    "list_workspaces": Row(None, "signed in"),
    "create_workspace": Row(P.WORKSPACES_WRITE, "server", body={"name": "made"}),
    "get_workspace": Row(P.WORKSPACES_READ),
    "update_workspace": Row(P.WORKSPACES_WRITE, body={"description": "new"}),
    "delete_workspace": Row(P.WORKSPACES_WRITE, "server"),
    "list_types": Row(P.TYPES_READ, "anywhere"),
    "register_type": Row(P.TYPES_WRITE, "anywhere", body=DEFINITION),
    "check_type": Row(P.TYPES_READ, "anywhere", body=DEFINITION),
    "get_type": Row(P.TYPES_READ, "anywhere"),
    "list_versions": Row(P.TYPES_READ, "anywhere"),
    "get_version": Row(P.TYPES_READ, "anywhere"),
    "get_default_rule": Row(P.TYPES_READ, "anywhere"),
    "change_default_rule": Row(P.TYPES_ADMIN, "server", body={"mode": "full"}),
    "get_rule": Row(P.TYPES_READ, "anywhere"),
    "change_rule": Row(P.TYPES_ADMIN, "server", body={"mode": "full"}),
    "list_documents": Row(P.DOCUMENTS_READ),
    "get_document": Row(P.DOCUMENTS_READ),
    "put_document": Row(P.DOCUMENTS_WRITE, body=WHOLE),
    "create_document": Row(P.DOCUMENTS_WRITE, body={"name": "made", "type_slug": LOGIN, "data": {"password": CANARY}}),
    "get_form": Row(P.DOCUMENTS_READ),
    "edit_document": Row(P.DOCUMENTS_WRITE, body={"data": {"user": "bob"}}, headers={"If-Match": '"1"'}),
    "describe_document": Row(P.DOCUMENTS_WRITE, body={"description": "new"}),
    "delete_document": Row(P.DOCUMENTS_WRITE),
    "rename_document": Row(P.DOCUMENTS_WRITE, body={"name": "renamed"}),
    "list_dependents": Row(P.DOCUMENTS_READ),
    "list_revisions": Row(P.DOCUMENTS_READ),
    "compare_revisions": Row(P.DOCUMENTS_READ, query={"before": 1, "after": 1}),
    "restore_revision": Row(P.DOCUMENTS_WRITE, body={"revision": 1}),
    "load_document": Row(P.DOCUMENTS_LOAD, shows_secrets=True),
    "load_document_by_id": Row(P.DOCUMENTS_LOAD, "document", shows_secrets=True),
    "get_status": Row(P.KEYS_READ, "server"),
    "plan_rotation": Row(P.KEYS_READ, "server", body={}),
    "rotate_keys": Row(P.KEYS_WRITE, "server", body={}),
    "retire_keys": Row(P.KEYS_WRITE, "server", body={}),
    "plan_rewrapping": Row(P.KEYS_READ, "server", body={}),
    "rewrap_keys": Row(P.KEYS_WRITE, "server", body={}),
    "list_key_events": Row(P.KEYS_READ, "server"),
    "sign_in_with_password": Row(None, "public", body={"name": "ada", "password": "wrong"}),
    "make_first_admin": Row(None, "public", body={"code": "wrong", "name": "eve", "password": "long enough to be one"}),
    "set_new_password": Row(None, "public", body={"code": "wrong", "password": "long enough to be one"}),
    "get_me": Row(None, "signed in"),
    "list_principals": Row(P.ACCESS_READ, "server"),
    "create_principal": Row(P.ACCESS_WRITE, "server", body={"name": "bob", "kind": "person"}),
    "get_principal": Row(P.ACCESS_READ, "server"),
    "describe_principal": Row(P.ACCESS_WRITE, "server", body={"title": "Etl"}),
    "disable_principal": Row(P.ACCESS_WRITE, "server"),
    "enable_principal": Row(P.ACCESS_WRITE, "server"),
    "delete_principal": Row(P.ACCESS_WRITE, "server"),
    "create_password_link": Row(P.ACCESS_WRITE, "server", also=(422,)),  # the template has a service account
    "list_tokens": Row(P.ACCESS_READ, "server"),
    "create_token": Row(P.ACCESS_WRITE, "server", body={"name": "nightly"}),
    "revoke_token": Row(P.ACCESS_WRITE, "server"),
    "list_grants": Row(P.ACCESS_READ, "workspace", query={"workspace": "own"}),
    "create_grant": Row(P.ACCESS_WRITE, body={"principal": "etl", "role": "viewer", "workspace": "own"}),
    "delete_grant": Row(P.ACCESS_WRITE),
    "list_events": Row(P.AUDIT_READ, "anywhere"),
    "get_anchor": Row(P.AUDIT_READ, "server"),
    "verify_chain": Row(P.AUDIT_READ, "server"),
    "export_events": Row(P.AUDIT_READ, "server"),
    "list_uses": Row(P.DOCUMENTS_READ),
    "list_unused": Row(P.DOCUMENTS_READ, query={"since": "2026-01-01T00:00:00Z"}),
    "list_expiring": Row(P.DOCUMENTS_READ, query={"before": "2030-01-01T00:00:00Z"}),
}

CALLERS = {
    "outsider": (),
    **{f"{role} here": (Grant(role=role, workspace=OWN),) for role in Role},
    **{f"{role} elsewhere": (Grant(role=role, workspace=OTHER),) for role in Role},
    **{f"{role} everywhere": (Grant(role=role),) for role in Role},
}


def operations():
    document = create_app(server_of(None)).openapi()
    return {
        operation["operationId"]: (method, path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


OPERATIONS = operations()


def may(caller, row):
    """What the table of roles says, in this test's own words."""
    from typecase.registry.access.permissions import PERMISSIONS

    grants = CALLERS[caller]
    if row.place in {"public", "signed in"}:
        return True
    fitting = [grant for grant in grants if row.permission in PERMISSIONS[grant.role]]
    if row.place == "server":
        return any(grant.workspace is None for grant in fitting)
    if row.place == "anywhere":
        return bool(fitting)
    return any(grant.workspace in {None, OWN} for grant in fitting)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("matrix")
    registry = FileRegistry(folder / "registry.db", DataKeys(f"file://{folder}/root.key"))
    registry.init(create_key_if_missing=True)
    register_samples(registry)
    for workspace in (OWN, OTHER):
        registry.workspaces.create(workspace)
        data = {"user": "ada", "password": CANARY}
        registry.documents.save(
            Draft(name="db", workspace=workspace, type_slug=LOGIN, schema_version=1, data=data, author="setup")
        )
    identity = registry.documents.get("db", workspace=OWN).id
    access, setup = Access(registry.store, registry.data_keys), operator("setup")
    # An admin who stays, so that the others are not the last.
    access.principals.create(setup, "root", kind="person")
    access.grants.add(setup, "root", Role.ADMIN)
    access.principals.create(setup, "etl", kind="service")
    grant = access.grants.add(setup, "etl", Role.VIEWER, workspace=OWN).id
    token = access.tokens.create(setup, "etl", "old").token.id
    registry.close()
    return folder, {"document_id": identity, "grant_id": grant, "token_id": token}


@pytest.fixture(scope="module")
def server():
    with serving() as found, httpx.Client(base_url=found.url) as client:
        yield found, client


@pytest.fixture
def ask(template, tmp_path, server):
    folder, ids = template
    shutil.copytree(folder, tmp_path / "copy")
    registry = FileRegistry(tmp_path / "copy" / "registry.db", DataKeys(f"file://{folder}/root.key"))
    callers = {
        name: Caller(id="c" * 32, name=name.replace(" ", "-"), kind="person", grants=grants)
        for name, grants in CALLERS.items()
    }
    found, client = server
    found.show(registry, callers)
    names = {"workspace": OWN, "name": "db", "slug": LOGIN, "number": 1, **ids}

    def send(operation, caller):
        method, path = OPERATIONS[operation]
        row = ROWS[operation]
        headers = {"Authorization": f"Bearer {caller}", **row.headers} if caller else {}
        placed = {**names, "name": "etl"} if path.startswith(f"{API}/principals") else names
        return client.request(method, path.format(**placed), json=row.body, params=row.query, headers=headers)

    yield send
    registry.close()


def test_every_endpoint_has_a_row():
    assert sorted(OPERATIONS) == sorted(ROWS)


@pytest.mark.parametrize("operation", sorted(ROWS))
def test_without_a_token_only_health_answers(ask, operation):
    answer = ask(operation, None)
    if ROWS[operation].place == "public":
        assert answer.status_code in ({200} if operation in {"live", "ready"} else {401, 422})
    else:
        assert answer.status_code == 401
    assert_hidden(answer)


@pytest.mark.parametrize("caller", sorted(CALLERS))
@pytest.mark.parametrize("operation", sorted(ROWS))
def test_what_a_role_gives(ask, operation, caller):
    row = ROWS[operation]
    answer = ask(operation, caller)
    allowed = may(caller, row)
    refusal = 404 if row.place == "document" and caller != "outsider" and has_anywhere(caller, row) else 403
    if row.place == "public":
        assert answer.status_code in {200, 401, 422}
    elif allowed:
        assert answer.status_code < 300 or answer.status_code in {409, 412, *row.also}, answer.text
    else:
        assert answer.status_code == refusal, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    if not (allowed and row.shows_secrets):
        assert_hidden(answer)


def has_anywhere(caller, row):
    from typecase.registry.access.permissions import PERMISSIONS

    return any(row.permission in PERMISSIONS[grant.role] for grant in CALLERS[caller])


def assert_hidden(answer):
    whole = answer.text + json.dumps(dict(answer.headers))
    assert CANARY not in whole
    assert CANARY[:12] not in whole
