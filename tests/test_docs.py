"""What is not documented fails."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from typecase.blocks import errors
from typecase.blocks.catalog import CATALOG
from typecase.blocks.errors import TypecaseError
from typecase.blocks.settings import HOME, VARIABLES
from typecase.registry.cli import app

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SLUGS = sorted(entry.slug for entry in CATALOG if entry.package == "typecase")
ERRORS = sorted(
    name for name, item in vars(errors).items() if isinstance(item, type) and issubclass(item, TypecaseError)
)


def commands(group: Any, path: tuple[str, ...] = ("typecase",)) -> Iterator[str]:
    """Every command of the command line, in full."""
    for name, command in getattr(group, "commands", {}).items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name))


COMMANDS = sorted(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("slug", SLUGS)
def test_a_block_type_is_in_the_catalog_and_the_readme(slug):
    assert f"`{slug}`" in (DOCS / "catalog" / f"{slug}.md").read_text()
    assert f"({slug}.md)" in (DOCS / "catalog" / "index.md").read_text()
    assert f"`{slug}`" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("slug", SLUGS)
def test_a_block_type_shows_every_field(slug):
    page = (DOCS / "catalog" / f"{slug}.md").read_text()
    assert [name for name in CATALOG.get(slug).model_fields if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize("slug", SLUGS)
def test_a_block_type_says_what_it_was_tested_against(slug):
    assert "| tested against | " in (DOCS / "catalog" / f"{slug}.md").read_text()


@pytest.mark.parametrize("variable", [*VARIABLES.values(), HOME])
def test_a_setting_is_in_the_reference(variable):
    assert f"`{variable}`" in (DOCS / "reference" / "settings.md").read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_in_the_reference(command):
    assert command in (DOCS / "reference" / "cli.md").read_text()


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_is_in_the_reference(error):
    assert f"| `{error}` |" in (DOCS / "reference" / "errors.md").read_text()


@pytest.mark.parametrize("group", sorted(PROJECT["entry-points"]))
def test_an_entry_point_group_is_in_the_reference(group):
    assert f"`{group}`" in (DOCS / "reference" / "entry-points.md").read_text()


@pytest.mark.parametrize("extra", sorted(PROJECT["optional-dependencies"]))
def test_an_extra_is_in_the_catalog(extra):
    assert f"| `{extra}` | " in (DOCS / "catalog" / "index.md").read_text()


@pytest.mark.parametrize("scheme", sorted(PROJECT["entry-points"]["typecase.registries"]))
def test_a_registry_is_in_the_guide(scheme):
    assert f"`{scheme}:" in (DOCS / "how-to" / "choose-a-registry.md").read_text()


@pytest.mark.parametrize("scheme", sorted(PROJECT["entry-points"]["typecase.keys"]))
def test_a_key_provider_is_in_the_guide(scheme):
    assert f"`{scheme}://" in (DOCS / "how-to" / "back-up-the-key.md").read_text()


@pytest.mark.parametrize("page", sorted((DOCS / "decisions").glob("0*.md")), ids=lambda page: page.stem)
def test_a_decision_says_context_decision_and_consequences(page):
    headings = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
    assert [name for name in ("Context", "Decision", "Consequences") if name not in headings] == []


def test_decisions_are_numbered_without_a_gap():
    numbers = sorted(int(page.name[:4]) for page in (DOCS / "decisions").glob("0*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_links_of_the_readme_lead_to_files():
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / "README.md").read_text())
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_generated_pages_are_up_to_date():
    done = subprocess.run(
        [sys.executable, DOCS / "generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0
