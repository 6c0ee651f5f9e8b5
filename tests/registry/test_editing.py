"""Documents edited through a real server by people who may not load them."""

from dataclasses import replace

import httpx
import pytest
from fakes.serving import serving

from typecase.blocks.records import Draft
from typecase.blocks.schema import definition_of, digest, secret_paths
from typecase.blocks.testing.samples import LOGIN, PIPELINE, Pipeline, login, pipeline, register_samples
from typecase.registry.access.callers import Caller, Grant
from typecase.registry.access.permissions import Permission, Role
from typecase.registry.data_keys import DataKeys
from typecase.registry.file_registry import FileRegistry

MASK = {"$secret": {"set": True, "source": "literal"}}
WORKSPACE = "/api/v1/workspaces/default"
EDITS = frozenset({Permission.DOCUMENTS_READ, Permission.DOCUMENTS_WRITE})


def caller(name, *grants, permissions=None):
    return Caller(id=name[0] * 32, name=name, kind="person", grants=grants, permissions=permissions)


CALLERS = {
    "editor": caller("eve", Grant(role=Role.EDITOR), permissions=EDITS),
    "viewer": caller("vic", Grant(role=Role.VIEWER)),
    "tagged": caller("tag", Grant(role=Role.EDITOR, tag="team")),
}


@pytest.fixture(scope="module")
def server():
    with serving() as found:
        yield found


@pytest.fixture
def registry(tmp_path, server):
    found = FileRegistry(tmp_path / "registry.db", DataKeys(f"file://{tmp_path}/root.key"))
    found.init(create_key_if_missing=True)
    register_samples(found)
    server.show(found, CALLERS)
    yield found
    found.close()


@pytest.fixture
def api(registry, server):
    """Asks the server as an editor who may not load."""
    with httpx.Client(base_url=f"{server.url}{WORKSPACE}", headers={"Authorization": "Bearer editor"}) as client:
        yield client


@pytest.fixture
def stored(registry):
    """The clear data of a document."""
    return lambda name: registry.load(name, workspace="default").root.data.decode()


@pytest.fixture
def saved(registry, canary):
    """A login with a password."""
    data = {"user": "ada", "password": canary}
    registry.documents.save(Draft(name="db", workspace="default", type_slug=LOGIN, schema_version=1, data=data))


def as_(name):
    return {"Authorization": f"Bearer {name}"}


def send(api, data, name="db", **more):
    headers = {"If-Match": '"1"', **more.pop("headers", {})}
    return api.patch(f"documents/{name}/data", json={"data": data, **more}, headers=headers)


