"""Upgrading saved documents in an embedded registry: nothing lost, nothing shown, resumable after a kill."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest
from pydantic import SecretStr

from typecase.blocks import Block, BlockType, field, migration, use_registry
from typecase.blocks.catalog import CATALOG
from typecase.blocks.records import Draft
from typecase.blocks.schema import definition_of
from typecase.registry.embedded import EmbeddedRegistry
from typecase.registry.upgrading import Outcome, Upgrade

SLUG = "upgrading-mailer"


class MailerV1(Block):
    """A mailer."""

    __block__ = BlockType(slug=SLUG)

    server: str
    token: str = ""


class MailerV2(Block):
    """A mailer whose token is a secret."""

    __block__ = BlockType(slug=SLUG)

    host: str
    token: SecretStr = SecretStr("")

    @migration(from_version=1)
    @staticmethod
    def rename_server(data):
        return {"host": data["server"], "token": data["token"]}


class Team(Block):
    """Holds mailers."""

    __block__ = BlockType(slug="upgrading-team")

    mailer: Block | None = None
    spare: list[Block] = field(default_factory=list[Block])


@pytest.fixture
def installed(monkeypatch):
    def install(cls, slug=""):
        monkeypatch.setitem(CATALOG._classes, slug or cls.__block__.slug, cls)
        return cls

    return install


@pytest.fixture
def registry(tmp_path):
    with use_registry(EmbeddedRegistry(tmp_path / "registry.db", key=f"file://{tmp_path}/root.key")) as registry:
        registry.init()
        registry.types.register(definition_of(MailerV1))
        yield registry
        registry.close()


@pytest.fixture
def newer(registry):
    """The newer schema, registered although it is incompatible."""
    return lambda: registry.types.register(definition_of(MailerV2), force=True)


def upgrade(registry, *, plan=False, **chosen):
    work = Upgrade(registry, plan=plan)
    return [work.run(document) for document in work.documents("default", **chosen)]


def told(steps):
    return [(step.name, step.outcome.value, step.from_version, step.to_version) for step in steps]


def test_documents_become_revisions_of_the_newest_version(registry, installed, newer):
    for name in ("a", "b"):
        installed(MailerV1)(server="s", token="t").save(name, tags=("kept",))
    newer()
    installed(MailerV2)
    assert told(upgrade(registry)) == [("a", "upgraded", 1, 2), ("b", "upgraded", 1, 2)]
    document = registry.documents.get("a", workspace="default")
    assert (document.revision, document.schema_version, document.tags) == (2, 2, ("kept",))
    assert Block.load("a").host == "s"


def test_a_second_run_changes_nothing(registry, installed, newer):
    installed(MailerV1)(server="s").save("a")
    newer()
    installed(MailerV2)
    upgrade(registry)
    assert told(upgrade(registry)) == [("a", "current", 2, 2)]
    assert registry.documents.get("a", workspace="default").revision == 2


def test_a_plan_writes_nothing_and_names_what_would_run(registry, installed, newer):
    installed(MailerV1)(server="s").save("a")
    newer()
    installed(MailerV2)
    (step,) = upgrade(registry, plan=True)
    assert (step.outcome, step.reason) == (Outcome.PLANNED, "migrations: MailerV2.rename_server")
    assert registry.documents.get("a", workspace="default").revision == 1


def test_a_plan_registers_no_version(registry, installed):
    installed(MailerV1)(server="s").save("a")
    installed(MailerV2)
    assert told(upgrade(registry, plan=True)) == [("a", "planned", 1, 2)]
    assert registry.types.get(SLUG).version == 1


def test_a_plan_says_where_the_registry_would_refuse_the_type(registry, installed):
    installed(MailerV1)(server="s").save("a")

    class Moved(MailerV1):
        __block__ = MailerV1.__block__
        more: int = 1

    registry.types.register(replace(definition_of(MailerV1), package="elsewhere"))
    installed(Moved)
    (plan,) = upgrade(registry, plan=True)
    (step,) = upgrade(registry)
    assert (plan.outcome, plan.reason) == (step.outcome, step.reason)
    assert (plan.outcome, "belongs to package elsewhere" in plan.reason) == (Outcome.FAILED, True)


REFERENCE = {"$secret": {"store": "env", "key": "UPGRADING_NOWHERE"}}


def test_a_reference_to_a_secret_is_kept_and_its_store_not_asked(registry, installed, newer):
    installed(MailerV1)
    data = {"server": "s", "token": REFERENCE}
    draft = Draft(name="a", workspace="default", type_slug=SLUG, schema_version=1, data=data)
    registry.documents.save(draft)
    newer()
    installed(MailerV2)
    assert told(upgrade(registry)) == [("a", "upgraded", 1, 2)]
    stored = json.loads(registry.load("a", workspace="default").root.data)
    assert stored["host"] == "s"
    assert stored["token"]["$secret"].items() >= REFERENCE["$secret"].items()


def test_one_broken_document_does_not_stop_the_others(registry, installed, newer):
    installed(MailerV1)(server="s").save("b")

    class Loose(Block):
        __block__ = BlockType(slug=SLUG)
        token: str = ""

    installed(Loose)(token="a token nobody may see").save("a")
    newer()
    installed(MailerV2)
    steps = upgrade(registry)
    assert [(step.name, step.outcome) for step in steps] == [("a", Outcome.FAILED), ("b", Outcome.UPGRADED)]
    assert "nobody may see" not in steps[0].reason


def test_a_failing_migration_is_the_reason(registry, installed, newer):
    class Fails(Block):
        __block__ = BlockType(slug=SLUG)
        host: str

        @migration(from_version=1)
        @staticmethod
        def fails(data):
            raise ZeroDivisionError

    installed(MailerV1)(server="s").save("a")
    installed(Fails)
    (step,) = upgrade(registry)
    assert step.outcome is Outcome.FAILED
    assert "fails failed: ZeroDivisionError" in step.reason


def test_references_stay_references_and_inline_blocks_are_upgraded(registry, installed, newer):
    mailer = installed(MailerV1)(server="shared")
    mailer.save("mailer")
    installed(Team)(mailer=mailer, spare=[MailerV1(server="inline")]).save("team")
    newer()
    installed(MailerV2)
    steps = upgrade(registry)
    assert told(steps) == [("mailer", "upgraded", 1, 2), ("team", "upgraded", 1, 1)]
    data = registry.documents.get("team", workspace="default").data
    assert data["mailer"] == {"$block": "mailer"}
    assert (data["spare"][0]["$version"], data["spare"][0]["host"]) == (2, "inline")
    assert {outcome for _, outcome, _, _ in told(upgrade(registry))} == {"current"}


def test_the_migrations_of_a_referenced_document_are_not_those_of_the_one_that_refers(registry, installed, newer):
    class Wide(Team):
        __block__ = BlockType(slug="upgrading-team")
        size: int = 1

    mailer = installed(MailerV1)(server="shared")
    mailer.save("mailer")
    installed(Team)(mailer=mailer).save("team")
    newer()
    installed(MailerV2)
    installed(Wide)
    (step,) = upgrade(registry, plan=True, type_slug="upgrading-team")
    assert step.reason == "validation"


def test_a_document_of_a_newer_version_is_left_alone(registry, installed, newer):
    newer()
    installed(MailerV2)(host="h").save("a")
    installed(MailerV1)
    (step,) = upgrade(registry)
    assert step.outcome is Outcome.FAILED
    assert "newer schema version 2" in step.reason


def test_only_the_type_that_is_asked_for_with_its_former_slugs(registry, installed):
    class Renamed(MailerV1):
        __block__ = BlockType(slug="upgrading-post", aliases=(SLUG,))

    installed(MailerV1)(server="s").save("a")
    installed(Team)().save("team")
    installed(Renamed)
    installed(Renamed, SLUG)
    (step,) = upgrade(registry, type_slug="upgrading-post")
    assert (step.name, step.outcome) == ("a", Outcome.UPGRADED)
    assert registry.documents.get("a", workspace="default").type_slug == "upgrading-post"
    with pytest.raises(LookupError, match="upgrading-nothing"):
        upgrade(registry, type_slug="upgrading-nothing")


def test_a_type_without_a_package_is_the_reason(registry, installed, monkeypatch):
    class Gone(Block):
        __block__ = BlockType(slug="upgrading-gone")

    Gone().save("a")
    monkeypatch.setattr(Gone, "__block__", None)
    CATALOG._classes.pop("upgrading-gone", None)
    (step,) = upgrade(registry)
    assert step.outcome is Outcome.FAILED
    assert "upgrading-gone" in step.reason


def test_a_field_that_became_a_secret_is_shown_nowhere(registry, installed, newer, canary, tmp_path, assert_no_canary):
    installed(MailerV1)(server="s", token=canary).save("a")
    MailerV1(server="s", token=f"{canary}-2").save("a", overwrite=True)
    newer()
    documents = registry.documents

    def everything():
        shown = [documents.get("a", workspace="default", revision=number) for number in (1, 2, None)]
        newest = documents.get("a", workspace="default").revision
        pairs = [(one, other) for one in range(1, newest + 1) for other in range(1, newest + 1)]
        return repr((shown, [documents.diff("a", workspace="default", before=b, after=a) for b, a in pairs]))

    assert assert_no_canary(everything()) > 0
    installed(MailerV2)
    assert told(upgrade(registry)) == [("a", "upgraded", 1, 2)]
    assert assert_no_canary(everything()) > 0
    assert assert_no_canary(tmp_path) > 0
    assert Block.load("a").token.get_secret_value() == f"{canary}-2"


SCRIPT = """
    import os, signal, sys
    from typecase.blocks import Block, BlockType, migration, use_registry
    from typecase.blocks.schema import definition_of
    from typecase.registry.embedded import EmbeddedRegistry
    from typecase.registry.upgrading import Upgrade

    class Mailer(Block):
        __block__ = BlockType(slug="upgrading-mailer")
        host: str
        done = 0

        @migration(from_version=1)
        @classmethod
        def rename_server(cls, data):
            counts.append(1)
            if len(counts) == int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)
            return {"host": data["server"]}

    counts = []
    registry = EmbeddedRegistry(__import__("pathlib").Path(sys.argv[1]) / "registry.db", key=f"file://{sys.argv[1]}/root.key")
    registry.types.register(definition_of(Mailer), force=True)
    work = Upgrade(registry)
    steps = [work.run(document) for document in work.documents("default")]
    print(*sorted(step.outcome.value for step in steps))
"""


def test_a_killed_run_loses_nothing_and_the_next_one_goes_on(registry, installed, tmp_path):
    for number in range(9):
        installed(MailerV1)(server=f"host-{number}").save(f"m{number}")
    script = tmp_path / "upgrade.py"
    script.write_text(textwrap.dedent(SCRIPT).replace("    done = 0\n", ""))

    def run(kill_at):
        command = [sys.executable, str(script), str(tmp_path), str(kill_at)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=os.environ)

    assert run(5).returncode == -signal.SIGKILL
    versions = [item.schema_version for item in registry.documents.list(workspace="default").items]
    assert versions == [2] * 4 + [1] * 5
    second = run(99)
    assert second.stdout.split() == ["current"] * 4 + ["upgraded"] * 5, second.stderr
    found = registry.documents.list(workspace="default").items
    assert [(item.revision, item.schema_version) for item in found] == [(2, 2)] * 9
    assert registry.documents.get("m8", workspace="default").data["host"] == "host-8"
