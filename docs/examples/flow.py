"""Summarise the penguins: read from `prod-db`, write into `landing`, tell `ops`.

Which systems these three names mean depends on where it runs: set TYPECASE_WORKSPACE.
"""

import csv
import io

from typecase.blocks.kinds import Database, Notifier, ObjectStore

QUERY = "select species, body_mass_g from penguins where body_mass_g is not null"


def summarise(database: Database) -> list[dict[str, object]]:
    totals: dict[str, tuple[int, int]] = {}
    for batch in database.stream(QUERY, size=100):
        for row in batch:
            birds, mass = totals.get(row["species"], (0, 0))
            totals[row["species"]] = birds + 1, mass + row["body_mass_g"]
    return [
        {"species": species, "birds": birds, "mean_mass_g": f"{mass / birds:.1f}"}
        for species, (birds, mass) in sorted(totals.items())
    ]


def as_csv(rows: list[dict[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["species", "birds", "mean_mass_g"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def main() -> None:
    summary = summarise(Database.load("prod-db"))
    written = ObjectStore.load("landing").write("penguins-by-species.csv", as_csv(summary))
    Notifier.load("ops").notify(f"{written.path} is there: {len(summary)} species", subject="Penguins")


if __name__ == "__main__":
    main()
