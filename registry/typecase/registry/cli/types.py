"""`typecase types ls` and `show`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from typecase.registry.cli.completion import complete_types
from typecase.registry.cli.output import Facts, Table, cell
from typecase.registry.cli.packages import quality_of_type, quality_rows, quality_table
from typecase.registry.cli.session import Session, command
from typecase.registry.cli.terminal import warn

if TYPE_CHECKING:
    from typecase.blocks.records import TypeRecord
    from typecase.registry.cli.places import Place

app = typer.Typer(help="Block types: what is installed, what the registry knows.", no_args_is_help=True)

_COLUMNS = ("type", "title", "package", "installed", "registered")
_DEEPEST = 4


def list_types(session: Session) -> None:
    """List the block types that are installed here or known to the registry; imports none of them."""
    from typecase.blocks.catalog import CATALOG

    records = _records(session)
    rows: dict[str, dict[str, Any]] = {}
    for entry in CATALOG:
        rows[entry.slug] = {"type": entry.slug, "package": entry.package, "installed": entry.package_version or True}
    for record in records:
        row = rows.setdefault(record.slug, {"type": record.slug, "package": record.package, "installed": None})
        row |= {"title": record.title, "kinds": list(record.kinds), "registered": f"version {record.version}"}
    items = [{"title": "", "registered": None, **rows[slug]} for slug in sorted(rows)]
    session.out.items(_COLUMNS, items, empty="No block type is installed.", problems=list(CATALOG.problems))


def show(
    session: Session,
    slug: Annotated[str, typer.Argument(metavar="TYPE", help="Block type.", autocompletion=complete_types)],
) -> None:
    """Show a block type, its fields, and where its package says that it stands."""
    from typecase.registry.cli.places import Place

    about, form = _described(session, slug)
    fields = [_row(field) for field in _all_fields(Place(form, form))]
    rules = quality_rows(quality_of_type(slug))
    session.out.answer(
        {**about, "fields": fields, "quality": rules},
        Facts({name: value for name, value in about.items() if value not in ("", [], None)}),
        Table(("field", "type", "default", "help"), [_told(field) for field in fields], title="Fields"),
        *([quality_table(rules)] if rules else []),
    )


def _records(session: Session) -> tuple["TypeRecord", ...]:
    from typecase.blocks.errors import RegistryError
    from typecase.registry.cli.addresses import is_absent

    if is_absent(session.settings):
        return ()
    try:
        return session.registry.types.list()
    except RegistryError as error:
        warn(f"warning: only what is installed here is listed. {error}")
        return ()


def _described(session: Session, slug: str) -> tuple[dict[str, Any], Any]:
    from typecase.blocks.catalog import CATALOG
    from typecase.blocks.errors import BlockTypeNotFound, TypeNotRegistered
    from typecase.blocks.schema import definition_of
    from typecase.registry.cli.addresses import is_absent
    from typecase.registry.cli.extras import extra_hint

    try:
        found = definition_of(CATALOG.get(slug))
    except BlockTypeNotFound as error:
        missing = error
    else:
        entry = CATALOG.entry(slug)
        about = {**_about(found), "version": found.package_version, "installed": True}
        return {**about, "needs": extra_hint(entry) if entry is not None else ""}, found.form
    if is_absent(session.settings):
        raise missing
    try:
        record = session.registry.types.get(slug)
    except TypeNotRegistered:
        raise missing from None
    needs = f"pip install {record.package}"
    return {**_about(record), "version": "", "installed": False, "needs": needs}, record.form


def _about(found: Any) -> dict[str, Any]:
    return {
        "type": found.slug,
        "title": found.title,
        "description": found.description,
        "kinds": list(found.kinds),
        "package": found.package,
        "docs": found.docs,
    }


def _all_fields(place: "Place", depth: int = 0) -> Iterator["Place"]:
    for field in place.fields():
        yield field
        if field.model and depth < _DEEPEST:
            yield from _all_fields(field, depth + 1)


def _row(field: "Place") -> dict[str, Any]:
    return {
        "field": field.path,
        "type": field.words(),
        "required": field.required,
        "default": None if field.secret else field.schema.get("default"),
        "secret": field.secret,
        "help": field.help,
        "example": field.example,
    }


def _told(field: dict[str, Any]) -> list[Any]:
    example = f"Such as {cell(field['example'])}." if field["example"] is not None else ""
    default = "(required)" if field["required"] else field["default"]
    return [field["field"], field["type"], default, f"{field['help']} {example}".strip()]


command(app, "ls")(list_types)
command(app, "show")(show)
