"""The law of layers, and what keeps files small and imports cheap."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {name: ROOT / name / "typecase" / name for name in ("blocks", "integrations", "registry")}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = ("typecase.blocks", "typecase.registries", "typecase.keys")
DECLARED = [
    (group, name, target)
    for group, entries in PROJECT["project"]["entry-points"].items()
    for name, target in entries.items()
]
NOT_FOR_BLOCKS = ["sqlalchemy", "pydantic_settings", "typer", "rich", "jsonschema", "httpx"]


def modules(layer):
    return sorted(SOURCES[layer].rglob("*.py"))


def short(path):
    return str(path.relative_to(ROOT))


def imported_at_top(tree):
    """Names of the modules that running the file imports: not those under TYPE_CHECKING, nor in functions."""
    pending = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending.extend(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))


def ignore_lines():
    """Lines of pyproject.toml that switch one ruff rule off."""
    inside = False
    for line in (ROOT / "pyproject.toml").read_text().splitlines():
        if line.startswith("["):
            inside = line in {"[tool.ruff.lint]", "[tool.ruff.lint.per-file-ignores]"}
        elif inside and re.match(r'\s+"[A-Z]+[0-9]*"', line):
            yield line


@pytest.mark.parametrize("layer", SOURCES)
def test_the_namespace_root_has_no_init(layer):
    assert SOURCES[layer].is_dir()
    assert not (SOURCES[layer].parent / "__init__.py").exists()


@pytest.mark.parametrize("layer", SOURCES)
def test_each_portion_says_that_it_is_typed(layer):
    assert (SOURCES[layer] / "py.typed").is_file()


def test_the_installed_entry_points_are_those_declared():
    installed = {(entry.group, entry.name, entry.value) for entry in distribution("typecase").entry_points}
    assert {entry for entry in installed if entry[0] in GROUPS} == set(DECLARED)


@pytest.mark.parametrize(("group", "name", "target"), DECLARED, ids=[f"{group}:{name}" for group, name, _ in DECLARED])
def test_an_entry_point_names_a_class_that_imports(group, name, target):
    (entry,) = distribution("typecase").entry_points.select(group=group, name=name)
    loaded = entry.load()
    assert isinstance(loaded, type)
    assert loaded.__name__ == target.partition(":")[2]


@pytest.mark.parametrize("slug", [name for group, name, _ in DECLARED if group == "typecase.blocks"])
def test_a_block_is_declared_under_its_own_slug(slug):
    (entry,) = distribution("typecase").entry_points.select(group="typecase.blocks", name=slug)
    assert entry.load().__block__.slug == slug


def test_every_extra_is_part_of_all():
    extras = PROJECT["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    assert set(re.findall(r"[a-z]+", everything.partition("[")[2])) == extras.keys() - {"all"}


def test_no_integration_imports_an_sdk_at_module_top():
    allowed = sys.stdlib_module_names | {"pydantic", "pydantic_core", "typecase", "typing_extensions"}
    found = {
        f"{short(path)}: {name}"
        for path in modules("integrations")
        for name in imported_at_top(ast.parse(path.read_text()))
        if name.partition(".")[0] not in allowed
    }
    assert found == set()


def test_blocks_import_neither_registry_nor_integrations_even_in_functions():
    found = {
        f"{short(path)}: {name}"
        for path in modules("blocks")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
        if name.startswith(("typecase.registry", "typecase.integrations"))
    }
    assert found == set()


@pytest.mark.parametrize(("layer", "limit"), [("blocks", 300), ("integrations", 200), ("registry", 300)])
def test_files_stay_small(layer, limit):
    lengths = {short(path): len(path.read_text().splitlines()) for path in modules(layer)}
    assert lengths
    assert {path: length for path, length in lengths.items() if length > limit} == {}


def test_no_module_is_named_utils():
    stems = {path.stem.strip("_") for layer in SOURCES for path in modules(layer)}
    assert stems.isdisjoint({"utils", "util", "helpers", "common", "misc"})


@pytest.mark.parametrize("unwanted", [*NOT_FOR_BLOCKS, "typecase.registry", "typecase.integrations"])
def test_importing_blocks_does_not_import(unwanted):
    script = f"import sys; from typecase.blocks import Block; print({unwanted!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_ruff_ignore_has_its_reason_beside_it():
    lines = list(ignore_lines())
    assert lines
    assert [line for line in lines if not re.search(r'",\s+# \S', line)] == []


def test_every_exception_to_a_check_has_its_reason_beside_it():
    codes = r"(?::\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*|\[[^]]*\])?"
    exception = re.compile(rf"# (?:noqa|type: ignore|pyright: ignore)\b{codes}(.*)")
    found = [
        f"{short(path)}:{number}"
        for layer in SOURCES
        for path in modules(layer)
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if (match := exception.search(line)) and not re.search(r"\w{2}", match[1])
    ]
    assert found == []
