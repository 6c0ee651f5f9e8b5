"""`typecase types versions`, `diff` and `compatibility`."""

from typing import Annotated, Any

import typer

from typecase.registry.cli.completion import complete_types
from typecase.registry.cli.findings import difference_row
from typecase.registry.cli.session import Session, command


def complete_modes(incomplete: str) -> list[str]:
    """Return the compatibility modes."""
    from typecase.blocks.compatibility import Mode

    return [mode.value for mode in Mode if mode.startswith(incomplete)]


def complete_policies(incomplete: str) -> list[str]:
    """Return the compatibility policies."""
    from typecase.blocks.compatibility import Policy

    return [policy.value for policy in Policy if policy.startswith(incomplete)]


TypeArgument = Annotated[str, typer.Argument(metavar="TYPE", help="Block type.", autocompletion=complete_types)]

_VERSIONS = ("version", "package", "package_version", "created", "forced", "digest")
_DIFFERENCES = ("path", "rule", "direction", "breaking", "sentence")


def versions(session: Session, slug: TypeArgument) -> None:
    """List the schema versions of a block type, oldest first."""
    rows = [
        {
            "version": item.number,
            "package": item.package,
            "package_version": item.package_version,
            "created": item.created_at,
            "forced": item.forced,
            "digest": item.digest[:12],
        }
        for item in session.registry.types.versions(slug)
    ]
    session.out.items(_VERSIONS, rows, empty="There is no version.")


def diff(
    session: Session,
    slug: TypeArgument,
    before: Annotated[int, typer.Argument(metavar="V1", min=1, help="Earlier schema version.")],
    after: Annotated[int, typer.Argument(metavar="V2", min=1, help="Later schema version.")],
) -> None:
    """Compare two schema versions: what the later cannot read of the earlier, the reverse, and what came or went.

    Backward: documents of V1 read with V2. Forward: documents of V2 read with V1.
    """
    from typecase.blocks.compatibility import Direction, check_compatibility, compare_fields
    from typecase.blocks.verdicts import former_slugs

    types = session.registry.types
    rule = types.compatibility(slug)
    old, new = types.version(slug, before), types.version(slug, after)
    kinds = {record.slug: record.kinds for record in types.all()}
    aliases = former_slugs(types.get(slug).form)
    found = [
        difference
        for direction in Direction
        for difference in check_compatibility(
            old.schema, new.schema, direction=direction, policy=rule.policy, kinds=kinds, aliases=aliases
        )
    ]
    rows = [difference_row(item) for item in (*found, *compare_fields(old.schema, new.schema))]
    for row in rows:
        row["version"] = before
    rows += [_kind_row(kind, before, lost=True) for kind in old.kinds if kind not in new.kinds]
    rows += [_kind_row(kind, before, lost=False) for kind in new.kinds if kind not in old.kinds]
    rows.sort(key=lambda row: (not row["breaking"], row["path"], str(row["rule"])))
    session.out.items(_DIFFERENCES, rows, empty=f"Versions {before} and {after} of {slug} read the same documents.")


def compatibility(
    session: Session,
    slug: Annotated[
        str | None,
        typer.Argument(
            metavar="TYPE",
            help="Block type; left out: all types without a rule of their own.",
            autocompletion=complete_types,
        ),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(
            "--mode",
            metavar="MODE",
            help="What a new version must be compatible with: none, backward, forward, full, or one of the last three "
            "with -transitive for every earlier version.",
            autocompletion=complete_modes,
        ),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy",
            metavar="POLICY",
            help="How unknown fields are taken: lenient or strict.",
            autocompletion=complete_policies,
        ),
    ] = None,
    inherit: Annotated[
        bool, typer.Option("--inherit", help="Give up what was set here: the general rule, or the default, holds.")
    ] = False,
) -> None:
    """Show what new schema versions must be compatible with, or set it."""
    from typecase.blocks.stored import UNSET

    types = session.registry.types
    if inherit:
        types.set_compatibility(None, None, slug=slug)
    if mode is not None or policy is not None:
        types.set_compatibility(UNSET if mode is None else mode, UNSET if policy is None else policy, slug=slug)
    rule = types.compatibility(slug)
    origin = "inherited" if slug is not None else "the default"
    sentence = f"{slug or 'All types'}: {rule.mode}, {rule.policy}{f' ({origin})' if rule.inherited else ''}."
    session.out.done(sentence, type=slug, mode=str(rule.mode), policy=str(rule.policy), inherited=rule.inherited)


def _kind_row(kind: str, before: int, *, lost: bool) -> dict[str, Any]:
    return {
        "path": "$",
        "rule": "kind-lost" if lost else "kind-added",
        "direction": "backward" if lost else None,
        "breaking": lost,
        "version": before,
        "sentence": f"The type is {'no longer' if lost else 'now'} of kind {kind}.",
    }


def add(app: typer.Typer) -> None:
    """Add the commands to `typecase types`."""
    command(app, "versions")(versions)
    command(app, "diff")(diff)
    command(app, "compatibility")(compatibility)
