"""What installed packages declare, read so that one package's unreadable metadata hides no other's."""

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, distributions, entry_points

Report = Callable[[str, Exception], None]


def declared(group: str, report: Report | None = None) -> tuple[EntryPoint, ...]:
    """Return the entry points of `group`; `report(package, error)` hears of packages that cannot be read."""
    try:
        return tuple(entry_points(group=group))
    except Exception:  # noqa: BLE001 - another package's metadata may cause anything
        return tuple(_one_by_one(group, report))


def package_of(point: EntryPoint) -> str:
    """Return the name of the distribution that declares `point`."""
    name: str | None = point.dist.metadata["Name"] if point.dist is not None else None
    return name or "an unknown package"


def _one_by_one(group: str, report: Report | None) -> Iterator[EntryPoint]:
    met: set[str] = set()
    for dist in distributions():
        name = str(dist.metadata["Name"])
        if name in met:
            continue
        met.add(name)
        try:
            yield from dist.entry_points.select(group=group)
        except Exception as error:  # noqa: BLE001 - as above
            if report is not None:
                report(name, error)