class TestEditing:
    def test_an_editor_who_may_not_load_changes_a_field_and_the_password_is_kept(self, saved, api, registry, canary):
        form = api.get("documents/db/form").json()
        answer = send(api, {**form["data"], "user": "bob"})
        assert answer.status_code == 200
        assert answer.headers["ETag"] == '"2"'
        assert api.post("documents/db/load").status_code == 403
        data = registry.load("db", workspace="default").root.data.decode()
        assert '"user":"bob"' in data
        assert canary in data.replace('\\"', '"')

    def test_no_answer_shows_a_secret(self, saved, api, assert_no_canary):
        answers = [
            api.get("documents/db/form"),
            send(api, {"password": {"$secret": {"set": False}}}),
            send(api, {"user": 5}),
            send(api, {"user": "bob"}),
            api.get("documents/db/form"),
        ]
        assert [answer.status_code for answer in answers] == [200, 422, 422, 200, 200]
        assert_no_canary(*(f"{answer.text} {answer.headers}" for answer in answers))

    def test_what_is_sent_is_in_no_answer(self, saved, api, canary, assert_no_canary):
        refused = send(api, {"password": [f"{canary}x"], "tokens": canary, "user": {"$secret": {"set": canary}}})
        assert refused.status_code == 422
        assert_no_canary(refused.text)

    def test_of_two_editors_at_once_one_is_told_that_it_changed(self, saved, api, stored):
        forms = [api.get("documents/db/form") for _ in range(2)]
        answers = [
            send(api, {"user": name}, headers={"If-Match": form.headers["ETag"]})
            for name, form in zip(("first", "second"), forms, strict=True)
        ]
        assert [answer.status_code for answer in answers] == [200, 412]
        assert "first" in stored("db")

    @pytest.mark.parametrize("headers", [{}, {"If-Match": "*"}])
    def test_a_change_says_what_it_was_made_from(self, saved, api, headers):
        answer = api.patch("documents/db/data", json={"data": {"user": "bob"}}, headers=headers)
        assert answer.status_code == 428
        assert answer.json()["type"] == "urn:typecase:error:precondition-required"

    def test_whoever_may_not_write_is_told_that_first(self, saved, api):
        answer = api.patch("documents/db/data", json={"data": {}}, headers=as_("viewer"))
        assert answer.status_code == 403

    def test_a_problem_names_its_path(self, saved, api):
        answer = send(api, {"login": MASK, "user": MASK})
        assert [problem[0] for problem in answer.json()["facts"]["problems"]] == ["user", "login"]

    def test_a_key_that_utf_8_cannot_write_is_a_problem_too(self, saved, api):
        body = '{"data": {"\\ud800": {"$secret": {"set": true}}}}'
        headers = {"If-Match": '"1"', "Content-Type": "application/json"}
        answer = api.patch("documents/db/data", content=body, headers=headers)
        assert answer.status_code == 422
        assert answer.json()["facts"]["problems"][0][:2] == ["/body", "encoding"]

    def test_a_list_is_put_in_another_order(self, api, registry, stored):
        registry.documents.save(pipeline("line", fields={"tokens": ["t-one", "t-two"]}))
        form = api.get("documents/line/form").json()["data"]
        assert send(api, {"tokens": [form["tokens"][1], "t-new", form["tokens"][0]]}, "line").status_code == 200
        assert '"tokens":["t-two","t-new","t-one"]' in stored("line")

    def test_references_stay_with_their_documents(self, api, registry, stored):
        registry.documents.save(login("other"))
        registry.documents.save(pipeline("line", fields={"login": {"$block": "other"}, "size": 2}))
        before = registry.documents.dependents("other", workspace="default")
        form = api.get("documents/line/form").json()["data"]
        assert form["login"] == {"$block": "other"}
        assert send(api, {**form, "size": 3}, "line").status_code == 200
        assert registry.documents.dependents("other", workspace="default") == before

    def test_facts_are_changed_with_the_data_or_stay(self, saved, api):
        assert send(api, {"user": "bob"}, owner="team").status_code == 200
        assert send(api, {"user": "cyd"}, headers={"If-Match": '"2"'}).status_code == 200
        assert api.get("documents/db").json()["owner"] == "team"

    def test_a_request_that_is_sent_again_is_done_once(self, saved, api):
        answers = [send(api, {"user": "bob"}, headers={"Idempotency-Key": "k"}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert api.get("documents/db").json()["revision"] == 2

    def test_the_event_names_the_changed_fields(self, saved, api, registry, assert_no_canary):
        send(api, {"user": "bob", "password": None})
        (event,) = [item for item in registry.audit.list().items if item.action == "document.save"]
        assert event.facts["fields"] == ["password", "user"]
        assert event.principal == "eve"
        assert_no_canary(repr(event))

    def test_a_document_of_a_parent_is_edited_where_it_is(self, saved, api, registry, server):
        registry.workspaces.create("child", parent="default")
        for path in ("form", "data"):
            url = f"{server.url}/api/v1/workspaces/child/documents/db/{path}"
            answer = api.get(url) if path == "form" else api.patch(url, json={"data": {}}, headers={"If-Match": '"1"'})
            assert answer.status_code == 404

    def test_a_document_that_is_not_there_is_not_made(self, api):
        assert send(api, {"user": "bob"}, "nothing").status_code == 404

    def test_a_secret_is_not_kept_by_a_schema_that_would_show_it(self, api, registry):
        registry.documents.save(pipeline("line", fields={"tokens": ["t-one"]}))
        definition = definition_of(Pipeline)
        properties = {**definition.schema["properties"], "tokens": {"type": "array", "items": {"type": "string"}}}
        schema = {**definition.schema, "properties": properties}
        assert registry.types.register(replaced(definition, schema), force=True).number == 2
        answer = send(api, {"size": 2}, "line", schema_version=2)
        assert answer.status_code == 422
        assert [problem[0] for problem in answer.json()["facts"]["problems"]] == ["tokens.0"]

    def test_an_older_schema_than_the_document_s_is_refused(self, api, registry):
        definition = definition_of(Pipeline)
        properties = {**definition.schema["properties"], "colour": {"type": "string", "default": ""}}
        registry.types.register(replaced(definition, {**definition.schema, "properties": properties}))
        registry.documents.save(Draft(name="line", workspace="default", type_slug=PIPELINE, schema_version=2, data={}))
        assert send(api, {"size": 2}, "line", schema_version=1).status_code == 409


class TestCreating:
    def create(self, api, *, headers=None, **body):
        return api.post("documents", json={"name": "db", "type_slug": LOGIN, **body}, headers=headers)

    def test_a_document_is_made_of_what_a_form_sends(self, api, stored):
        answer = self.create(api, data={"user": None, "password": "********"}, description="new", tags=["a"])
        assert answer.status_code == 201
        assert answer.headers["Location"] == f"{WORKSPACE}/documents/db"
        assert answer.headers["ETag"] == '"1"'
        assert stored("db") == '{"password":"********"}'
        assert api.get("documents/db").json()["tags"] == ["a"]

    def test_its_schema_is_the_newest_unless_another_is_named(self, api, registry):
        assert self.create(api, data={}).json()["schema_version"] == 1
        assert self.create(api, name="other", data={}, schema_version=7).status_code == 404

    def test_a_name_that_is_taken_is_refused(self, saved, api):
        assert self.create(api, data={}).status_code == 409

    def test_there_is_nothing_that_a_mask_could_keep(self, api):
        assert self.create(api, data={"password": MASK}).status_code == 422

    def test_who_may_write_documents_with_a_tag_makes_them_with_it(self, api):
        assert self.create(api, data={}, headers=as_("tagged")).status_code == 403
        assert self.create(api, data={}, tags=["team"], headers=as_("tagged")).status_code == 201


class TestWhoMay:
    def test_a_form_needs_the_right_to_read_that_document(self, saved, api, registry):
        assert api.get("documents/db/form", headers=as_("viewer")).status_code == 200
        assert api.get("documents/db/form", headers=as_("tagged")).status_code == 404
        registry.documents.describe("db", workspace="default", tags=("team",))
        assert api.get("documents/db/form", headers=as_("tagged")).status_code == 200

    def test_an_edit_needs_the_right_to_write_that_document(self, saved, api, registry):
        assert send(api, {"user": "x"}, headers=as_("viewer")).status_code == 403
        assert send(api, {"user": "x"}, headers=as_("tagged")).status_code == 403
        registry.documents.describe("db", workspace="default", tags=("team",))
        assert send(api, {"user": "x"}, headers=as_("tagged")).status_code == 200

    def test_a_document_that_the_editor_may_not_see_is_no_target(self, saved, api, registry):
        registry.documents.save(pipeline("line", tags=("team",)))
        answer = send(api, {"login": {"$block": "db"}}, "line", headers=as_("tagged"))
        assert answer.status_code == 422
        assert answer.json()["type"] == "urn:typecase:error:reference-not-found"


def replaced(definition, schema):
    """The definition with another schema."""
    paths = tuple(sorted(set(secret_paths(schema))))
    return replace(definition, schema=schema, secret_paths=paths, digest=digest(schema, paths, definition.kinds))
