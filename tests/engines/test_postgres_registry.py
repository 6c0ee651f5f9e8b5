"""The direct registry on a real PostgreSQL."""

import json
import threading
from dataclasses import replace

import pytest
from sqlalchemy import event, make_url

from typecase.blocks.errors import (
    KeyUnavailable,
    ReferenceCycle,
    RegistryOutdated,
    RegistryUnreachable,
    RevisionConflict,
    SettingsError,
)
from typecase.blocks.records import DocumentFilter, Draft, TypeDefinition
from typecase.registry.direct import DirectRegistry

SCHEMA = {"type": "object", "properties": {"password": {"type": "string", "writeOnly": True}}}
LINK = TypeDefinition(
    slug="link",
    title="Link",
    description="",
    icon="",
    docs="",
    kinds=("Database",),
    package="tests",
    package_version="1",
    schema=SCHEMA,
    form=SCHEMA,
    secret_paths=("password",),
    digest="0" * 64,
)


@pytest.fixture
def bare(postgres_url, tmp_path):
    registry = DirectRegistry(postgres_url, key=(tmp_path / "root.key").as_uri())
    yield registry
    registry.close()


@pytest.fixture
def registry(bare):
    bare.init(create_key_if_missing=True)
    bare.types.register(LINK)
    return bare


def save(registry, name, data, *, workspace="default", **options):
    return registry.documents.save(
        Draft(name=name, workspace=workspace, type_slug="link", schema_version=1, data=data, **options)
    )


def in_threads(*works):
    """Run each work in a thread of its own, all at once; return the results and the errors."""
    barrier = threading.Barrier(len(works))
    results, errors = [], []

    def run(work):
        barrier.wait()
        try:
            results.append(work())
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results, errors


def test_a_load_with_references_five_deep_is_one_statement(registry):
    registry.workspaces.create("staging", parent="default")
    save(registry, "d0", {})
    for depth in range(1, 6):
        save(registry, f"d{depth}", {"next": {"$block": f"d{depth - 1}"}})
    statements = []
    event.listen(registry._store.engine(), "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    tree = registry.load("d5", workspace="staging")
    assert (tree.root.name, len(tree.referenced), len(statements)) == ("d5", 5, 1)
    assert registry.load_id(tree.root.document_id, revision=1) == tree
    assert len(statements) == 2


def test_tables_are_not_made_by_surprise(bare):
    for call in (bare.workspaces.list, bare.key_status, lambda: bare.load("x", workspace="default")):
        with pytest.raises(RegistryOutdated, match="typecase init"):
            call()


def test_a_root_key_is_not_made_by_surprise(bare, tmp_path):
    with pytest.raises(KeyUnavailable):
        bare.init()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RegistryOutdated):
        bare.workspaces.list()


def test_many_may_set_up_at_once(postgres_url, tmp_path):
    key = (tmp_path / "root.key").as_uri()
    registries = [DirectRegistry(postgres_url, key=key) for _ in range(4)]
    made, errors = in_threads(
        *(lambda registry=registry: registry.init(create_key_if_missing=True) for registry in registries)
    )
    status = registries[0].key_status()
    for registry in registries:
        registry.close()
    assert (sorted(made), errors) == ([False, False, False, True], [])
    assert (status.sealed, len(status.data_keys)) == (False, 1)


def test_sixteen_writers_have_one_winner_for_each_revision(registry):
    save(registry, "shared", {"count": 0})

    def increment():
        while True:
            root = registry.load("shared", workspace="default").root
            count = json.loads(root.data)["count"] + 1
            try:
                return save(registry, "shared", {"count": count}, expected_revision=root.revision).number
            except RevisionConflict:
                continue

    numbers, errors = in_threads(*[increment] * 16)
    assert (sorted(numbers), errors) == (list(range(2, 18)), [])
    assert json.loads(registry.load("shared", workspace="default").root.data) == {"count": 16}


def test_writers_who_meet_on_a_new_name_all_get_a_revision(registry):
    numbers, errors = in_threads(*[lambda: save(registry, "new", {}, overwrite=True).number] * 6)
    assert (sorted(numbers), errors) == ([1, 2, 3, 4, 5, 6], [])


