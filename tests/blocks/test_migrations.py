"""Newer classes read older documents: validation first, then migrations in order; older classes say so plainly."""

import gc
import json
import logging

import pytest
from pydantic import SecretStr

from typecase.blocks import Block, BlockType, field, migration, use_registry
from typecase.blocks.catalog import CATALOG
from typecase.blocks.errors import (
    DocumentIsNewer,
    InvalidBlock,
    InvalidBlockType,
    KindMismatch,
    MigrationFailed,
    RegistryUnreachable,
)
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.migrations import migrations_of
from typecase.blocks.schema import definition_of

SLUG = "evolving-store"


class StoreV1(Block):
    """A store, as it was first."""

    __block__ = BlockType(slug=SLUG)

    address: str
    password: SecretStr | None = None


class StoreV2(Block):
    """A store whose address is split."""

    __block__ = BlockType(slug=SLUG)

    host: str
    port: str
    password: SecretStr | None = None

    @migration(from_version=1)
    @staticmethod
    def split_address(data):
        host, _, port = data.pop("address").partition(":")
        return {**data, "host": host, "port": port}


class StoreV3(Block):
    """A store whose port is a number."""

    __block__ = BlockType(slug=SLUG)

    host: str
    port: int = field(ge=1)
    password: SecretStr | None = None

    # Declared against the order in which they run.
    @migration(from_version=2)
    @staticmethod
    def number_port(data):
        return {**data, "port": int(data["port"] or 5432)}

    @migration(from_version=1)
    @staticmethod
    def split_address(data):
        return StoreV2.split_address(data)


class Shelf(Block):
    """Holds stores."""

    __block__ = BlockType(slug="evolving-shelf")

    store: Block | None = None
    stores: list[Block] = field(default_factory=list[Block])


@pytest.fixture
def installed(monkeypatch):
    """Install a class under its slug, as the package of that version would."""
    gc.collect()

    def install(cls: type[Block], slug: str = "") -> type[Block]:
        monkeypatch.setitem(CATALOG._classes, slug or cls.__block__.slug, cls)
        return cls

    return install


@pytest.fixture
def registry():
    with use_registry(MemoryRegistry()) as registry:
        for cls in (StoreV1, StoreV2, StoreV3):
            registry.types.register(definition_of(cls), force=True)
        yield registry


@pytest.fixture
def old(registry, installed, canary):
    """A document of version 1."""
    installed(StoreV1)(address="db.internal:5433", password=SecretStr(canary)).save("db")


def test_a_newer_class_reads_an_older_document(old, installed, canary):
    installed(StoreV2)
    block = Block.load("db")
    assert (block.host, block.port, block.password.get_secret_value()) == ("db.internal", "5433", canary)


def test_migrations_run_in_order_from_the_stored_version(old, installed):
    installed(StoreV3)
    assert Block.load("db").port == 5433
    installed(StoreV2)(host="h", port="17").save("second")
    installed(StoreV3)
    assert Block.load("second").port == 17


def test_a_migrated_block_is_saved_at_the_newest_version_over_the_old_document(old, registry, installed):
    installed(StoreV3)
    revision = Block.load("db").save("db")
    assert (revision.number, revision.schema_version) == (2, 3)
    assert registry.documents.get("db", workspace="default", revision=1).schema_version == 1


def test_a_document_that_validates_is_not_migrated(registry, installed):
    class Same(Block):
        __block__ = BlockType(slug=SLUG)
        address: str
        extra: int = 0

        @migration(from_version=1)
        @staticmethod
        def never(data):
            raise AssertionError

    installed(StoreV1)(address="a:1").save("db")
    installed(Same)
    assert Block.load("db").address == "a:1"


def test_a_new_secret_with_a_default_needs_no_migration(old, registry, installed):
    class Guarded(Block):
        __block__ = BlockType(slug=SLUG)
        address: str
        token: SecretStr = SecretStr("a made-up default")

    installed(Guarded)
    assert Block.load("db").token.get_secret_value() == "a made-up default"
    installed(StoreV1)
    installed(Shelf)(store=StoreV1(address="a")).save("shelf")
    installed(Guarded)
    assert Block.load("shelf").store.token.get_secret_value() == "a made-up default"


def test_inline_blocks_migrate_by_their_own_version(registry, installed):
    installed(Shelf)(store=installed(StoreV1)(address="a:1"), stores=[StoreV1(address="b:2")]).save("shelf")
    installed(StoreV3)
    shelf = Shelf.load("shelf")
    assert [shelf.store.port, shelf.stores[0].port] == [1, 2]


def test_referenced_documents_migrate_by_their_own_version(old, installed):
    installed(Shelf)(store=Block.load("db")).save("shelf")
    installed(StoreV3)
    assert Shelf.load("shelf").store.host == "db.internal"


def test_without_a_migration_the_error_names_fields_and_the_fix(old, installed, canary):
    class Other(Block):
        __block__ = BlockType(slug=SLUG)
        machine: str

    installed(Other)
    with pytest.raises(InvalidBlock, match=r"machine.*\n.*schema version 1") as raised:
        Block.load("db")
    assert "typecase blocks edit db" in raised.value.hint
    assert canary not in str(raised.value)


