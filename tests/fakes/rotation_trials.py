"""The two long trials of rotation, for either database: killed at every step, and with readers and writers around."""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from fakes.crowd import expected, fill, newest_keys, read_all
from sqlalchemy import func, select

from typecase.registry.keys import create_key
from typecase.registry.tables import data_keys, key_events, revisions

HERE = Path(__file__).parent
DOCUMENTS = 100_000


def start(script, *arguments):
    """A process that runs a script of this folder."""
    return subprocess.Popen(
        [sys.executable, str(HERE / script), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def killed_runs(*arguments):
    """What `killed_runs.py` tells."""
    told, complaint = start("killed_runs.py", *arguments).communicate()
    assert told, complaint
    return json.loads(told)


def survive_kills(registry, url, tmp_path):
    """Rotate and rewrap 100,000 documents in 20 workspaces with runs that are killed, and look after each."""
    for number in range(19):
        registry.workspaces.create(f"w{number:02}")
    fill(registry, DOCUMENTS)
    before = newest_keys(registry)
    registry.close()
    old, new = (tmp_path / "root.key").as_uri(), (tmp_path / "new.key").as_uri()
    rotated = killed_runs(url, old, "rotate", DOCUMENTS)
    assert rotated["wrong"] == []
    create_key(new)
    rewrapped = killed_runs(url, f"{new} {old}", "rewrap", DOCUMENTS)
    assert rewrapped["wrong"] == []
    assert min(len(rotated["ended"]), len(rewrapped["ended"])) >= 50
    assert set(rotated["ended"]) == {
        "keys wrapped", "keys written", "keys committed", "batch read", "batch sealed", "batch written",
        "batch committed", "settled in transaction", "settled", "retired in transaction", "retired", "cleaned",
    }  # fmt: skip
    assert set(rewrapped["ended"]) == {
        "root key opened", "key wrapped", "key written", "key committed", "done in transaction", "done",
    }  # fmt: skip
    (tmp_path / "root.key").unlink()
    return before


def check_after_kills(registry, before):
    """Everything is there, under the second generation, and nothing is left on an earlier data key or root key."""
    found, used = read_all(registry)
    assert found == expected(DOCUMENTS)
    after = newest_keys(registry)
    assert used == set(after.values())
    assert used.isdisjoint(before.values())
    status = registry.key_status()
    assert {key.generation for key in status.data_keys if key.retired_at is None} == {2}
    assert {key.root_key for key in status.data_keys if key.retired_at is None} == {status.root_key}
    with registry._store.engine().connect() as connection:
        wrapped = connection.scalars(select(data_keys.c.wrapped).where(data_keys.c.retired_at.is_not(None))).all()
    assert wrapped == [b""] * 20


def work_beside_readers_and_writers(registry, url, key):
    """Rotate and retire twice, while 8 readers and 8 writers in two processes work on the same documents."""
    documents = 3000
    fill(registry, documents)
    workers = [start("busy_workers.py", url, key, name, documents) for name in ("one", "two")]
    assert [worker.stdout.readline() for worker in workers] == ["ready\n"] * 2
    rotations = [registry.keys.rotate(retire=True) for _ in range(2)]
    told = [worker.communicate() for worker in workers]
    results = [json.loads(out) for out, _ in told]
    assert [result["errors"] for result in results] == [[], []]
    assert all(result["reads"] and result["writes"] for result in results)
    assert all(item.revisions >= documents and item.retired for (item,) in rotations)
    found, used = read_all(registry)
    assert used == set(newest_keys(registry).values())
    assert expected(documents).items() <= found.items()
    assert _saved_during_rotation(registry)


def _saved_during_rotation(registry):
    """How many revisions came between the first step of the last rotation and its end, and are still there."""

    def work(connection):
        times = [
            connection.scalar(select(func.max(key_events.c.at)).where(key_events.c.action == action))
            for action in ("rotation started", "rotation finished")
        ]
        assert all(isinstance(time, datetime) for time in times)
        return connection.scalar(select(func.count()).where(revisions.c.created_at.between(*times)))

    return registry._store.read(work)
