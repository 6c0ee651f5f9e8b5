"""Runs of a rotation, or of a rewrap, that end by SIGKILL at a named step, one after the other.

    python killed_runs.py REGISTRY_URL KEY_URL rotate|rewrap

Every run is a process of its own, forked from this one, which never opens the database. After each kill another process
counts the documents and reads some of them. Prints one JSON object: the steps at which runs ended, and what was wrong.
"""

import json
import os
import signal
import sys
import traceback
from collections import Counter
from random import Random

import psycopg  # noqa: F401 - imported once, and not in each child
import sqlalchemy.dialects.postgresql.psycopg  # noqa: F401 - as above
from fakes.crowd import content
from sqlalchemy import func, select

from typecase.registry.data_keys import DataKeys
from typecase.registry.direct import DirectRegistry
from typecase.registry.embedded import path_of
from typecase.registry.file_registry import FileRegistry
from typecase.registry.rotation import Rotating
from typecase.registry.rotation_retirement import retire_keys
from typecase.registry.rotation_rewrap import Rewrap
from typecase.registry.tables import documents, revisions

SAMPLE = 20
TO_THE_END = ("", 0)


def opened(url, key):
    """The registry that the runs work on."""
    return FileRegistry(path_of(url), DataKeys(key)) if url.startswith("sqlite:") else DirectRegistry(url, key=key)


class Killer:
    """Ends this process without a goodbye at a step, when it comes for the time given."""

    def __init__(self, target, pipe):
        self.target, self.pipe, self.seen = target, pipe, Counter()

    def __call__(self, step):
        self.seen[step] += 1
        if self.target == (step, self.seen[step]):
            os.write(self.pipe, step.encode())
            os.kill(os.getpid(), signal.SIGKILL)


def in_child(work):
    """Run `work` in a child; return how it ended and what it wrote into its pipe."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        code = 1
        try:
            work(writing)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), told


def look(url, key, seed, expected):
    """Write what is wrong with the registry into a pipe: documents that are missing, or do not open."""

    def work(pipe):
        registry = opened(url, key)
        counted = registry._store.read(
            lambda connection: [connection.scalar(select(func.count()).select_from(t)) for t in (documents, revisions)]
        )
        if counted != [expected, expected]:
            os.write(pipe, f"{counted} rows ".encode())
        names = [place.name for place in registry.workspaces.list()]
        for number in Random(seed).sample(range(expected), SAMPLE):
            name, place = f"doc-{number:07}", sorted(names)[number % len(names)]
            if registry.load(name, workspace=place).root.data != content(number):
                os.write(pipe, f"{name} differs ".encode())
        registry.close()

    code, told = in_child(work)
    return told or (f"looking ended with {code}" if code else "")


def rotating(url, key, target):
    """One run of the rotation."""

    def work(pipe):
        registry = opened(url, key)
        Rotating(registry._store, registry._keys, retire=False, reached=Killer(target, pipe)).run()
        registry.close()

    return work


def retiring(url, key, target):
    """One run of the retirement."""

    def work(pipe):
        registry = opened(url, key)
        retire_keys(registry._store, registry._keys, (), actor="", reached=Killer(target, pipe))
        registry.close()

    return work


def rewrapping(url, keys, target):
    """One run of the rewrap; `keys` names the new root key, then the old."""

    def work(pipe):
        registry = opened(url, keys)
        Rewrap(registry._store, registry._keys, reached=Killer(target, pipe)).run()
        registry.close()

    return work


def plan_of(mode):
    """The runs: what each does, and where it ends."""
    if mode == "rotate":
        for step in ("keys wrapped", "keys written", "keys committed"):
            yield rotating, (step, 1)
        for _ in range(12):
            for step in ("batch read", "batch sealed", "batch written", "batch committed"):
                yield rotating, (step, 2)
        for step in ("settled in transaction", "settled"):
            yield rotating, (step, 1)
        yield rotating, TO_THE_END
        for step in ("retired in transaction", "retired", "cleaned"):
            yield retiring, (step, 1)
    else:
        yield rewrapping, ("root key opened", 1)
        for _ in range(16):
            for step in ("key wrapped", "key written", "key committed"):
                yield rewrapping, (step, 1)
        for step in ("done in transaction", "done"):
            yield rewrapping, (step, 1)
        yield rewrapping, TO_THE_END


def main(url, key, mode, expected):
    """Run, kill, look, and so on."""
    ended, wrong = [], []
    for number, (run, target) in enumerate(plan_of(mode)):
        code, step = in_child(run(url, key, target))
        if step:
            ended.append(step)
        if code != (0 if target == TO_THE_END else -signal.SIGKILL):
            wrong.append(f"run {number} to {target} ended with {code}")
        found = look(url, key, number, expected)
        if found:
            wrong.append(f"after run {number} to {target} ({step}): {found}")
    print(json.dumps({"ended": ended, "wrong": wrong}))


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]))