def test_a_result_that_does_not_validate_is_told_with_the_migrations_that_ran(old, installed, canary):
    class Wrong(Block):
        __block__ = BlockType(slug=SLUG)
        port: int

        @migration(from_version=1)
        @staticmethod
        def guess(data):
            return {"port": data["password"]}

    installed(Wrong)
    with pytest.raises(InvalidBlock, match=r"port: .*") as raised:
        Block.load("db")
    assert "Wrong.guess ran" in raised.value.hint
    assert canary not in f"{raised.value!r} {vars(raised.value)}"
    assert raised.value.__cause__ is raised.value.__context__ is None


def failing_classes():
    class Raises(Block):
        __block__ = BlockType(slug=SLUG)
        host: str

        @migration(from_version=1)
        @staticmethod
        def broken(data):
            raise KeyError(data["password"])

    class Returns(Block):
        __block__ = BlockType(slug=SLUG)
        host: str

        @migration(from_version=1)
        @staticmethod
        def broken(data):
            data["host"] = "nobody returns it"

    class Objects(Block):
        __block__ = BlockType(slug=SLUG)
        host: str

        @migration(from_version=1)
        @staticmethod
        def broken(data):
            return {"host": SecretStr(data["password"])}

    return [(Raises, "KeyError in line"), (Returns, "NoneType, not a dict"), (Objects, "JSON cannot express")]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_failing_migration_is_named_without_values(old, installed, canary, number):
    cls, reason = failing_classes()[number]
    installed(cls)
    with pytest.raises(MigrationFailed, match=reason) as raised:
        Block.load("db")
    error = raised.value
    assert (error.migration, error.from_version) == (f"{cls.__qualname__}.broken", 1)
    assert canary not in f"{error} {error!r} {vars(error)}"
    assert error.__cause__ is error.__context__ is None


def test_a_failing_migration_leaves_no_value_in_its_traceback(old, installed, canary):
    cls, _ = failing_classes()[0]
    installed(cls)
    with pytest.raises(MigrationFailed) as raised:
        Block.load("db")
    step = raised.value.__traceback__.tb_next
    while step is not None:
        assert canary not in repr(step.tb_frame.f_locals)
        step = step.tb_next


def test_a_failing_migration_of_an_inline_block_is_named_too(registry, installed, canary):
    installed(Shelf)(store=installed(StoreV1)(address="a", password=SecretStr(canary))).save("shelf")
    installed(failing_classes()[0][0])
    with pytest.raises(InvalidBlock, match=r"store: .*broken failed: KeyError") as raised:
        Block.load("shelf")
    assert canary not in str(raised.value)


def test_a_migration_sees_plain_dict_keys_as_they_were_given(registry, installed):
    class Before(Block):
        __block__ = BlockType(slug="evolving-keys")
        labels: dict[str, str]

    class After(Block):
        __block__ = BlockType(slug="evolving-keys")
        names: dict[str, str]

        @migration(from_version=1)
        @staticmethod
        def rename(data):
            return {"names": data["labels"]}

    installed(Before)(labels={"$block": "plain"}).save("keys")
    installed(After)
    assert Block.load("keys").names == {"$block": "plain"}


def test_migrations_may_be_plain_functions_and_class_methods(old, installed):
    class Store(Block):
        __block__ = BlockType(slug=SLUG)
        host: str
        kind: str

        @migration(from_version=1)
        def plain(data):  # noqa: N805  a plain function is one of the forms
            return {"host": data["address"]}

        @migration(from_version=2)
        @classmethod
        def with_class(cls, data):
            return {**data, "kind": cls.__name__}

    installed(Store)
    assert (Block.load("db").host, Block.load("db").kind) == ("db.internal:5433", "Store")


def test_two_migrations_from_one_version_are_refused():
    with pytest.raises(InvalidBlockType, match=r"one.*other.*schema version 2"):

        class Twice(Block):
            __block__ = BlockType(slug="evolving-twice")

            @migration(from_version=2)
            @staticmethod
            def one(data):
                return data

            @migration(from_version=2)
            @staticmethod
            def other(data):
                return data


@pytest.mark.parametrize("version", [0, -1, True, "1", None])
def test_versions_begin_at_one(version):
    with pytest.raises(InvalidBlockType, match="schema version"):
        migration(from_version=version)


def test_only_a_function_can_be_a_migration():
    with pytest.raises(InvalidBlockType, match="int"):
        migration(from_version=1)(3)


def test_a_type_does_not_inherit_the_migrations_of_another_type_but_those_of_a_mixin():
    class Mixin(Block):
        @migration(from_version=1)
        @staticmethod
        def mixed(data):
            return data

        @migration(from_version=2)
        @staticmethod
        def replaced(data):
            return data

    class Parent(Mixin):
        __block__ = BlockType(slug="evolving-parent")

        @migration(from_version=3)
        @staticmethod
        def parental(data):
            return data

    class Child(Parent):
        __block__ = BlockType(slug="evolving-child")

        @migration(from_version=2)
        @staticmethod
        def own(data):
            return data

    def names(cls, version):
        return [step.name.rpartition(".")[2] for step in migrations_of(cls, cls.__block__.slug, version)]

    assert names(Parent, 1) == ["mixed", "replaced", "parental"]
    assert names(Child, 1) == ["mixed", "own"]
    assert names(Child, 2) == ["own"]
    assert names(Child, 3) == []


