"""Documents that a class does not read as they are: migrated, or refused with the reason. Off the usual load path."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from typecase.blocks.catalog import CATALOG
from typecase.blocks.documents.references import find_inline
from typecase.blocks.dumping import Dump
from typecase.blocks.errors import InvalidBlock, MigrationFailed, TypecaseError
from typecase.blocks.migrations import Migration, migrations_of
from typecase.blocks.sanitizing import invalid_block
from typecase.blocks.schema import definition_of

if TYPE_CHECKING:
    from typecase.blocks.block import Block
    from typecase.blocks.records import SchemaVersion, TypeDefinition
    from typecase.blocks.registry import Types
    from typecase.blocks.stored import StoredBlock


def migrate(cls: "type[Block]", data: Mapping[str, Any], *, slug: str, version: int, place: str) -> dict[str, Any]:
    """Return `data` after the migrations of `cls` from `version` of `slug` on. Raises `MigrationFailed`."""
    migrated: Any = json.loads(json.dumps(data))
    for step in migrations_of(cls, slug, version):
        migrated, reason = _run(step, migrated)
        if reason:
            raise MigrationFailed(
                f"{place} was saved with schema version {version}, and its migration {step.name} failed: {reason}.",
                hint=f"Fix {step.name}, which begins at version {step.from_version}, or install a fixed package.",
                problems=(("", "migration", f"{step.name} failed"),),
                migration=step.name,
                from_version=step.from_version,
            )
    found: dict[str, Any] = migrated
    return found


def with_defaults(cls: "type[Block]", data: Mapping[str, Any]) -> dict[str, Any]:
    """Return `data` with the defaults that it lacks, as JSON: pydantic refuses a `SecretStr` default beside JSON."""
    dump = Dump(cls.__new__(cls), lambda _: 1)
    found = dict(data)
    for name, info in cls.__pydantic_fields__.items():
        given = {key for key in (name, info.alias, info.validation_alias) if isinstance(key, str)}
        if not info.is_required() and not info.default_factory and given.isdisjoint(data):
            try:
                found[name] = dump.value(info.default, name)
            except InvalidBlock:
                continue  # pydantic reads the default itself
    return found


def number_of(types: "Types", definition: "TypeDefinition") -> int | None:
    """Return the number that the registry gave to the schema of `definition`, None where it does not know it."""
    try:
        versions = types.versions(definition.slug)
        return next((item.number for item in versions if item.digest == definition.digest), None)
    except TypecaseError:
        return None


def unreadable(
    cls: "type[Block]",
    stored: "StoredBlock",
    error: ValidationError,
    types: "Types",
    *,
    data: Any,
    ran: tuple[str, ...],
) -> InvalidBlock:
    """Describe the document `stored`, which `cls` does not accept, not even after the migrations `ran`."""
    title = f"{stored.workspace}/{stored.name} ({stored.type_slug})"
    newer = "".join(newer_versions(stored, types))
    package = definition_of(cls).package
    how = f"; the migrations {', '.join(ran)} ran" if ran else ""
    hint = newer or (
        f"It was saved with schema version {stored.schema_version} of {stored.package}{how}: "
        f"run `typecase blocks edit {stored.name}`, or install a version of {package} that reads it."
    )
    return invalid_block(cls, title, error, data, hint=hint)


def newer_versions(stored: "StoredBlock", types: "Types") -> Iterator[str]:
    """Yield one sentence for each schema in `stored`, its own or an inline block's, that is newer than its class."""
    inside = ((slug, version) for _, slug, version, _ in find_inline(json.loads(stored.data)))
    for slug, version in dict.fromkeys([(stored.type_slug, stored.schema_version), *inside]):
        if isinstance(version, int):
            try:
                definition = definition_of(CATALOG.get(slug))
                written = types.version(slug, version)
            except TypecaseError:
                continue
            if _is_newer(written, definition, types):
                yield (
                    f"It was saved with the newer schema version {version} of {slug!r}, by package {written.package} "
                    f"{written.package_version or '(version unknown)'}; {definition.package} "
                    f"{definition.package_version or '(version unknown)'} is installed here: upgrade {written.package}."
                )


def _is_newer(written: "SchemaVersion", here: "TypeDefinition", types: "Types") -> bool:
    if written.type_slug != here.slug or written.digest == here.digest:
        return False
    known = number_of(types, here)
    if known is not None:
        return known < written.number
    # A schema that was never registered is the future, unless its package is older than the one that wrote.
    return written.package == here.package and release(written.package_version) > release(here.package_version)


def release(version: str) -> tuple[int, ...]:
    """Return the numbers with which the version of a package begins."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()


def _run(step: Migration, data: Any) -> tuple[Any, str]:
    """Return what `step` makes of `data`, or why it failed: the values in its error are left behind here."""
    try:
        result = step.run(data)
    except Exception as error:  # noqa: BLE001 - whatever a package's own code raises
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        return None, f"{type(error).__name__} in line {trace.tb_lineno if trace else '?'}"
    if not isinstance(result, dict):
        return None, f"it returned a {type(result).__name__}, not a dict"
    try:
        json.dumps(result)
    except (TypeError, ValueError):
        return None, "it returned values that JSON cannot express"
    return result, ""
