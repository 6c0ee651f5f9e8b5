"""Every snippet of the README and the docs runs, each page in a home of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SEPARATE = ("changes", "examples", "_build")
PAGES = [
    ROOT / "README.md",
    *sorted(path for path in DOCS.rglob("*.md") if path.relative_to(DOCS).parts[0] not in SEPARATE),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_snippet_of_a_page_runs(page):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    run = [sys.executable, str(DOCS / "snippets.py"), str(page)]
    done = subprocess.run(run, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_output_on_a_page_is_noticed(tmp_path):
    assert "it printed\nright" in failure_of(tmp_path, "```console\n$ echo right\nwrong\n```\n")


def test_a_failing_command_on_a_page_is_noticed(tmp_path):
    assert "ended with 3" in failure_of(tmp_path, "```console\n$ sh -c 'exit 3'\n...\n```\n")


def test_a_failing_snippet_of_python_is_noticed(tmp_path):
    assert "ZeroDivisionError" in failure_of(tmp_path, "```python\n1 / 0\n```\n")


def test_a_fence_in_a_language_that_nothing_runs_is_noticed(tmp_path):
    assert "```ruby is none of" in failure_of(tmp_path, "```ruby\nputs 1\n```\n")


def test_an_extra_that_does_not_exist_is_noticed(tmp_path):
    assert "no such extra: telepathy" in failure_of(tmp_path, "```console\n$ pip install 'typecase[telepathy]'\n```\n")


def failure_of(folder: Path, text: str) -> str:
    """Run a page that must fail; return what was said."""
    page = folder / "page.md"
    page.write_text(text)
    run = [sys.executable, str(DOCS / "snippets.py"), str(page)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    return done.stdout + done.stderr
