"""New packages: names that work, files that fit together, a folder that is written whole or not at all."""

import ast
import json
import keyword
import stat
import sys
import tomllib
from pathlib import Path
from string import ascii_letters, digits

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from typecase.blocks.errors import DuplicateBlockType, InvalidName, OperationFailed
from typecase.blocks.names import validate_name
from typecase.blocks.quality import read_quality
from typecase.registry.cli import app
from typecase.registry.scaffold import FolderNotEmpty, author_of, name_package, write_package


@pytest.fixture
def written(tmp_path):
    """A package that was written."""
    return write_package(name_package("acme-blocks"), tmp_path / "acme")


def call(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def everything_in(folder):
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize("name", ["Acme_Blocks", "acme.blocks", "acme--blocks", "ACME-BLOCKS"])
def test_a_name_is_normalised_as_indexes_do(name):
    assert name_package(name).distribution == "acme-blocks"


def test_every_name_follows_from_the_distributions():
    names = name_package("acme-blocks")
    assert (names.package, names.block, names.module) == ("acme_blocks", "AcmeAccount", "acme_account")
    assert (names.slug, names.title) == ("acme-account", "Acme account")


@pytest.mark.parametrize(
    ("name", "block"), [("typecase-acme", "AcmeAccount"), ("acme", "AcmeAccount"), ("blocks", "BlocksAccount")]
)
def test_the_class_is_called_after_the_words_that_tell_something(name, block):
    assert name_package(name).block == block


@pytest.mark.parametrize(
    ("block", "slug"), [("HTTPQueue", "http-queue"), ("S3Bucket", "s3-bucket"), ("Queue", "queue")]
)
def test_a_class_of_ones_own_gives_slug_and_module(block, slug):
    names = name_package("acme", block=block)
    assert (names.slug, names.module) == (slug, slug.replace("-", "_"))


@pytest.mark.parametrize("name", ["", "-acme", "acme-", "acme blocks", "acmé", "../acme", "acme\n", "a" * 65])
def test_a_name_that_indexes_refuse_is_refused(name):
    with pytest.raises(InvalidName, match="letters, digits"):
        name_package(name)


@pytest.mark.parametrize("name", ["3scale", "class", "json", "typecase", "pydantic", "tests"])
def test_a_name_that_cannot_be_imported_is_refused(name):
    with pytest.raises(InvalidName) as raised:
        name_package(name)
    assert (raised.value.name, raised.value.what) == (name, "package")
    assert raised.value.hint


@pytest.mark.parametrize("block", ["", "acme", "Acme-Account", "Äcme", "SecretStr", "Class", "None", "A" * 65])
def test_a_class_that_the_module_cannot_define_is_refused(block):
    with pytest.raises(InvalidName):
        name_package("acme", block=block)


def test_a_slug_that_another_package_has_is_refused():
    with pytest.raises(DuplicateBlockType, match="--block") as raised:
        name_package("acme", block="SqliteDatabase")
    assert raised.value.owners == ("typecase", "acme")


@given(st.text(ascii_letters + digits + "-_. ", max_size=30))
def test_a_name_works_everywhere_or_is_refused(name):
    try:
        names = name_package(name)
    except InvalidName:
        return
    assert names.package.isidentifier()
    assert names.package not in {*sys.stdlib_module_names, *keyword.kwlist}
    assert names.block.isidentifier()
    assert validate_name(names.slug, "slug")


def test_the_entry_point_leads_to_the_class(written):
    project = tomllib.loads((written / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["typecase.blocks"] == {"acme-account": "acme_blocks.acme_account:AcmeAccount"}
    tree = ast.parse((written / "src/acme_blocks/acme_account.py").read_text())
    assert [node.name for node in tree.body if isinstance(node, ast.ClassDef)] == ["AcmeAccount"]


def test_every_file_that_a_package_needs_is_there(written):
    assert {str(path.relative_to(written)) for path in everything_in(written) if path.is_file()} == {
        ".github/workflows/check.yml",
        ".gitignore",
        "README.md",
        "pyproject.toml",
        "src/acme_blocks/__init__.py",
        "src/acme_blocks/acme_account.py",
        "src/acme_blocks/icon.svg",
        "src/acme_blocks/py.typed",
        "src/acme_blocks/quality.toml",
        "tests/test_acme_account.py",
    }


def test_its_test_is_five_lines(written):
    lines = (written / "tests/test_acme_account.py").read_text().splitlines()
    assert len([line for line in lines if line]) == 5


def test_its_checks_run_on_every_python(written):
    workflow = yaml.safe_load((written / ".github/workflows/check.yml").read_text())
    job = workflow["jobs"]["check"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands == ["pip install -e '.[dev]'", "ruff check", "ruff format --check", "mypy", "pytest"]
    assert "${{ matrix.python }}" in [step.get("with", {}).get("python-version") for step in job["steps"]]


def test_its_quality_is_stated_with_evidence_that_is_there(written):
    assert read_quality(written / "src/acme_blocks/quality.toml").unproven(written) == ()


def test_no_placeholder_is_left(written):
    assert [
        path for path in everything_in(written) if "%{" in str(path) or (path.is_file() and "%{" in path.read_text())
    ] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ada Lovelace <ada@example.com>", {"name": "Ada Lovelace", "email": "ada@example.com"}),
        ("Ada", {"name": "Ada"}),
        ("<ada@example.com>", {"email": "ada@example.com"}),
        ('Ada "the Countess" \\ Lovelace', {"name": 'Ada "the Countess" \\ Lovelace'}),
        ("Ада", {"name": "Ада"}),
    ],
)
def test_the_author_is_in_the_metadata(tmp_path, text, expected):
    folder = write_package(name_package("acme"), tmp_path / "acme", author=text)
    assert tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]["authors"] == [expected]


@given(st.text(max_size=40))
def test_an_author_is_understood_or_refused(text):
    try:
        name, mail = author_of(text)
    except InvalidName:
        return
    assert name or mail
    assert tomllib.loads(f"x = {json.dumps([name, mail], ensure_ascii=False)}")["x"] == [name, mail]


@pytest.mark.parametrize("text", ["", "   ", "Ada <ada>", "<>", "Ada\n[tool]", "Ada <a@b> <c@d>"])
def test_an_author_that_is_none_is_refused_before_anything_is_written(tmp_path, text):
    with pytest.raises(InvalidName, match="not an author"):
        write_package(name_package("acme"), tmp_path / "acme", author=text)
    assert everything_in(tmp_path) == []


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme/notes.txt").write_text("mine")
    before = everything_in(tmp_path)
    with pytest.raises(FolderNotEmpty, match="--dir") as raised:
        write_package(name_package("acme"), tmp_path / "acme")
    assert raised.value.path == str(tmp_path / "acme")
    assert everything_in(tmp_path) == before


def test_a_file_in_the_place_of_the_folder_is_left_alone(tmp_path):
    (tmp_path / "acme").write_text("mine")
    with pytest.raises(FolderNotEmpty, match="is a file"):
        write_package(name_package("acme"), tmp_path / "acme")
    assert (tmp_path / "acme").read_text() == "mine"


def test_an_empty_folder_is_filled_where_it_is(tmp_path):
    folder = tmp_path / "acme"
    (folder / ".git").mkdir(parents=True)
    before = folder.stat().st_ino
    write_package(name_package("acme"), folder)
    assert folder.stat().st_ino == before
    assert (folder / "pyproject.toml").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["acme"]


def test_folders_on_the_way_are_made(tmp_path):
    assert (write_package(name_package("acme"), tmp_path / "a/b/c") / "pyproject.toml").is_file()


def test_the_folder_has_the_permissions_of_any_new_one(tmp_path, written):
    (tmp_path / "other").mkdir()
    assert stat.S_IMODE(written.stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)


@pytest.mark.parametrize("is_there", [False, True])
def test_nothing_is_left_of_a_package_that_could_not_be_moved(tmp_path, monkeypatch, is_there):
    folder = tmp_path / "acme"
    if is_there:
        folder.mkdir()
    before = everything_in(tmp_path)
    rename = Path.rename

    def refuse(self, target):
        # The folder as a whole, or one in the middle of its parts.
        if Path(target).name in {"acme", "pyproject.toml"} and "package" in self.parts:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OperationFailed, match="No space left"):
        write_package(name_package("acme"), folder)
    assert everything_in(tmp_path) == before


def test_the_command_writes_beside_the_reader_and_says_what_it_made(home):
    done = call("-o", "json", "new-package", "Acme.Blocks", "--author", "Ada")
    assert done.exit_code == 0, done.output
    folder = home / "work/acme-blocks"
    facts = {"package": "acme-blocks", "type": "acme-account", "class": "AcmeAccount", "folder": str(folder)}
    assert json.loads(done.stdout) == facts
    assert (folder / "pyproject.toml").is_file()


def test_the_command_tells_a_person_what_to_do_next():
    out = call("-o", "table", "new-package", "acme-blocks", "--dir", "here", "--block", "AcmeQueue").output
    assert "cd here" in out
    assert "pip install -e '.[dev]'" in out
    assert "here/src/acme_blocks/acme_queue.py" in out


@pytest.mark.parametrize(("arguments", "code"), [(["json"], 4), (["acme", "--block", "Webhook"], 5), (["full"], 5)])
def test_the_command_refuses_with_an_exit_code_of_its_own(home, arguments, code):
    (home / "work/full/inside").mkdir(parents=True)
    done = call("new-package", *arguments)
    assert done.exit_code == code
    assert done.stderr.startswith("error: ")
    assert [path.name for path in (home / "work").iterdir()] == ["full"]
