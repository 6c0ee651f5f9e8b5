"""Plugins that are broken, double, shadowing, slow or no blocks: named once, and nothing else stops."""

import importlib
import json
import logging
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from typecase.blocks import Block, BlockType, catalog
from typecase.blocks.catalog import Catalog
from typecase.blocks.errors import BlockTypeNotFound, BrokenPlugin, DuplicateBlockType
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.records import Draft
from typecase.blocks.schema import definition_of
from typecase.integrations.secret import Secret

MODULE = """
from typecase.blocks import Block, BlockType

class {name}(Block):
    __block__ = BlockType(slug="{slug}")
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Writes a distribution with entry points and one module, as an installer would."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def install(package, slug, *, source=None, target=None, lines=None):
        module = package.replace("-", "_")
        if source is None:
            source = MODULE.format(name="Plugged", slug=slug)
        (site / f"{module}.py").write_text(source)
        info = site / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        entry = lines or f"{slug} = {target or f'{module}:Plugged'}"
        (info / "entry_points.txt").write_text(f"[typecase.blocks]\n{entry}\n")
        importlib.invalidate_caches()
        return site

    before = set(sys.modules)
    yield install
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def logged(caplog):
    """The warnings of the catalog so far."""
    caplog.set_level(logging.WARNING)
    return lambda: [record.getMessage() for record in caplog.records if record.name == "typecase.blocks.catalog"]


def slugs(found):
    return {entry.slug for entry in found}


def test_a_plugin_is_listed_with_its_package_and_version(install):
    install("good-plugin", "good")
    (entry,) = [entry for entry in Catalog() if entry.slug == "good"]
    assert (entry.package, entry.package_version, entry.target) == ("good-plugin", "1.2", "good_plugin:Plugged")


def test_a_plugin_is_loaded_by_its_slug(install):
    install("good-plugin", "good")
    assert Catalog().get("good").__module__ == "good_plugin"


def test_a_broken_import_is_named_with_its_package(install, logged):
    install("broken-plugin", "broken", source="import a_module_that_is_not_there")
    found = Catalog()
    assert "broken" in found
    with pytest.raises(BrokenPlugin, match=r"broken-plugin.*a_module_that_is_not_there") as raised:
        found.get("broken")
    assert (raised.value.slug, raised.value.owners) == ("broken", ("broken-plugin",))
    assert set(found.problems) == {"broken"}
    assert len(logged()) == 1


@pytest.mark.parametrize("statement", ["raise SystemExit(3)", "1 / 0", "raise BaseExceptionGroup('x', [ValueError()])"])
def test_a_plugin_that_raises_anything_at_import_is_a_broken_plugin(install, statement):
    install("broken-plugin", "broken", source=statement)
    with pytest.raises(BrokenPlugin, match="broken-plugin"):
        Catalog().get("broken")


def test_a_broken_plugin_is_reported_once_and_stops_no_other(install, logged):
    install("broken-plugin", "broken", source="1 / 0")
    install("good-plugin", "good")
    found = Catalog()
    for _ in range(3):
        with pytest.raises(BrokenPlugin):
            found.get("broken")
    assert found.get("good").__block__.slug == "good"
    assert {"good", "secret"} <= slugs(found)
    assert len(logged()) == 1


def test_a_slug_in_two_packages_is_refused_with_both_owners(install, logged):
    install("first-plugin", "double")
    install("second-plugin", "double")
    install("good-plugin", "good")
    found = Catalog()
    for _ in range(2):
        with pytest.raises(DuplicateBlockType, match="first-plugin and by second-plugin") as raised:
            found.get("double")
    assert raised.value.owners == ("first-plugin", "second-plugin")
    assert "double" not in slugs(found)
    assert "good" in slugs(found)
    assert len(logged()) == 1


def test_a_slug_in_three_packages_is_one_report_with_all_owners(install, logged):
    for package in ("a-plugin", "b-plugin", "c-plugin"):
        install(package, "triple")
    assert isinstance(Catalog().problems["triple"], DuplicateBlockType)
    (message,) = logged()
    assert "a-plugin and by b-plugin and by c-plugin" in message


def test_a_plugin_cannot_shadow_a_block_of_typecase(install, logged):
    install("sly-plugin", "secret")
    found = Catalog()
    assert found.get("secret").__module__ == "typecase.integrations.secret"
    assert isinstance(found.problems["secret"], DuplicateBlockType)
    (message,) = logged()
    assert "sly-plugin" in message
    assert "typecase's own is used" in message


def test_a_class_defined_here_cannot_shadow_an_installed_one():
    class Sly(Block):
        __block__ = BlockType(slug="secret")

    assert Catalog().get("secret") is not Sly


def test_what_is_no_block_is_refused(install):
    install("odd-plugin", "odd", source="class Plugged: pass")
    with pytest.raises(BrokenPlugin, match=r"odd-plugin.*is not a Block"):
        Catalog().get("odd")


def test_a_block_that_calls_itself_something_else_is_refused(install):
    install("odd-plugin", "odd", source=MODULE.format(name="Plugged", slug="even"))
    with pytest.raises(BrokenPlugin, match=r"odd-plugin.*calls itself 'even'"):
        Catalog().get("odd")


@pytest.mark.parametrize("declared", ["", '__block__ = "odd"', "__block__ = None"])
def test_a_block_without_a_type_is_refused(install, declared):
    install(
        "odd-plugin",
        "odd",
        source=f"from typecase.blocks import Block\nclass Plugged(Block):\n    x: int\n    {declared}",
    )
    with pytest.raises(BrokenPlugin, match=r"odd-plugin.*declares no `__block__"):
        Catalog().get("odd")


@pytest.mark.parametrize("slug", ["Bad", "bad_slug", "bad slug", "-bad", "x" * 65])
def test_a_bad_slug_is_refused_by_name_without_an_import(install, logged, slug):
    install("odd-plugin", slug)
    found = Catalog()
    assert slug not in slugs(found)
    assert "secret" in slugs(found)
    (message,) = logged()
    assert "odd-plugin" in message
    assert repr(slug) in message
    assert "odd_plugin" not in sys.modules


@pytest.mark.parametrize("target", ["nothing", "odd_plugin:Missing", "odd_plugin:", "not a target!"])
def test_a_target_that_leads_nowhere_is_a_broken_plugin(install, target):
    install("odd-plugin", "odd", target=target)
    with pytest.raises(BrokenPlugin, match="odd-plugin"):
        Catalog().get("odd")


def test_unreadable_metadata_of_one_package_hides_no_other(install, logged):
    install("unreadable-plugin", "x", lines="this line has no equals sign")
    install("good-plugin", "good")
    found = Catalog()
    assert {"good", "secret"} <= slugs(found)
    assert found.get("good").__module__ == "good_plugin"
    (message,) = logged()
    assert "unreadable-plugin" in message


def test_unreadable_metadata_keeps_no_registry_from_being_found(install):
    from typecase.blocks import open_registry

    install("unreadable-plugin", "x", lines="this line has no equals sign")
    assert isinstance(open_registry("memory:"), MemoryRegistry)


def test_a_slow_plugin_is_reported_when_it_is_loaded_and_works(install, logged, monkeypatch):
    monkeypatch.setattr(catalog, "SLOW_IMPORT", -1.0)
    install("slow-plugin", "slow")
    found = Catalog()
    assert [found.get("slow").__block__.slug for _ in range(3)] == ["slow"] * 3
    (message,) = logged()
    assert "slow-plugin" in message


def test_a_package_installed_later_is_seen_after_a_refresh(install):
    found = Catalog()
    assert "good" not in found
    install("good-plugin", "good")
    found.refresh()
    assert found.get("good").__module__ == "good_plugin"


def test_an_unknown_slug_lists_near_ones(install):
    install("good-plugin", "good-block")
    with pytest.raises(BlockTypeNotFound, match="'good-block'"):
        Catalog().get("god-block")


def test_a_document_of_a_missing_package_says_what_to_install():
    registry = MemoryRegistry()
    registry.types.register(replace(definition_of(Secret), slug="gone-block", package="gone-package"))
    data = {"value": "x"}
    registry.documents.save(
        Draft(name="mine", workspace="default", type_slug="gone-block", schema_version=1, data=data)
    )
    with pytest.raises(BlockTypeNotFound, match="pip install gone-package") as raised:
        Block.load("mine", registry=registry)
    assert (raised.value.slug, raised.value.package) == ("gone-block", "gone-package")


def test_a_document_of_a_script_says_where_its_class_is():
    registry = MemoryRegistry()
    registry.types.register(replace(definition_of(Secret), slug="script-block", package=catalog.LOCAL))
    draft = Draft(name="mine", workspace="default", type_slug="script-block", schema_version=1, data={"value": "x"})
    registry.documents.save(draft)
    with pytest.raises(BlockTypeNotFound, match="import the module that defines it"):
        Block.load("mine", registry=registry)


def in_a_new_process(site: Path, script: str):
    """What a script prints as JSON in a process that sees the plugins in `site`."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(site)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_listing_two_hundred_plugins_imports_none_of_them_and_no_integration(install):
    for number in range(200):
        site = install(f"plugin-{number}", f"plugin-{number}", source="raise AssertionError('imported')")
    listed, imported = in_a_new_process(
        site,
        """
        import json, sys
        from typecase.blocks.catalog import CATALOG
        listed = [entry.slug for entry in CATALOG if entry.slug.startswith("plugin-")]
        imported = [name for name in sys.modules if name.startswith(("plugin_", "typecase.integrations."))]
        print(json.dumps([len(listed), imported]))
        """,
    )
    assert (listed, imported) == (200, [])


