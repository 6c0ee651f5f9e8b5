"""`typecase stubs`: what is written, what is refused, what is stale."""

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from typecase.blocks import Block, BlockType, registries, use_registry
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.settings import reload_settings
from typecase.integrations.json import Json
from typecase.integrations.postgres import PostgresDatabase
from typecase.integrations.sqlite import SqliteDatabase
from typecase.registry.cli import app
from typecase.registry.stubs import Difference, KnownNames, Stubs, StubsRefused, differences, read_names, write_stubs

JSON = "typecase.integrations.json:Json"
POSTGRES = "typecase.integrations.postgres:PostgresDatabase"
SQLITE = "typecase.integrations.sqlite:SqliteDatabase"

FILES = [
    "typecase/__init__.pyi",
    "typecase/blocks/__init__.pyi",
    "typecase/blocks/_saved_documents.pyi",
    "typecase/blocks/block.pyi",
]


class Elsewhere(Block):
    """A type that no installed package declares."""

    __block__ = BlockType(slug="stubs-elsewhere")


@pytest.fixture
def registry():
    with use_registry(MemoryRegistry()) as registry:
        yield registry


@pytest.fixture
def embedded(home, monkeypatch):
    """A registry in a file, as the command line opens it."""
    monkeypatch.setenv("TYPECASE_URL", f"sqlite:///{home / 'registry' / 'registry.db'}")
    reload_settings()
    yield
    while registries._open:
        registries._open.popitem()[1].close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["stubs", *arguments])


