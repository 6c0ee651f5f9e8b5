"""The demo from beginning to end."""

from __future__ import annotations

import os
import pickle
import stat
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from secrets import token_urlsafe
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from typecase.blocks.kinds import Notifier, ObjectStore
from typecase.blocks.kinds.refusals import needs
from typecase.registry.demo.evidence import control, search
from typecase.registry.demo.examples import FLOW_SHOWN, run_flow
from typecase.registry.demo.penguins import expected_result, read_penguins
from typecase.registry.demo.receiver import Receiver, open_receiver
from typecase.registry.demo.report import Report
from typecase.registry.demo.sandbox import Sandbox, open_sandbox
from typecase.registry.demo.systems import Systems
from typecase.registry.demo.worker import greet

if TYPE_CHECKING:
    from collections.abc import Sequence

DEMO_URL: Final = "TYPECASE_DEMO_URL"

_RESULT: Final = "penguins-by-species.csv"
_PATIENCE: Final = 60
_NEXT: Final = """
Try next, in your own registry:
  typecase types ls                          what can be saved
  typecase blocks create secret my-token     the prompts come from the fields; secrets are hidden
  typecase blocks ls                         then Block.load("my-token") in Python
"""


def run(*, keep: bool = False, console: Console | None = None) -> None:
    """Run the main job on real data in a private folder, printing each step; `keep` leaves everything in place.

    With TYPECASE_DEMO_URL=postgresql://... the registry and the prod database are in a new schema of that database.
    Raises `ClaimsUntrue` if anything that it says does not hold, `MissingPackage` without the extra `webhook`.
    """
    with needs("webhook"):
        import_module("httpx")
    started = perf_counter()
    console = console or Console(highlight=False)
    report = Report(console)
    token = token_urlsafe(24)
    with (
        open_sandbox(os.environ.get(DEMO_URL) or None, keep=keep) as sandbox,
        open_receiver(sandbox.folder / "received.jsonl", token=token) as receiver,
    ):
        Story(sandbox, receiver, report).tell(token=token, keep=keep)
    report.verdict(perf_counter() - started)
    console.print(_NEXT, end="", markup=False, soft_wrap=True)


class Story:
    """The steps, in order."""

    def __init__(self, sandbox: Sandbox, receiver: Receiver, report: Report) -> None:
        self.sandbox = sandbox
        self.receiver = receiver
        self.report = report

    def tell(self, *, token: str, keep: bool) -> None:
        """Tell it all."""
        systems = Systems(self.sandbox, self.receiver, token=token)
        try:
            rows = self.load_data(systems)
            self.save(systems, keep=keep)
            self.run_flows(rows)
            self.send_to_worker(systems)
            self.search_for_secrets(systems)
        finally:
            systems.dispose()

    def load_data(self, systems: Systems) -> dict[str, Sequence[dict[str, Any]]]:
        """Fill the databases."""
        self.report.step("Real data: penguins of the Palmer Archipelago (Gorman, Williams, Fraser 2014; CC0)")
        rows = systems.load_tables(read_penguins())
        for workspace, database in systems.databases.items():
            counted = database.fetch_all("select count(*) as birds from penguins")[0]["birds"]
            self.report.claim(
                f"{counted} birds in {workspace}: {systems.places[workspace]}", holds=counted == len(rows[workspace])
            )
        return rows

    def save(self, systems: Systems, *, keep: bool) -> None:
        """Save the documents and show where each name leads."""
        self.report.step("Three names, saved in three workspaces of an encrypted registry")
        systems.save_documents()
        fate = "kept" if keep else "removed at the end"
        self.report.say(f"Registry: {self.sandbox.describe()}; your own registry is not touched")
        self.report.say(f"Folder:   {self.sandbox.folder} (private, {fate})")
        table = Table("name", "in default", "in prod", "in staging", box=None, header_style="bold")
        for row in systems.table():
            table.add_row(*row)
        self.report.show(Padding(table, (0, 0, 0, 2)))
        mode = stat.S_IMODE(self.sandbox.key_file.stat().st_mode)
        self.report.claim(
            f"only you can read the root key ({self.sandbox.key_file.name}, mode {mode:04o})",
            holds=os.name != "posix" or mode & (stat.S_IRWXG | stat.S_IRWXO) == 0,
        )

    def run_flows(self, rows: dict[str, Sequence[dict[str, Any]]]) -> None:
        """Run the same file under two workspaces."""
        self.report.say("")
        self.report.say("The flow knows names only: it streams from prod-db, writes into landing, notifies ops.")
        for workspace, loaded in rows.items():
            self.report.step(f"TYPECASE_WORKSPACE={workspace} python {FLOW_SHOWN}")
            before = len(self.receiver.messages())
            run_flow(workspace, folder=self.sandbox.folder)
            result = ObjectStore.load("landing", workspace=workspace).read(_RESULT).decode()
            table = Table(*result.split("\n", 1)[0].split(","), box=None, header_style="bold")
            for line in result.splitlines()[1:]:
                table.add_row(*line.split(","))
            self.report.show(Padding(table, (0, 0, 0, 2)))
            self.report.claim(
                f"files/{workspace}/{_RESULT} is what the table's {len(loaded)} rows give",
                holds=result == expected_result(loaded),
            )
            news = self.receiver.messages()[before:]
            self.report.claim("the webhook's receiver accepted the token and one message", holds=len(news) == 1)

    def send_to_worker(self, systems: Systems) -> None:
        """Send a block with a secret to a spawned process."""
        self.report.step("A block goes to a worker process")
        ops = Notifier.load("ops", workspace="prod")
        pickled = pickle.dumps(ops)
        found = search(systems.secrets, [("the pickle", pickled)])
        self.report.claim(
            f"the pickle is a reference of {len(pickled)} bytes and holds no secret",
            holds=not found.found,
            why_not=", ".join(found.found),
        )
        before = len(self.receiver.messages())
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            process = pool.submit(greet, ops).result(timeout=_PATIENCE)
        arrived = len(self.receiver.messages()) - before
        self.report.claim(
            f"process {process} loaded the block anew and sent a message with the right token",
            holds=process != os.getpid() and arrived == 1,
        )

    def search_for_secrets(self, systems: Systems) -> None:
        """Look for the secrets where the registry keeps them."""
        names = " and ".join(systems.secrets)
        self.report.step(f"The {names}, searched for as text, UTF-16, hex and base64")
        places = list(self.sandbox.stored_bytes())
        found = search(systems.secrets, places)
        where = ", ".join(place for place, _ in places) if self.sandbox.schema is None else f"{found.places} tables"
        self.report.claim(
            f"not in the {found.scanned:,} bytes of {where}",
            holds=found.scanned > 0 and not found.found,
            why_not=", ".join(found.found) or "nothing was searched",
        )
        planted, noticed = control(systems.secrets)
        self.report.claim(
            f"the search itself works: of {planted} leaks made on purpose it finds {noticed}",
            holds=planted == noticed > 0,
        )
