"""A warm load from a server beside a bare GET of the same bytes from the same server, with the same kind of client."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import httpx
from measuring import Row, clean_environment, time_text
from pydantic import SecretStr

from typecase.blocks.remote import RemoteRegistry

_ROUNDS = 15


def rows(*, number: int) -> Iterator[Row]:
    """Measure `number` loads and as many GETs, in turns."""
    with _server() as (url, token), httpx.Client() as client:
        registry = RemoteRegistry(url, token=SecretStr(token))
        ours, limit = _best(
            lambda: registry.load("db", workspace="default"),
            lambda: client.get(f"{url}/bare").content,
            number=max(number // _ROUNDS, 1),
        )
        registry.close()
        yield Row(
            promise="warm remote load",
            measured="a load over HTTP, with its role and its audit event, vs a bare GET of the same bytes",
            ours=time_text(ours),
            limit=time_text(limit),
            ratio=ours / limit,
            target=1.5,
            note="SQLite behind the server",
        )


def _best(*works: Callable[[], object], number: int) -> list[float]:
    best = [float("inf")] * len(works)
    for _ in range(_ROUNDS + 1):
        for place, work in enumerate(works):
            start = perf_counter()
            for _ in range(number):
                work()
            best[place] = min(best[place], (perf_counter() - start) / number)
    return best


@contextmanager
def _server() -> Iterator[tuple[str, str]]:
    with TemporaryDirectory(prefix="typecase-bench-") as folder:
        command = [sys.executable, str(Path(__file__).with_name("served.py")), folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean_environment()) as process:
            try:
                port, token = (process.stdout.readline() if process.stdout else "").split()
                yield f"http://127.0.0.1:{port}", token
            finally:
                process.terminate()
