"""What mypy and pyright make of the stubs that `typecase stubs` writes for a real registry."""

import fcntl
import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from typecase import blocks

SEED = """
from typecase.blocks import Block, BlockType, current_registry
from typecase.integrations.json import Json
from typecase.integrations.postgres import PostgresDatabase
from typecase.integrations.sqlite import SqliteDatabase
from typecase.integrations.webhook import Webhook

class Elsewhere(Block):
    __block__ = BlockType(slug="stubs-elsewhere")

Json(value=1).save("shared")
Json(value=1).save("hidden")
current_registry().workspaces.create("team", parent="default")
current_registry().workspaces.create("prod")
sqlite = SqliteDatabase(path="x.db")
sqlite.save("hidden", workspace="team")
sqlite.save("either", workspace="team")
sqlite.save("A.b_c-9", workspace="team")
sqlite.save("0", workspace="team")
postgres = PostgresDatabase(host="h", database="d", username="u")
postgres.save("prod-db", workspace="team")
postgres.save("either", workspace="prod")
Webhook(url="https://example.org").save("hook", workspace="team")
Elsewhere().save("foreign", workspace="team")
"""

#: What is asked, and what a checker should say that it is.
TYPES = {
    'Block.load("prod-db")': "PostgresDatabase",
    'Block.load("postgres-database/prod-db")': "PostgresDatabase",
    'Database.load("prod-db")': "PostgresDatabase",
    'SqlDatabase.load("prod-db")': "PostgresDatabase",
    'PostgresDatabase.load("prod-db")': "PostgresDatabase",
    'Notifier.load("hook")': "Webhook",
    # Another kind, another class, a child of the class: at run time each of them raises.
    'Notifier.load("prod-db")': "KindMismatch",
    'SqliteDatabase.load("prod-db")': "KindMismatch",
    'Mine.load("prod-db")': "KindMismatch",
    # A name that the stubs do not know is what it was without them.
    'Block.load("later")': "Block",
    'Database.load("later")': "Database",
    'Mine.load("later")': "Mine",
    "PostgresDatabase.load(name)": "PostgresDatabase",
    'Block.load("foreign")': "Block",
    # The registry, workspace and revision.
    'Block.load("prod-db", workspace="team")': "PostgresDatabase",
    'Block.load("prod-db", workspace="staging")': "Block",
    'Block.load("prod-db", workspace=name)': "Block",
    'Block.load("prod-db", registry=current_registry())': "Block",
    'Block.load("prod-db", revision=3)': "PostgresDatabase",
    'Block.load("prod-db", resolve="eager")': "PostgresDatabase",
    # Parents, and names in two workspaces.
    'Block.load("shared")': "Json",
    'Block.load("hidden")': "SqliteDatabase",
    'Block.load("either")': "PostgresDatabase | SqliteDatabase",
    'Database.load("either")': "PostgresDatabase | SqliteDatabase",
    'SqliteDatabase.load("either")': "SqliteDatabase",
    'Block.load("sqlite-database/either")': "SqliteDatabase",
    'Block.load("A.b_c-9")': "SqliteDatabase",
    'Block.load("0")': "SqliteDatabase",
    # The asynchronous twin.
    'await Block.aload("prod-db")': "PostgresDatabase",
    'await Notifier.aload("prod-db")': "KindMismatch",
    'await Database.aload("later")': "Database",
    # The rest of a block is as it was.
    'Mine(name="a").save("a")': "Revision",
    'Mine(name="a").name': "str",
    'Mine(name="a").check()': "Check",
    'Block.load("prod-db").save("b")': "Revision",
    'Block.load("prod-db").host': "str",
    "type(Block.load(name))": "type[Block]",
}

#: Lines of which both checkers complain.
WRONG = [
    'notifier: Notifier = Notifier.load("prod-db")',
    'Notifier.load("prod-db").send("x")',
    'Block.load("prod-db").nothing()',
    'Block.load("prod-db").path',
    "Block.load(3)",
    'Block.load("prod-db", workspac="team")',
    'Mine(name="a", nothing=1)',
    'Mine(name=1).save("x", tags=[1])',
]

