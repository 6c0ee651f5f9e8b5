"""`typecase new-package`, and what `types show` says of a package's quality."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from typecase.registry.cli.output import Table
from typecase.registry.cli.session import Session

if TYPE_CHECKING:
    from typecase.blocks.quality import Quality


def new_package(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the distribution, such as acme-blocks.")],
    folder: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", help="Folder to write; by default a new one of that name.")
    ] = None,
    block: Annotated[
        str | None, typer.Option("--block", metavar="CLASS", help="Name of its first block class.")
    ] = None,
    author: Annotated[
        str | None, typer.Option("--author", metavar="AUTHOR", help="As 'Ada Lovelace <ada@example.com>'.")
    ] = None,
) -> None:
    """Write a package of blocks that is ready to build: one block, its test, an icon, a README, checks for CI."""
    from typecase.registry.scaffold import name_package, write_package

    names = name_package(name, block=block)
    target = write_package(names, Path(names.distribution) if folder is None else folder, author=author)
    shown = target.relative_to(Path.cwd()) if target.is_relative_to(Path.cwd()) else target
    module = shown / "src" / names.package / f"{names.module}.py"
    sentence = f"""\
Wrote {names.distribution} with the block type {names.slug} into {shown}.
Next, in a virtual environment:
  cd {shown}
  pip install -e '.[dev]'
  pytest
Then make {module} speak to your service."""
    facts = {"package": names.distribution, "type": names.slug, "class": names.block}
    session.out.done(sentence, **facts, folder=str(target))


def quality_of_type(slug: str) -> "Quality | None":
    """Return where the installed package of `slug` says that it stands; a statement that is wrong is warned of."""
    from typecase.blocks.catalog import CATALOG
    from typecase.blocks.quality import InvalidQuality, quality_of
    from typecase.registry.cli.terminal import warn

    entry = CATALOG.entry(slug)
    try:
        return quality_of(entry.target) if entry is not None else None
    except InvalidQuality as error:
        warn(f"warning: {error}")
        return None


def quality_rows(quality: "Quality | None") -> list[dict[str, Any]]:
    """Return the rules as `types show` lists them, none where nothing is stated."""
    claims = quality.claims if quality is not None else ()
    return [{"rule": claim.rule, "standing": claim.standing, "note": claim.note} for claim in claims]


def quality_table(rows: list[dict[str, Any]]) -> Table:
    """Return the rules as a table."""
    return Table(("rule", "standing", "note"), [list(row.values()) for row in rows], title="Quality")
