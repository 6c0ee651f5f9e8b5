"""`typecase types ls` and `show`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from typecase.registry.cli.completion import complete_types
from typecase.registry.cli.output import Facts, Mode, Table, cell
from typecase.registry.cli.packages import quality_of_type, quality_rows, quality_table
from typecase.registry.cli.session import Session, command
from typecase.registry.cli.terminal import warn

if TYPE_CHECKING:
    from typecase.blocks.records import TypeRecord
    from typecase.registry.cli.places import Place

app = typer.Typer(help="Block types: what is installed, what the registry knows.", no_args_is_help=True)

_COLUMNS = ("type", "title", "package", "installed", "registered")
_DEEPEST = 4


def list_types(
    session: Session,
    search: Annotated[str, typer.Option("--search", metavar="TEXT", help="With this text in slug or title.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many at most.")] = 100,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where an earlier list ended.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All pages.")] = False,
) -> None:
    """List the block types that are installed here or known to the registry; imports none of them.

    `--search` finds the title of registered types only: to know that of others would import them.
    """
    from typecase.blocks.catalog import CATALOG

    items: list[dict[str, Any]] = []
    while True:
        page, cursor = _page(session, search=search, cursor=cursor, limit=limit)
        items += page
        if cursor is None or not everything:
            break
    empty = "No block type fits." if search else "No block type is installed."
    session.out.items(_COLUMNS, items, empty=empty, cursor=cursor, problems=list(CATALOG.problems))
    if cursor is not None and session.out.mode is not Mode.JSON:
        warn(f"There are more: --cursor {cursor}")


def _page(session: Session, *, search: str, cursor: str | None, limit: int) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page of installed and registered types, merged by slug, and the cursor that continues it."""
    from typecase.blocks.catalog import CATALOG
    from typecase.blocks.paging import read_cursor, write_cursor

    after = read_cursor(cursor) or ""
    records, more = _records(session, search=search, cursor=cursor, limit=limit)
    titles = {record.slug for record in records}
    rows: dict[str, dict[str, Any]] = {}
    for entry in CATALOG:
        if entry.slug <= after or not (search.lower() in entry.slug or entry.slug in titles):
            continue
        rows[entry.slug] = {"type": entry.slug, "package": entry.package, "installed": entry.package_version or True}
    for record in records:
        row = rows.setdefault(record.slug, {"type": record.slug, "package": record.package, "installed": None})
        row |= {"title": record.title, "kinds": list(record.kinds), "registered": f"version {record.version}"}
    slugs = sorted(rows)
    shown = slugs[:limit]
    items = [{"title": "", "registered": None, **rows[slug]} for slug in shown]
    return items, write_cursor(shown[-1]) if more or len(slugs) > limit else None


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


def _records(session: Session, *, search: str, cursor: str | None, limit: int) -> tuple[tuple["TypeRecord", ...], bool]:
    """Return a page of the registered types and whether there are more."""
    from typecase.blocks.errors import RegistryError
    from typecase.registry.cli.addresses import is_absent

    if is_absent(session.settings):
        return (), False
    try:
        page = session.registry.types.list(search=search, cursor=cursor, limit=limit)
    except RegistryError as error:
        warn(f"warning: only what is installed here is listed. {error}")
        return (), False
    return page.items, page.cursor is not None


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