def test_of_writers_who_expect_no_document_one_wins(registry):
    numbers, errors = in_threads(*[lambda: save(registry, "new", {}, expected_revision=0).number] * 6)
    assert (numbers, [type(error) for error in errors]) == ([1], [RevisionConflict] * 5)


def test_two_saves_cannot_close_a_cycle_together(registry):
    for number in range(5):
        a, b = f"a{number}", f"b{number}"
        save(registry, a, {})
        save(registry, b, {})
        _, errors = in_threads(
            lambda a=a, b=b: save(registry, a, {"next": {"$block": b}}, overwrite=True),
            lambda a=a, b=b: save(registry, b, {"next": {"$block": a}}, overwrite=True),
        )
        assert [type(error) for error in errors] == [ReferenceCycle]


def test_concurrent_registration_yields_one_version(postgres_url, tmp_path, registry):
    others = [DirectRegistry(postgres_url, key=(tmp_path / "root.key").as_uri()) for _ in range(4)]
    fresh = replace(LINK, slug="fresh", digest="5" * 64)
    versions, errors = in_threads(*(lambda other=other: other.types.register(fresh).number for other in others))
    for other in others:
        other.close()
    assert (versions, errors) == ([1, 1, 1, 1], [])


def test_pages_go_by_the_same_order_as_on_sqlite(registry):
    for name in ("b", "B", "a-b", "a.b", "a_b", "Z", "9"):
        save(registry, name, {})
    seen, cursor = [], None
    while True:
        page = registry.documents.list(workspace="default", cursor=cursor, limit=2)
        seen += [item.name for item in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == sorted(seen) == ["9", "B", "Z", "a-b", "a.b", "a_b", "b"]


def test_a_search_ignores_case_and_takes_wildcards_literally(registry):
    save(registry, "Orders", {}, description="100% of it")
    save(registry, "other", {}, description="1000 of it")

    def found(**where):
        return [item.name for item in registry.documents.list(workspace="default", where=DocumentFilter(**where)).items]

    assert found(search="oRDER") == ["Orders"]
    assert found(search="100%") == ["Orders"]
    assert found(kind="Database") == ["Orders", "other"]
    assert found(kind="ObjectStore") == []


def test_a_server_that_is_gone_is_unreachable(tmp_path):
    registry = DirectRegistry("postgresql://u:hunter2@127.0.0.1:9/db", key=(tmp_path / "root.key").as_uri())
    with pytest.raises(RegistryUnreachable) as caught:
        registry.load("x", workspace="default")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_server_without_a_trusted_certificate_is_refused_where_the_url_asks_for_one(postgres_url, tmp_path):
    query = {"sslmode": "verify-full", "sslrootcert": str(tmp_path / "no.pem")}
    strict = make_url(postgres_url).update_query_dict(query).render_as_string(hide_password=False)
    registry = DirectRegistry(strict, key=(tmp_path / "root.key").as_uri())
    with pytest.raises(RegistryUnreachable, match=r"SSL|certificate"):
        registry.init(create_key_if_missing=True)
    registry.close()


def test_a_database_that_does_not_exist_is_unreachable(postgres_url, tmp_path):
    url = make_url(postgres_url).set(database="typecase_never_made").render_as_string(hide_password=False)
    registry = DirectRegistry(url, key=(tmp_path / "root.key").as_uri())
    with pytest.raises(RegistryUnreachable, match="typecase_never_made"):
        registry.load("x", workspace="default")


@pytest.mark.parametrize("url", ["postgresql://u:hunter2@host/db", "postgresql://u@host/db?password=hunter2"])
def test_the_password_of_the_url_is_shown_nowhere(url):
    registry = DirectRegistry(url)
    assert "hunter2" not in f"{registry!r} {registry.url} {vars(registry)} {vars(registry._store)}"


@pytest.mark.parametrize("url", ["mysql://h/db", "postgresql://host", "nonsense"])
def test_another_url_is_refused(url):
    with pytest.raises(SettingsError, match="not that of a PostgreSQL database"):
        DirectRegistry(url)
