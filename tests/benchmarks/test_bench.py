"""The benchmarks run. What they measure is for `./dev bench` to say."""

from __future__ import annotations

import os
import subprocess
import sys


def test_every_group_of_rows_can_be_measured(project, tmp_path):
    done = subprocess.run(
        [sys.executable, str(project / "tests/benchmarks/run.py"), "--quick"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for promise in ("import Block", "cold process", "warm embedded load", "load latency", "page by key", "catalog"):
        assert promise in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_group_that_does_not_exist_is_refused(project):
    done = subprocess.run(
        [sys.executable, str(project / "tests/benchmarks/run.py"), "nonsense"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no such group: nonsense" in done.stderr
