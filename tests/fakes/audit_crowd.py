"""Processes of threads that write to one audit log at once, and what must hold of it afterwards.

    python audit_crowd.py REGISTRY_URL KEY_URL write   two processes of 16 threads write
    python audit_crowd.py REGISTRY_URL KEY_URL kill    one process after the other is killed while it writes

Prints one JSON object: the mark of each event that was acknowledged, with its number.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psycopg  # noqa: F401 - imported once, and not in each child
import sqlalchemy.dialects.postgresql.psycopg  # noqa: F401 - as above

from typecase.registry.audit.events import AuditEvent
from typecase.registry.data_keys import DataKeys
from typecase.registry.direct import DirectRegistry
from typecase.registry.embedded import path_of
from typecase.registry.file_registry import FileRegistry

PROCESSES, THREADS, ROUNDS = 2, 16, 12
KILLS, BEFORE_A_KILL = 6, 20


def told_by(mode, url, key):
    """What a run of this script tells."""
    run = [sys.executable, __file__, url, key, mode]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(run, capture_output=True, text=True, check=False, env=environment)
    assert done.stderr == ""
    return json.loads(done.stdout)


def written(registry):
    """The mark of every event in the log, by its number; the log must be whole."""
    found = registry.audit.verify(registry.audit.anchor())
    assert found.fault is None
    events, cursor = [], None
    while True:
        page = registry.audit.list(cursor=cursor, limit=1000)
        events += page.items
        cursor = page.cursor
        if cursor is None:
            assert [event.number for event in events] == list(range(found.sound, 0, -1))
            return {str(event.number): event.facts["mark"] for event in events}


def opened(url, key):
    """The registry that all write to."""
    return FileRegistry(path_of(url), DataKeys(key)) if url.startswith("sqlite:") else DirectRegistry(url, key=key)


def event(mark):
    """An event that counts as use."""
    return AuditEvent(
        action="document.load", principal="ann", document_id="d" * 32, facts={"mark": mark, "flow": "etl"}
    )


def in_children(works):
    """Run each work in a child of its own; return their ids with the pipes that they write to."""
    children = []
    for work in works:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            work(writing)
            os._exit(0)
        os.close(writing)
        children.append((child, os.fdopen(reading, "rb")))
    return children


def writer(url, key, name, rounds):
    """A process of threads; each tells a line with mark and number once an event is acknowledged."""

    def work(pipe):
        registry = opened(url, key)
        begin = threading.Barrier(THREADS)

        def thread(number):
            begin.wait()
            for turn in range(rounds):
                mark = f"{name}-{number}-{turn}"
                (got,) = registry.audit.record([event(mark)])
                os.write(pipe, f"{mark} {got}\n".encode())

        threads = [threading.Thread(target=thread, args=[number], daemon=True) for number in range(THREADS)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        registry.close()

    return work


def acknowledged(lines):
    """Marks by number."""
    return {number: mark for mark, number in (line.decode().split() for line in lines)}


def write(url, key):
    """All write at once, to the end."""
    found = {}
    for child, pipe in in_children([writer(url, key, f"p{number}", ROUNDS) for number in range(PROCESSES)]):
        found |= acknowledged(pipe)
        os.waitpid(child, 0)
    return found


def kill(url, key):
    """Each process is killed in the middle; what its pipe holds then was acknowledged."""
    found = {}
    for run in range(KILLS):
        ((child, pipe),) = in_children([writer(url, key, f"k{run}", 1_000_000)])
        lines = [pipe.readline() for _ in range(BEFORE_A_KILL * (run + 1))]
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found |= acknowledged([*lines, *pipe])
    return found


if __name__ == "__main__":
    print(json.dumps({"write": write, "kill": kill}[sys.argv[3]](*sys.argv[1:3])))