def answer(*arguments: str, code: int = 0):
    result = run(*arguments, "-o", "json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def known(**classes: str) -> KnownNames:
    return KnownNames(
        workspaces=("default",), classes={name: (target,) for name, target in classes.items()}, unknown={}
    )


def texts(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


# Names


def test_a_document_is_known_by_its_name_and_with_its_type(registry):
    SqliteDatabase(path="x.db").save("shop")
    assert read_names(registry, ["default"]).classes == {"shop": (SQLITE,), "sqlite-database/shop": (SQLITE,)}


def test_names_of_all_parents_are_known(registry):
    registry.workspaces.create("team", parent="default")
    registry.workspaces.create("mine", parent="team")
    Json(value=1).save("top")
    Json(value=1).save("middle", workspace="team")
    found = read_names(registry, ["mine"]).classes
    assert [name for name in found if "/" not in name] == ["middle", "top"]


def test_a_name_hides_that_of_the_parent(registry):
    registry.workspaces.create("mine", parent="default")
    Json(value=1).save("shop")
    SqliteDatabase(path="x.db").save("shop", workspace="mine")
    assert read_names(registry, ["mine"]).classes == {"shop": (SQLITE,), "sqlite-database/shop": (SQLITE,)}


def test_names_of_children_are_not_known(registry):
    registry.workspaces.create("mine", parent="default")
    Json(value=1).save("own", workspace="mine")
    assert read_names(registry, ["default"]).classes == {}


def test_a_name_that_differs_between_workspaces_has_the_classes_of_each(registry):
    registry.workspaces.create("prod")
    SqliteDatabase(path="x.db").save("shop")
    PostgresDatabase(host="h", database="d", username="u").save("shop", workspace="prod")
    assert read_names(registry, ["default", "prod"]).classes == {
        "postgres-database/shop": (POSTGRES,),
        "shop": (POSTGRES, SQLITE),
        "sqlite-database/shop": (SQLITE,),
    }


def test_a_type_that_no_package_provides_is_left_out_and_noted(registry):
    Elsewhere().save("foreign")
    found = read_names(registry, ["default"])
    assert (found.classes, found.unknown) == ({}, {"foreign": ("stubs-elsewhere",)})
    assert '# "foreign": "stubs-elsewhere"' in Stubs(found).files[FILES[2]]


def test_every_page_of_a_long_list_is_read(registry):
    value = Json(value=1)
    for number in range(1001):
        value.save(f"d{number}")
    assert read_names(registry, ["default"]).documents == 1001


# Contents


def test_the_same_names_give_the_same_text_in_any_order():
    forwards, backwards = known(a=JSON, b=SQLITE), known(b=SQLITE, a=JSON)
    assert dict(Stubs(forwards).files) == dict(Stubs(backwards).files)


@given(st.sets(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True), max_size=8))
def test_every_name_is_written_once_as_a_literal(names):
    text = Stubs(known(**dict.fromkeys(names, JSON))).files[FILES[2]]
    aliases = {node.target.id: node.value for node in ast.parse(text).body if isinstance(node, ast.AnnAssign)}
    expected = {"JsonName": sorted(names), "OfOneType": sorted(names)} if names else {}
    assert {alias: [item.value for item in value.slice.elts] for alias, value in aliases.items()} == expected


@given(st.text(min_size=1))
def test_no_name_can_be_code(name):
    """A registry refuses such names; one that does not cannot write into anybody's editor either."""
    hostile = KnownNames(workspaces=("default",), classes={name: (JSON,)}, unknown={f"-{name}": (name,)})
    body = ast.parse(Stubs(hostile).files[FILES[2]]).body
    # The docstring, the import, and the two aliases, of which one is described.
    assert [type(node).__name__ for node in body] == ["Expr", "ImportFrom", "AnnAssign", "Expr", "AnnAssign"]


def test_classes_of_the_same_name_are_told_apart():
    text = Stubs(known(a="acme.blocks:Json", b=JSON)).files[FILES[3]]
    assert "from acme.blocks import Json as _Json\n" in text
    assert "from typecase.integrations.json import Json as _Json2\n" in text


def test_there_is_one_overload_for_a_class_however_many_documents():
    text = Stubs(known(**{f"d{number}": JSON for number in range(100)})).files[FILES[3]]
    # One for the class, one for a mismatch, one for any other name; of `load` and of `aload`.
    assert text.count("@overload") == 6


def test_without_documents_load_is_what_it_was():
    assert "@overload" not in Stubs(known()).files[FILES[3]]


def test_the_stub_declares_all_that_the_module_does():
    def members(tree):
        block = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Block")
        return {node.name for node in block.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}

    stub = members(ast.parse(Stubs(known(a=JSON)).files[FILES[3]]))
    public = {name for name in vars(Block) if not name.startswith(("_", "model_config"))}
    assert {name for name in public if callable(getattr(Block, name))} <= stub


# The folder


def test_nothing_is_written_outside_of_the_folder(embedded, home):
    Json(value=1).save("a")
    before = set(home.rglob("*"))
    run("--out", "deep/stubs")
    new = {path for path in home.rglob("*") if path.is_file()} - before
    assert {str(path.relative_to(home / "work/deep/stubs")) for path in new} == set(FILES)


def test_a_second_run_writes_nothing(embedded):
    Json(value=1).save("a")
    run()
    assert answer()["written"] == []


def test_a_change_is_written(embedded):
    Json(value=1).save("a")
    run()
    Json(value=1).save("b")
    assert answer()["documents"] == 2
    assert run("--check").exit_code == 0


def test_a_file_that_somebody_else_wrote_is_not_replaced(tmp_path):
    mine = tmp_path / FILES[3]
    mine.parent.mkdir(parents=True)
    mine.write_text("class Block: ...\n")
    with pytest.raises(StubsRefused, match="not written by `typecase stubs`"):
        write_stubs(Stubs(known(a=JSON)), tmp_path)
    assert texts(tmp_path) == {FILES[3]: "class Block: ...\n"}


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/typecase").symlink_to(tmp_path / "other")
    with pytest.raises(StubsRefused, match="leads out of"):
        write_stubs(Stubs(known(a=JSON)), tmp_path / "out")
    assert list((tmp_path / "other").iterdir()) == []


def test_a_refusal_is_a_fault_of_use(embedded):
    Json(value=1).save("a")
    Path("typings").write_text("a file")
    result = run()
    assert (result.exit_code, Path("typings").read_text()) == (2, "a file")


def test_no_secret_gets_into_the_stubs(embedded, tmp_path, canary, assert_no_canary):
    PostgresDatabase(host="h", database="d", username="u", password=canary).save("prod-db", description=canary)
    write = run("--out", str(tmp_path / "stubs"))
    check = run("--out", str(tmp_path / "stubs"), "--check")
    assert (write.exit_code, check.exit_code) == (0, 0)
    assert assert_no_canary(tmp_path / "stubs", write.output, check.output) > 1000


# Stale


def test_missing_stubs_are_stale(embedded):
    Json(value=1).save("a")
    found = answer("--check", code=9)
    assert [(item["change"], item["name"]) for item in found["items"]] == [("missing", path) for path in FILES]


def test_check_writes_nothing(embedded):
    Json(value=1).save("a")
    run("--check")
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("before", "after", "difference"),
    [
        ({}, {"b": JSON}, Difference("added", "b", after=JSON)),
        ({"b": JSON}, {}, Difference("removed", "b", before=JSON)),
        ({"b": JSON}, {"b": SQLITE}, Difference("retyped", "b", before=JSON, after=SQLITE)),
    ],
)
def test_a_document_that_differs_is_named(tmp_path, before, after, difference):
    write_stubs(Stubs(known(a=JSON, **before)), tmp_path)
    assert differences(Stubs(known(a=JSON, **after)), tmp_path) == (difference,)


