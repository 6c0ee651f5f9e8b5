"""Where packages say that they stand: the format, where the file is, and that our own statements hold."""

import importlib
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typecase.blocks.catalog import CATALOG
from typecase.blocks.errors import CatalogError
from typecase.blocks.quality import (
    Claim,
    InvalidQuality,
    Rule,
    Standing,
    quality_file,
    quality_of,
    read_quality,
)

ROOT = Path(__file__).resolve().parents[2]
OWN = {entry.slug: entry.target for entry in CATALOG if entry.package == "typecase"}


@pytest.fixture
def read(tmp_path):
    """Reads a quality file with this text."""

    def read(text):
        path = tmp_path / "quality.toml"
        path.write_text(text, encoding="utf-8")
        return read_quality(path)

    return read


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder to import from."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    return folder


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("value", "claim"),
    [
        ('"done"', Claim(rule=Rule.TYPED, standing=Standing.DONE)),
        ('{ done = "src/py.typed" }', Claim(rule=Rule.TYPED, standing=Standing.DONE, evidence=("src/py.typed",))),
        ('{ done = ["a", "b"] }', Claim(rule=Rule.TYPED, standing=Standing.DONE, evidence=("a", "b"))),
        ('"todo"', Claim(rule=Rule.TYPED, standing=Standing.TODO)),
        ('{ todo = "later" }', Claim(rule=Rule.TYPED, standing=Standing.TODO, reason="later")),
        ('{ exempt = "it has none" }', Claim(rule=Rule.TYPED, standing=Standing.EXEMPT, reason="it has none")),
    ],
)
def test_a_rule_is_done_or_to_do_or_exempt(read, value, claim):
    assert read(f"typed = {value}")[Rule.TYPED] == claim


def test_a_rule_that_is_left_out_is_to_do(read):
    quality = read("")
    assert [claim.rule for claim in quality.claims] == list(Rule)
    assert {(claim.standing, claim.reason) for claim in quality.claims} == {(Standing.TODO, "not stated")}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('speed = "done"', "there is no such rule"),
        ('retrys = "done"', "Did you mean 'retries'"),
        ('typed = "yes"', 'use "done"'),
        ("typed = true", 'use "done"'),
        ("typed = {}", 'use "done"'),
        ('typed = { done = "a", todo = "b" }', 'use "done"'),
        ('typed = "exempt"', "say why it is exempt"),
        ('typed = { exempt = "" }', "not an empty one"),
        ("typed = { todo = 3 }", "is a text"),
        ("typed = { done = [] }", "is a text"),
        ('conformance = "done"', "name the test that shows it"),
        ('conformance = { done = "tests/test_x.py" }', "name the test that shows it"),
        ('changelog = "done"', "name the file that shows it"),
        ("typed", "it cannot be read"),
    ],
)
def test_a_claim_that_breaks_the_format_is_named(read, text, problem):
    with pytest.raises(InvalidQuality, match=r"quality\.toml") as raised:
        read(text)
    assert problem in str(raised.value)
    assert [name for name, _ in raised.value.problems] == [text.partition(" ")[0] if "=" in text else ""]
    assert isinstance(raised.value, CatalogError)


def test_every_wrong_claim_is_named_at_once(read):
    with pytest.raises(InvalidQuality) as raised:
        read('typed = "yes"\nicon = "no"\nasync = "done"')
    assert [name for name, _ in raised.value.problems] == ["typed", "icon"]


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("quality") / "quality.toml"
    path.write_text(text, encoding="utf-8", errors="ignore")
    try:
        claims = read_quality(path).claims
    except InvalidQuality:
        return
    assert [claim.rule for claim in claims] == list(Rule)


def test_a_package_states_it_in_its_folder_and_is_not_imported(site):
    write(site / "stated_package/__init__.py", "raise RuntimeError")
    write(site / "stated_package/thing.py")
    write(site / "stated_package/quality.toml", 'typed = "done"')
    quality = quality_of("stated_package.thing:Thing")
    assert quality[Rule.TYPED].standing is Standing.DONE
    assert "stated_package" not in sys.modules


def test_the_nearest_statement_counts(site):
    outer = write(site / "near_package/quality.toml")
    beside = write(site / "near_package/one.quality.toml")
    inner = write(site / "near_package/two/quality.toml")
    write(site / "near_package/two/__init__.py")
    for name in ("__init__", "one", "three"):
        write(site / f"near_package/{name}.py")
    modules = ("near_package", "near_package.one", "near_package.two", "near_package.two.deep", "near_package.three")
    assert [quality_file(module) for module in modules] == [outer, beside, inner, inner, outer]


def test_a_module_in_one_file_has_its_statement_beside_it(site):
    write(site / "lone_module.py", "raise RuntimeError")
    assert quality_of("lone_module:Thing") is None
    assert quality_file("lone_module") is None
    path = write(site / "lone_module.quality.toml")
    assert quality_file("lone_module") == path


@pytest.mark.parametrize("target", ["no_such_package.thing:Thing", "sys:path", "..:x", ":", "__main__:X"])
def test_a_target_that_states_nothing_is_none(target):
    assert quality_of(target) is None


def test_evidence_that_is_not_there_is_named(read, tmp_path):
    write(tmp_path / "tests/test_x.py", "class TestX:\n    def test_one(self): ...\n")
    quality = read(
        'conformance = { done = "tests/test_x.py::TestX" }\n'
        'redaction = { done = ["tests/test_x.py::TestX::test_one", "tests/test_x.py::test_two"] }\n'
        'changelog = { done = "CHANGES.md" }\n'
        'retries = { todo = "tests/absent.py::test_x" }'
    )
    assert quality.unproven(tmp_path) == (
        "redaction: tests/test_x.py has no test_two",
        "changelog: there is no CHANGES.md",
    )


@pytest.mark.parametrize("slug", sorted(OWN))
def test_our_own_block_types_state_every_rule_with_evidence_that_is_there(slug):
    quality = quality_of(OWN[slug])
    assert quality is not None, f"{OWN[slug]} has no quality.toml: docs/reference/quality.md"
    assert [claim.rule for claim in quality.claims if claim.reason == "not stated"] == []
    assert quality.unproven(ROOT) == ()


@pytest.mark.parametrize("slug", sorted(OWN))
def test_our_own_block_types_that_leave_something_to_do_say_what(slug):
    claims = quality_of(OWN[slug]).claims
    assert [claim.rule for claim in claims if claim.standing is not Standing.DONE and not claim.reason] == []


@pytest.mark.parametrize("rule", list(Rule))
def test_a_rule_is_in_the_reference(rule):
    page = (ROOT / "docs/reference/quality.md").read_text()
    evidence = f"a {rule.evidence}" if rule.evidence else ""
    assert f"| `{rule}` | {rule.meaning} | {evidence} |" in page
