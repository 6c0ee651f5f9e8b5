"""The main job, run as a user runs it and judged from outside."""

from __future__ import annotations

import ast
import csv
import json
import os
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from urllib.parse import quote

import pytest

from typecase.blocks.kinds import Notifier
from typecase.registry.embedded import EmbeddedRegistry

FOLDER = re.compile(r"Folder:\s+(\S+)")
SCHEMA = re.compile(r"Registry:\s+PostgreSQL, schema (\w+)")
MESSAGES = [
    ("Penguins", "penguins-by-species.csv is there: 3 species"),
    ("Penguins", "penguins-by-species.csv is there: 3 species"),
    ("Worker", "A worker process says hello"),
]


@dataclass(frozen=True)
class Demo:
    """What a run left behind."""

    output: str
    folder: Path

    def result(self, workspace: str) -> list[dict[str, str]]:
        """What the flow wrote in a workspace."""
        with (self.folder / "files" / workspace / "penguins-by-species.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def messages(self) -> list[tuple[str, str]]:
        """Subject and text of what reached the webhook's receiver."""
        lines = (self.folder / "received.jsonl").read_text().splitlines()
        return [(message["subject"], message["text"]) for message in map(json.loads, lines)]


def run_demo(folder: Path, *arguments: str, url: str = "") -> Demo:
    """Run it to its end in a process of its own whose temporary files go to `folder`."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "typecase.registry.demo", *arguments],
        env={**os.environ, "TMPDIR": str(folder), "TYPECASE_DEMO_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    found = FOLDER.search(done.stdout)
    assert found is not None, done.stdout
    return Demo(done.stdout, Path(found[1]))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo on SQLite that left everything in place."""
    folder = tmp_path_factory.mktemp("demo") / "kept"
    yield run_demo(folder, "--keep")
    rmtree(folder)


def expected(project: Path, *, every: int = 1) -> list[dict[str, str]]:
    """Each species' birds with a known mass and their mean, from the file itself."""
    with (project / "docs/examples/data/penguins.csv").open(newline="") as file:
        birds = [row for row in list(csv.DictReader(file))[::every] if row["body_mass_g"] != "NA"]
    masses = {
        name: [int(row["body_mass_g"]) for row in birds if row["species"] == name]
        for name in sorted({row["species"] for row in birds})
    }
    return [
        {"species": name, "birds": str(len(found)), "mean_mass_g": format(sum(found) / len(found), ".1f")}
        for name, found in masses.items()
    ]


def token_of(demo: Demo) -> str:
    """The secret that the demo saved, read back from the registry that it kept."""
    registry = EmbeddedRegistry(demo.folder / "registry.db", key=(demo.folder / "root.key").as_uri())
    try:
        ops = Notifier.load("ops", workspace="default", registry=registry)
    finally:
        registry.close()
    return ops.headers["Authorization"].get_secret_value().removeprefix("Bearer ")


def test_the_flow_under_prod_summarises_the_whole_table(kept, project):
    assert kept.result("prod") == expected(project)
    assert sum(int(row["birds"]) for row in kept.result("prod")) == 342


def test_the_same_flow_under_staging_summarises_the_sample(kept, project):
    assert kept.result("staging") == expected(project, every=5)
    assert kept.result("staging") != kept.result("prod")


def test_both_flows_and_the_worker_reach_the_webhook_with_its_token(kept):
    assert kept.messages() == MESSAGES


def test_no_file_of_the_demo_holds_the_token_in_clear(kept, assert_no_canary):
    token = token_of(kept)
    assert len(token) >= 32
    assert assert_no_canary(kept.folder, secret=token) > 100_000


def test_the_output_holds_no_token(kept, assert_no_canary):
    assert_no_canary(kept.output, secret=token_of(kept))


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_the_folder_is_its_owners_alone(kept):
    assert kept.folder.stat().st_mode & 0o077 == 0


def test_every_claim_is_marked_as_held(kept):
    assert kept.output.count("✓") == 11
    assert "✗" not in kept.output
    assert "All 11 claims hold" in kept.output


def test_the_output_fits_one_screen(kept):
    lines = kept.output.splitlines()
    assert len(lines) <= 50
    assert max(len(line.replace(str(kept.folder), "/tmp/typecase-demo-12345678")) for line in lines) <= 100


def test_without_keep_nothing_stays_and_the_users_home_is_not_touched(tmp_path, home):
    before = sorted(home.rglob("*"))
    run_demo(tmp_path / "temporary")
    assert list((tmp_path / "temporary").iterdir()) == []
    assert sorted(home.rglob("*")) == before


def test_on_postgresql_the_result_is_the_same(tmp_path, postgres_url, project):
    demo = run_demo(tmp_path / "temporary", "--keep", url=postgres_url)
    assert demo.result("prod") == expected(project)
    assert demo.result("staging") == expected(project, every=5)
    assert demo.messages() == MESSAGES


def test_on_postgresql_no_table_holds_token_or_password_in_clear(
    tmp_path, postgres_url, assert_no_canary: Callable[..., int]
):
    import psycopg

    from typecase.registry.direct import DirectRegistry

    demo = run_demo(tmp_path / "temporary", "--keep", url=postgres_url)
    found = SCHEMA.search(demo.output)
    assert found is not None
    schema = found[1]
    scoped = f"{postgres_url}?options={quote(f'-csearch_path={schema}')}"
    registry = DirectRegistry(scoped, key=(demo.folder / "root.key").as_uri())
    ops = registry.load("ops", workspace="prod")
    database = registry.load("prod-db", workspace="prod")
    registry.close()
    saved = [
        json.loads(ops.root.data)["headers"]["Authorization"].removeprefix("Bearer "),
        json.loads(database.root.data)["password"],
    ]
    with psycopg.connect(postgres_url) as connection:
        query = "select tablename from pg_tables where schemaname = %s"
        tables = [name for (name,) in connection.execute(query, [schema])]
        assert {"documents", "revisions", "penguins"} < set(tables)
        for name in tables:
            with connection.cursor().copy(f"copy {schema}.{name} to stdout (format binary)") as rows:
                content = b"".join(map(bytes, rows))
            for secret in saved:
                assert_no_canary(content, demo.folder, demo.output, secret=secret)


def test_on_postgresql_the_schema_goes_with_the_demo(tmp_path, postgres_url):
    import psycopg

    query = "select nspname from pg_namespace order by 1"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        before = connection.execute(query).fetchall()
        run_demo(tmp_path / "temporary", url=postgres_url)
        assert connection.execute(query).fetchall() == before
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_server_that_is_not_there_is_named_without_its_password(tmp_path, canary, assert_no_canary):
    done = subprocess.run(
        [sys.executable, "-m", "typecase.registry.demo"],
        env={
            **os.environ,
            "TMPDIR": str(tmp_path),
            "TYPECASE_DEMO_URL": f"postgresql://somebody:{quote(canary, safe='')}@127.0.0.1:9/nowhere",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "TYPECASE_DEMO_URL" in done.stderr
    assert "Traceback" not in done.stderr
    assert_no_canary(done.stdout, done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_a_false_claim_ends_the_demo_with_an_error(capsys):
    from rich.console import Console

    from typecase.registry.demo.report import ClaimsUntrue, Report

    report = Report(Console())
    report.claim("water is wet", holds=True)
    report.claim("the moon is cheese", holds=False, why_not="it is rock")
    with pytest.raises(ClaimsUntrue, match="the moon is cheese") as caught:
        report.verdict(0.0)
    assert caught.value.claims == ("the moon is cheese",)
    assert "✗ the moon is cheese: it is rock" in capsys.readouterr().out


def test_the_receiver_refuses_a_message_without_the_right_token(tmp_path):
    from typecase.blocks.errors import DeliveryFailed
    from typecase.integrations.webhook import Webhook
    from typecase.registry.demo.receiver import open_receiver

    with open_receiver(tmp_path / "log", token="right") as receiver:
        with pytest.raises(DeliveryFailed) as caught:
            Webhook(url=receiver.address, headers={"Authorization": "Bearer wrong"}).notify("hello")
        assert receiver.messages() == []
    assert caught.value.status == 401


@pytest.mark.parametrize("form", ["plain", "hex", "base64"])
def test_the_demos_own_search_finds_a_secret_that_leaked(form, canary):
    from typecase.registry.demo.evidence import search

    leak = {
        "plain": canary.encode(),
        "hex": canary.encode().hex().encode(),
        "base64": b64encode(b"a:" + canary.encode()),
    }
    found = search({"token": canary}, [("a file", b"before" + leak[form])])
    assert {what.partition(" as ")[0] for what in found.found} == {"token"}
    assert found.scanned == len(leak[form]) + 6


def test_a_demo_url_of_another_system_is_refused(tmp_path):
    from typecase.blocks.errors import SettingsError
    from typecase.registry.demo.schema import Schema

    with pytest.raises(SettingsError, match="TYPECASE_DEMO_URL"):
        Schema("mysql://root@127.0.0.1/test", "demo")


def test_the_flow_imports_typecase_blocks_and_the_standard_library_alone(project):
    tree = ast.parse((project / "docs/examples/flow.py").read_text())
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    foreign = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {name for name in foreign if name.startswith("typecase.blocks")} == foreign
    assert foreign