def test_a_file_that_was_edited_is_named(tmp_path):
    stubs = Stubs(known(a=JSON))
    write_stubs(stubs, tmp_path)
    path = tmp_path / FILES[3]
    path.write_text(path.read_text().replace("def delete", "def destroy"))
    assert differences(stubs, tmp_path) == (Difference("changed", FILES[3]),)


def test_stubs_of_another_version_of_the_module_are_stale(tmp_path, monkeypatch):
    from typecase.registry.stubs import contents

    write_stubs(Stubs(known(a=JSON)), tmp_path)
    source = contents.module_source
    monkeypatch.setattr(contents, "module_source", lambda name: source(name) + "\nNEW = 1\n")
    found = differences(Stubs(known(a=JSON)), tmp_path)
    assert [(item.change, item.name) for item in found] == [("changed", path) for path in FILES]


def test_stubs_written_by_another_python_are_not_stale(tmp_path):
    """Its spaces may differ; the inputs are the same, and nobody edited the file."""
    stubs = Stubs(known(a=JSON))
    write_stubs(stubs, tmp_path)
    path = tmp_path / FILES[3]
    body = path.read_text().partition("# fmt: off\n\n")[2].replace("=None", " = None")
    path.write_text(stubs._header(body) + body)
    assert differences(stubs, tmp_path) == ()


def test_stubs_that_are_no_python_are_stale(tmp_path):
    write_stubs(Stubs(known(a=JSON)), tmp_path)
    path = tmp_path / FILES[2]
    path.write_text(path.read_text() + "<<<<<<< HEAD\n")
    assert [item.change for item in differences(Stubs(known(a=JSON)), tmp_path)] == ["added"]


# The command


def test_the_workspace_is_that_of_the_command(embedded):
    Json(value=1).save("a")
    run("--out", "x")
    CliRunner().invoke(app, ["workspaces", "create", "other"])
    assert answer("-w", "other")["documents"] == 0


def test_another_workspace_is_read_too(embedded):
    CliRunner().invoke(app, ["workspaces", "create", "prod"])
    SqliteDatabase(path="x.db").save("shop")
    Json(value=1).save("shop", workspace="prod")
    assert answer("--also", "prod")["documents"] == 1
    assert "JsonOrSqliteDatabaseName" in Path("typings", FILES[2]).read_text()


def test_a_workspace_that_does_not_exist_is_said_so(embedded):
    Json(value=1).save("a")
    assert run("--also", "nowhere").exit_code == 3
    assert not Path("typings").exists()


def test_a_registry_that_does_not_exist_is_not_made(embedded, home):
    assert run().exit_code == 2
    assert [path for path in home.rglob("*") if path.is_file()] == []


def test_a_type_that_is_not_installed_is_warned_of(embedded):
    Elsewhere().save("foreign")
    result = run()
    assert (result.exit_code, "no usable package here provides stubs-elsewhere" in result.stderr) == (0, True)
