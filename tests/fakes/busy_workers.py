"""Four readers and four writers in one process, at work until standard input ends.

    python busy_workers.py REGISTRY_URL KEY_URL NAME DOCUMENTS

Prints `ready` once all of them have done something, and at the end one JSON object: how much, and what failed.
"""

import json
import sys
import threading
import traceback
from itertools import count
from random import Random

from fakes.crowd import THING, content

from typecase.blocks.records import Draft
from typecase.registry.direct import DirectRegistry
from typecase.registry.embedded import EmbeddedRegistry, path_of

EACH = 4


class Work:
    """What the threads share."""

    def __init__(self, registry, name, documents):
        self.registry, self.name, self.documents = registry, name, documents
        self.stop, self.begun = threading.Event(), threading.Barrier(2 * EACH + 1)
        self.reads, self.writes, self.errors = [0] * EACH, [0] * EACH, []

    def read(self, number):
        """Load documents, and compare what they hold."""
        random = Random(f"{self.name}{number}")
        for _ in self.turns():
            wanted = random.randrange(self.documents)
            root = self.registry.load(f"doc-{wanted:07}", workspace="default").root
            if root.data != content(wanted):
                self.errors.append(f"{root.name} differs")
            self.reads[number] += 1

    def write(self, number):
        """Save new documents and new revisions; now and then delete one."""
        for turn in self.turns():
            name = f"{self.name}-{number}-{turn % 10}"
            draft = Draft(
                name=name, workspace="default", type_slug=THING.slug, schema_version=1, data={"turn": turn},
                overwrite=True,
            )  # fmt: skip
            self.registry.documents.save(draft)
            if json.loads(self.registry.load(name, workspace="default").root.data) != {"turn": turn}:
                self.errors.append(f"{name} was not saved")
            if turn % 7 == 0:
                self.registry.documents.delete(name, workspace="default")
            self.writes[number] += 1

    def turns(self):
        """Count until it is time to stop."""
        for turn in count():
            if turn == 1:
                self.begun.wait()
            if self.stop.is_set():
                return
            yield turn

    def run(self, work, number):
        """Keep what goes wrong."""
        try:
            work(number)
        except Exception:
            self.errors.append(traceback.format_exc())
            self.begun.abort()


def main(url, key, name, documents):
    """Work until the input ends."""
    registry = EmbeddedRegistry(path_of(url), key=key) if url.startswith("sqlite:") else DirectRegistry(url, key=key)
    work = Work(registry, name, int(documents))
    threads = [
        threading.Thread(target=work.run, args=(job, number))
        for job in (work.read, work.write)
        for number in range(EACH)
    ]
    for thread in threads:
        thread.start()
    try:
        work.begun.wait()
        print("ready", flush=True)
        sys.stdin.read()
    except threading.BrokenBarrierError:
        print("failed", flush=True)
    work.stop.set()
    for thread in threads:
        thread.join()
    registry.close()
    print(json.dumps({"reads": sum(work.reads), "writes": sum(work.writes), "errors": work.errors}))


if __name__ == "__main__":
    main(*sys.argv[1:])
