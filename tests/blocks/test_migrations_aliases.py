"""A renamed or moved type is found under its former slug through an entry point of its own."""

import importlib
import logging
import shutil
import sys
from dataclasses import replace

import pytest

from typecase.blocks import Block, BlockType, use_registry
from typecase.blocks.catalog import CATALOG
from typecase.blocks.compatibility import Rule
from typecase.blocks.errors import BlockTypeNotFound, BrokenPlugin, DuplicateBlockType, InvalidBlock
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.schema import definition_of

MODULE = """
from typecase.blocks import Block, BlockType

class Plugged(Block):
    __block__ = BlockType(slug={slug!r}, aliases={aliases!r})
    origin: str = {module!r}
    {field}
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Writes a package with one class under several slugs: its own and, after it, its aliases."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def install(package, slug, *aliases, claimed=None, field=""):
        module = package.replace("-", "_")
        claims = aliases if claimed is None else claimed
        (site / f"{module}.py").write_text(MODULE.format(slug=slug, aliases=claims, module=module, field=field))
        info = site / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = "".join(f"{name} = {module}:Plugged\n" for name in (slug, *aliases))
        (info / "entry_points.txt").write_text(f"[typecase.blocks]\n{lines}")
        importlib.invalidate_caches()
        CATALOG.refresh()

    before = set(sys.modules)
    yield install
    for name in set(sys.modules) - before:
        del sys.modules[name]
    CATALOG.refresh()


@pytest.fixture
def uninstall(tmp_path):
    """Takes away what `install` wrote of a package."""

    def uninstall(package):
        module = package.replace("-", "_")
        shutil.rmtree(tmp_path / "site" / f"{module}-1.0.dist-info")
        (tmp_path / "site" / f"{module}.py").unlink()
        importlib.invalidate_caches()
        CATALOG.refresh()

    return uninstall


@pytest.fixture
def registry():
    with use_registry(MemoryRegistry()) as registry:
        yield registry


def test_an_alias_leads_to_the_class(install):
    install("aliased-one", "alias-new-one", "alias-old-one")
    assert CATALOG.get("alias-old-one").__block__.slug == "alias-new-one"
    assert CATALOG.get("alias-old-one") is CATALOG.get("alias-new-one")


def test_an_entry_point_under_a_slug_that_the_class_does_not_claim_is_broken(install):
    install("aliased-two", "alias-new-two", "alias-old-two", claimed=())
    with pytest.raises(BrokenPlugin, match="calls itself 'alias-new-two'"):
        CATALOG.get("alias-old-two")
    assert CATALOG.get("alias-new-two")


def test_an_alias_without_an_entry_point_is_found_only_once_the_class_is_imported(install):
    install("aliased-three", "alias-new-three", claimed=("alias-old-three",))
    with pytest.raises(BlockTypeNotFound):
        CATALOG.get("alias-old-three")


def test_listing_aliases_imports_nothing(install):
    install("aliased-four", "alias-new-four", "alias-old-four")
    assert {"alias-new-four", "alias-old-four"} <= {entry.slug for entry in CATALOG}
    assert "aliased_four" not in sys.modules


def test_a_package_that_declares_the_slug_itself_comes_before_one_that_claims_it(install, caplog):
    install("aliased-heir", "alias-new-five", "alias-old-five")
    install("aliased-owner", "alias-old-five")
    with caplog.at_level(logging.WARNING):
        assert CATALOG.get("alias-old-five").model_fields["origin"].default == "aliased_owner"
        assert CATALOG.get("alias-new-five").model_fields["origin"].default == "aliased_heir"
    assert "alias-old-five" not in caplog.text


def test_two_packages_that_claim_one_slug_are_both_refused(install):
    install("aliased-first", "alias-new-six", "alias-old-six")
    install("aliased-second", "alias-new-seven", "alias-old-six")
    with pytest.raises(DuplicateBlockType, match=r"aliased-first and by aliased-second"):
        CATALOG.get("alias-old-six")


def test_documents_of_a_package_stay_loadable_when_another_took_the_type_over(install, uninstall, registry):
    install("aliased-gone", "alias-old-eight")
    CATALOG.get("alias-old-eight")(origin="saved long ago").save("db")
    uninstall("aliased-gone")
    install("aliased-next", "alias-new-eight", "alias-old-eight")
    assert Block.load("alias-old-eight/db").origin == "saved long ago"
    revision = Block.load("db").save("db")
    assert (revision.type_slug, registry.types.get("alias-new-eight").package) == ("alias-new-eight", "aliased-next")


def test_an_error_names_the_package_that_reads_now(install, uninstall, registry):
    install("aliased-before", "alias-old-nine")
    CATALOG.get("alias-old-nine")().save("db")
    uninstall("aliased-before")
    install("aliased-after", "alias-new-nine", "alias-old-nine", field="more: int")
    with pytest.raises(InvalidBlock, match="more") as raised:
        Block.load("db")
    assert "schema version 1 of aliased-before" in raised.value.hint
    assert "a version of aliased-after that reads it" in raised.value.hint


def test_a_type_moves_to_another_package_with_its_documents(install, uninstall, registry):
    install("moved-from", "alias-moved")
    CATALOG.get("alias-moved")(origin="saved long ago").save("db")
    uninstall("moved-from")
    install("moved-to", "alias-moved")
    block = Block.load("db")
    assert block.origin == "saved long ago"
    with pytest.raises(DuplicateBlockType, match="`typecase registry register --package moved-to --force`"):
        block.save("db")
    registry.types.register(definition_of(type(block)), force=True)
    assert block.save("db").number == 2
    assert [item.forced for item in registry.types.versions("alias-moved")] == [False, False]


def test_a_renamed_type_inside_a_field_is_no_breaking_change(install, uninstall, registry):
    install("held-before", "alias-held-old")
    registry.types.register(definition_of(_holder(CATALOG.get("alias-held-old"))))
    uninstall("held-before")
    install("held-after", "alias-held-new", "alias-held-old")
    renamed = definition_of(_holder(CATALOG.get("alias-held-new")))
    assert registry.types.register(renamed).number == 2
    backward = registry.types.check(replace(renamed, form={}, digest="0" * 64)).report.breaking
    assert {item.rule for item in backward} == {Rule.BLOCK_TYPE_CHANGED}


def _holder(cls):
    class Holder(Block):
        __block__ = BlockType(slug="alias-holder")
        held: cls

    return Holder