IMPORTS = f"""
from typecase.blocks import {", ".join(sorted(blocks.__all__))}
from typecase.blocks.kinds.sql import SqlDatabase
from typecase.integrations.postgres import PostgresDatabase
from typecase.integrations.sqlite import SqliteDatabase


class Mine(Block):
    __block__ = BlockType(slug="mine")

    name: str = field(help="Its name.")
"""

CHECKERS = {
    "mypy": ("-m", "mypy", "--output", "json", "--cache-dir", "../mypy", "."),
    "pyright": ("-m", "pyright", "--outputjson", "--pythonpath", sys.executable),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with stubs and, by checker, what it says: [file, line, severity, text].

    Made once, also where several workers share the tests of this file.
    """
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, said = base / "stubs-project", base / "stubs-project.json"
    folder.mkdir(exist_ok=True)
    with (base / "stubs-project.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            home = base / "stubs-home"
            home.mkdir(mode=0o700)
            environment = clean_environment(home)
            run("-c", SEED, folder=folder, environment=environment)
            stubs = ("-m", "typecase.registry.cli", "stubs", "-w", "team", "--also", "prod")
            run(*stubs, folder=folder, environment=environment)
            write_project(folder)
            found = {name: diagnostics(name, folder, environment) for name in CHECKERS}
            said.write_text(json.dumps(found))
    return SimpleNamespace(folder=folder, said=json.loads(said.read_text()))


def clean_environment(home):
    """An environment with a home, and so a registry, of its own."""
    hidden = ("TYPECASE_", "XDG_", "MYPY")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    url = f"sqlite:///{home / 'registry.db'}"
    return kept | {"HOME": str(home), "TYPECASE_URL": url, "TYPECASE_KEY": (home / "root.key").as_uri()}


def run(*arguments, folder, environment, codes=(0,)):
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode in codes, done.stdout + done.stderr
    return done.stdout


def write_project(folder):
    (folder / "mypy.ini").write_text("[mypy]\nstrict = True\nplugins = pydantic.mypy\nmypy_path = typings\n")
    reveals = [f"    reveal_type({expression})\n" for expression in TYPES]
    (folder / "right.py").write_text(IMPORTS + "\n\nasync def flow(name: str) -> None:\n" + "".join(reveals))
    (folder / "wrong.py").write_text(IMPORTS + "\n\ndef flow() -> None:\n" + "".join(f"    {line}\n" for line in WRONG))


def diagnostics(checker, folder, environment):
    text = run(*CHECKERS[checker], folder=folder, environment=environment, codes=(0, 1))
    if checker == "mypy":
        items = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return [[item["file"], item["line"], item["severity"], item["message"]] for item in items]
    root = f"{folder.resolve()}{os.sep}"
    return [
        [
            item["file"].removeprefix(root),
            item["range"]["start"]["line"] + 1,
            item["severity"].replace("information", "note"),
            item["message"],
        ]
        for item in json.loads(text)["generalDiagnostics"]
    ]


def line_of(file, text):
    return next(number for number, line in enumerate(file.read_text().splitlines(), start=1) if text in line)


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize(("expression", "expected"), TYPES.items(), ids=list(TYPES))
def test_an_expression_has_the_type(project, checker, expression, expected):
    line = line_of(project.folder / "right.py", f"reveal_type({expression})")
    notes = [text for file, at, _, text in project.said[checker] if (file, at) == ("right.py", line)]
    revealed = [re.sub(r"\b[\w.]+\.(?=\w)", "", text.rpartition(" is ")[2].strip('"')) for text in notes]
    assert revealed == [expected]


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("line", WRONG)
def test_a_mistake_is_an_error(project, checker, line):
    number = line_of(project.folder / "wrong.py", f"    {line}")
    said = {severity for file, at, severity, _ in project.said[checker] if (file, at) == ("wrong.py", number)}
    assert "error" in said


@pytest.mark.parametrize("checker", CHECKERS)
def test_what_is_right_is_no_error(project, checker):
    assert [item for item in project.said[checker] if item[0] == "right.py" and item[2] == "error"] == []


@pytest.mark.parametrize("checker", CHECKERS)
def test_no_line_of_the_stubs_is_complained_of(project, checker):
    assert [item for item in project.said[checker] if item[0] not in ("right.py", "wrong.py")] == []