def test_an_older_class_says_that_the_document_is_newer(registry, installed):
    installed(StoreV3)(host="h", port=1).save("db")
    installed(StoreV1)
    with pytest.raises(InvalidBlock, match=r"address") as raised:
        Block.load("db")
    assert "newer schema version 3" in raised.value.hint
    assert f"by package {definition_of(StoreV3).package}" in raised.value.hint
    assert "upgrade" in raised.value.hint


def test_an_older_class_says_so_of_an_inline_block_too(registry, installed):
    installed(Shelf)(store=installed(StoreV3)(host="h", port=1)).save("shelf")
    installed(StoreV1)
    with pytest.raises(InvalidBlock) as raised:
        Block.load("shelf")
    assert "newer schema version 3 of 'evolving-store'" in raised.value.hint


def test_an_unreachable_registry_does_not_hide_the_problem(registry, installed, monkeypatch):
    installed(StoreV3)(host="h", port=1).save("db")
    installed(StoreV1)

    def fail(*_):
        raise RegistryUnreachable("gone")

    monkeypatch.setattr(registry.types, "version", fail)
    with pytest.raises(InvalidBlock, match="address"):
        Block.load("db")


def test_saving_over_a_newer_document_is_refused_except_under_another_name(registry, installed):
    class Older(Block):
        __block__ = BlockType(slug="evolving-wider")
        host: str

    class Wider(Block):
        __block__ = BlockType(slug="evolving-wider")
        host: str
        region: str = ""

    registry.types.register(definition_of(Older))
    installed(Wider)(host="h", region="eu").save("db")
    installed(Older)
    block = Block.load("db")
    with pytest.raises(DocumentIsNewer, match="Upgrade") as raised:
        block.save("db")
    assert (raised.value.schema_version, raised.value.newer) == (1, 2)
    with pytest.raises(DocumentIsNewer):
        block.save("db", overwrite=True)
    assert block.save("copy").number == 1
    assert json.loads(registry.load("db", workspace="default").root.data)["region"] == "eu"


def test_nothing_is_logged_of_what_is_migrated(old, installed, canary, caplog):
    installed(StoreV3)
    with caplog.at_level(logging.DEBUG):
        Block.load("db")
    assert canary not in caplog.text


class Moved(Block):
    """A type under its new slug."""

    __block__ = BlockType(slug="evolving-moved", aliases=(SLUG,))

    url: str

    @migration(from_version=1, slug=SLUG)
    @staticmethod
    def from_address(data):
        return {"link": data["address"]}

    @migration(from_version=1)
    @staticmethod
    def from_link(data):
        return {"url": data["link"]}


def test_a_document_under_a_former_slug_is_read_by_the_class_that_claims_it(old, installed):
    installed(Moved, SLUG)
    assert Block.load("db").url == "db.internal:5433"
    assert Block.load(f"{SLUG}/db").url == Block.load("db").url


def test_both_slugs_select_the_document_before_and_after_it_is_saved_again(old, registry, installed):
    installed(Moved)
    installed(Moved, SLUG)
    assert Block.load("evolving-moved/db") == Block.load(f"{SLUG}/db")
    revision = Block.load("db").save("db")
    assert (revision.number, revision.type_slug, revision.schema_version) == (2, "evolving-moved", 1)
    assert Block.load("evolving-moved/db") == Block.load(f"{SLUG}/db")
    with pytest.raises(KindMismatch):
        Block.load("evolving-shelf/db")


def test_the_older_revisions_keep_their_slug(old, registry, installed):
    installed(Moved)
    installed(Moved, SLUG)
    Block.load("db").save("db")
    assert Block.load("db", revision=1).url == "db.internal:5433"
    history = registry.documents.history("db", workspace="default").items
    assert [(item.type_slug, item.schema_version) for item in history] == [("evolving-moved", 1), (SLUG, 1)]


def test_only_a_declared_alias_changes_the_type_of_a_document(old, installed):
    with pytest.raises(KindMismatch, match="cannot become"):
        installed(Shelf)().save("db", overwrite=True)


def test_a_migration_of_a_slug_that_is_no_alias_is_refused():
    with pytest.raises(InvalidBlockType, match="no alias"):

        class Stray(Block):
            __block__ = BlockType(slug="evolving-stray")

            @migration(from_version=1, slug="something-else")
            @staticmethod
            def step(data):
                return data


def test_a_local_class_is_found_by_its_alias():
    class Heir(Block):
        __block__ = BlockType(slug="evolving-heir", aliases=("evolving-ancestor",))

    assert CATALOG.get("evolving-ancestor") is Heir


def test_an_alias_of_itself_is_refused():
    with pytest.raises(InvalidBlockType, match="itself"):
        BlockType(slug="one", aliases=("one",))