def test_five_hundred_types_of_one_package_are_listed_without_it_and_loaded_one_by_one(install):
    source = "from typecase.blocks import Block, BlockType\n" + "\n".join(
        f"class Type{number}(Block):\n    __block__ = BlockType(slug='many-{number}')" for number in range(500)
    )
    lines = "\n".join(f"many-{number} = many_types:Type{number}" for number in range(500))
    site = install("many-types", "many", source=source, lines=lines)
    listed, imported, got = in_a_new_process(
        site,
        """
        import json, sys
        from typecase.blocks.catalog import CATALOG
        listed = sum(entry.package == "many-types" for entry in CATALOG)
        imported = "many_types" in sys.modules
        print(json.dumps([listed, imported, CATALOG.get("many-321").__name__]))
        """,
    )
    assert (listed, imported, got) == (500, False, "Type321")


def test_getting_a_block_imports_its_module_and_no_other_integration(install):
    site = install("good-plugin", "good")
    install("other-plugin", "other")
    own, plugged = in_a_new_process(
        site,
        """
        import json, sys
        from typecase.blocks.catalog import CATALOG
        CATALOG.get("secret")
        own = [name for name in sys.modules if name.startswith("typecase.integrations.") or name.endswith("_plugin")]
        CATALOG.get("good")
        plugged = [name for name in sys.modules if name.endswith("_plugin")]
        print(json.dumps([own, plugged]))
        """,
    )
    assert own == ["typecase.integrations.secret"]
    assert plugged == ["good_plugin"]
