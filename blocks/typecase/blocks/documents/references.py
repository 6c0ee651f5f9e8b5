"""References to other documents, and inline blocks, inside a document."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from typecase.blocks.markers import BLOCK, SECRET, TYPE, VERSION
from typecase.blocks.records import SchemaVersion
from typecase.blocks.secrets.reference import SecretReference, is_reference, problem_of, store_of

Resolve = Callable[[str, Any], Mapping[str, Any]]


def find_references(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (JSON pointer, target) of each `{"$block": target}` in `data`, and of each store of a secret reference.

    A malformed secret reference, which validation refuses, has no store.
    """
    if isinstance(data, Mapping) and BLOCK in data:
        yield path, data[BLOCK]
        return
    if is_reference(data):
        store = store_of(data) if not problem_of(data) else None
        if store is not None:
            yield path, store
        return
    for step, item in steps(data):
        yield from find_references(item, f"{path}/{_escape(step)}")


def replace_references(data: Any, resolve: Resolve, path: str = "") -> Any:
    """Return `data` with each target replaced by what `resolve(pointer, target)` returns."""
    if isinstance(data, Mapping):
        if BLOCK in data:
            return {BLOCK: resolve(path, data[BLOCK])}
        if is_reference(data):
            store = store_of(data)
            written = SecretReference.from_json(data).to_json()
            if store is not None:
                written[SECRET]["store"] = resolve(path, store)
            return written
        return {key: replace_references(item, resolve, f"{path}/{_escape(key)}") for key, item in data.items()}
    if isinstance(data, list | tuple):
        return [replace_references(item, resolve, f"{path}/{index}") for index, item in enumerate(data)]
    return data


def find_inline(data: Any, path: str = "") -> Iterator[tuple[str, str, int | None, Mapping[str, Any]]]:
    """Yield (JSON pointer, slug, schema version, fields) of each inline block, outer ones first."""
    if is_reference(data):
        return
    if isinstance(data, Mapping) and TYPE in data:
        fields = {key: item for key, item in data.items() if key not in (TYPE, VERSION)}
        yield path, data[TYPE], data.get(VERSION), fields
    for step, item in steps(data):
        yield from find_inline(item, f"{path}/{_escape(step)}")


def find_newer_inline(stored: Any, data: Any) -> Iterator[tuple[str, int, int]]:
    """Yield (slug, version, version in `stored`) of inline blocks of `data` that stand there in a newer version."""
    known = {(path, slug): version for path, slug, version, _ in find_inline(stored)}
    for path, slug, version, _ in find_inline(data):
        newer = known.get((path, slug))
        if newer is not None and version is not None and version < newer:
            yield slug, version, newer


def pin_inline(data: Any, version_of: Callable[[str, int | None], SchemaVersion]) -> Any:
    """Return `data` with the newest schema version written into each inline block that names none."""
    if is_reference(data):
        return data
    if isinstance(data, Mapping):
        pinned = {key: pin_inline(item, version_of) for key, item in data.items()}
        if TYPE in data and data.get(VERSION) is None:
            pinned[VERSION] = version_of(data[TYPE], None).number
        return pinned
    if isinstance(data, list | tuple):
        return [pin_inline(item, version_of) for item in data]
    return data


def steps(data: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values directly below `data` with the key or index of each."""
    if isinstance(data, Mapping):
        yield from data.items()
    elif isinstance(data, list | tuple):
        yield from ((str(index), item) for index, item in enumerate(data))


def _escape(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
