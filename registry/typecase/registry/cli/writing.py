"""`typecase blocks create` and `edit`."""

import copy
from typing import TYPE_CHECKING, Annotated, Any

import typer

from typecase.registry.cli.completion import complete_names, complete_types
from typecase.registry.cli.given import (
    FromFileOption,
    Given,
    SecretFromEnvOption,
    SecretFromFileOption,
    SecretFromStoreOption,
    SecretStdinOption,
    SecretsToOption,
    SetJsonOption,
    SetOption,
    parse_time,
)
from typecase.registry.cli.session import Session, command
from typecase.registry.cli.terminal import interactive

if TYPE_CHECKING:
    from typecase.blocks.records import Revision
    from typecase.blocks.stored import Tree
    from typecase.registry.cli.forms import BlockForm, Builder


def add(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    command(app, "create")(create)
    command(app, "edit")(edit)


def create(  # noqa: PLR0913, PLR0917 - each parameter is an option
    session: Session,
    type_slug: Annotated[str, typer.Argument(metavar="TYPE", help="Block type.", autocompletion=complete_types)],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new document.")],
    set_values: SetOption = None,
    set_json: SetJsonOption = None,
    from_file: FromFileOption = None,
    secret_from_env: SecretFromEnvOption = None,
    secret_from_file: SecretFromFileOption = None,
    secret_from_store: SecretFromStoreOption = None,
    secret_stdin: SecretStdinOption = None,
    secrets_to: SecretsToOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Ask for optional fields too.")] = False,
    description: Annotated[str | None, typer.Option("--description", help="What the document is for.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="A tag; may be repeated.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Who answers for it.")] = None,
    expires_at: Annotated[
        str | None, typer.Option("--expires-at", metavar="TIME", help="When it expires: ISO 8601, such as 2027-01-31.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a document of that name; its history is kept.")
    ] = False,
) -> None:
    """Save a new block, from options or from answers to questions about its fields."""
    from typecase.blocks.names import validate_name
    from typecase.registry.cli.forms import Builder, find_form
    from typecase.registry.cli.prompts import fill
    from typecase.registry.cli.values import HOW, Values

    validate_name(name, "document")
    expiry = None if expires_at is None else parse_time(expires_at)
    form = find_form(type_slug, session.registry)
    values = Values(form.place, type_slug, {}, is_bytes=form.is_bytes)
    values.apply(
        Given(
            set=set_values or (),
            set_json=set_json or (),
            from_file=from_file,
            secret_from_env=secret_from_env or (),
            secret_from_file=secret_from_file or (),
            secret_from_store=secret_from_store or (),
            secret_stdin=secret_stdin,
        )
    )
    if not overwrite:
        _refuse_existing(session, name)
    missing = values.missing()
    if (missing or everything) and interactive():
        fill(values, everything=everything)
    elif missing:
        values.problems += [(place.path, "missing", f"is required ({place.words()})") for place in missing]
        values.refuse(HOW)
    revision = _save(
        session,
        form,
        name,
        values.data,
        Builder(session.registry, session.workspace),
        overwrite=overwrite,
        description=description,
        tags=None if tag is None else tuple(tag),
        owner=owner,
        expires_at=expiry,
        secrets_to=secrets_to,
    )
    _tell(session, revision)


def edit(  # noqa: PLR0913, PLR0917 - each parameter is an option
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Document.", autocompletion=complete_names)],
    set_values: SetOption = None,
    set_json: SetJsonOption = None,
    from_file: FromFileOption = None,
    secret_from_env: SecretFromEnvOption = None,
    secret_from_file: SecretFromFileOption = None,
    secret_from_store: SecretFromStoreOption = None,
    secret_stdin: SecretStdinOption = None,
    secrets_to: SecretsToOption = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", metavar="FIELD", help="Give a field its default; may be repeated.")
    ] = None,
) -> None:
    """Write a new revision: with options, or in $EDITOR without. Secrets that are not named stay as they are."""
    import json

    from typecase.blocks.dumping import unescape
    from typecase.registry.cli.editing import edit_fields
    from typecase.registry.cli.forms import Builder, find_form, known_references
    from typecase.registry.cli.newest import bring_up_to_date
    from typecase.registry.cli.values import Values, hide

    registry, workspace = session.registry, session.workspace
    tree = registry.load(name, workspace=workspace)
    _refuse_inherited(tree, workspace)
    number = tree.root.revision
    form = find_form(tree.root.type_slug, registry)
    stored = unescape(json.loads(tree.root.data))
    hide(form.place, stored)
    shown = unescape(dict(registry.documents.get(name, workspace=workspace, revision=number).data))
    known = known_references(shown, stored)
    builder = Builder(registry, workspace, known=known)
    title = f"{tree.root.workspace}/{tree.root.name}, a {form.slug} block, at revision {number}"
    if form.cls is not None:
        newest = bring_up_to_date(form.cls, tree, registry, known)
        if newest is not None:
            shown, stored = newest.shown, newest.stored
            hide(form.place, stored)
            title += f", after the migrations {', '.join(newest.ran)}"
        # As when loading: fields that the class no longer has are left behind.
        stored = {key: value for key, value in stored.items() if form.place.below(key) is not None}
        shown = {key: value for key, value in shown.items() if key in stored}
    given = Given(
        set=set_values or (),
        set_json=set_json or (),
        from_file=from_file,
        secret_from_env=secret_from_env or (),
        secret_from_file=secret_from_file or (),
        secret_from_store=secret_from_store or (),
        secret_stdin=secret_stdin,
        unset=unset or (),
    )
    saved: list[Revision] = []

    def save(data: dict[str, Any]) -> None:
        if data != stored:
            hide(form.place, data)
            saved.append(_save(session, form, name, data, builder, expected_revision=number, secrets_to=secrets_to))

    if given:
        values = Values(form.place, form.slug, copy.deepcopy(stored), is_bytes=form.is_bytes)
        values.apply(given)
        save(values.data)
    else:
        edit_fields(title, form.place, shown, stored, save)
    if saved:
        _tell(session, saved[0])
    else:
        session.out.done("Nothing changed.", workspace=workspace, name=name, type=form.slug, revision=number)


def _save(
    session: Session, form: "BlockForm", name: str, data: dict[str, Any], builder: "Builder", **options: Any
) -> "Revision":
    from typecase.blocks.records import Draft
    from typecase.blocks.storing import author

    about = {key: value for key, value in options.items() if value is not None}
    if form.cls is not None:
        block = builder.build(form, data)
        return block.save(name, workspace=session.workspace, registry=session.registry, **about)
    assert form.version is not None  # noqa: S101 - without a class the form came from the registry
    if about.pop("secrets_to", None) is not None:
        from typecase.blocks.errors import NotSupported

        message = f"--secrets-to needs the class of {form.slug!r}, whose package is not installed here."
        raise NotSupported(message, hint="Install the package, or put the secrets into the store and refer to them.")
    return session.registry.documents.save(
        Draft(
            name=name,
            workspace=session.workspace,
            type_slug=form.slug,
            schema_version=form.version,
            data=builder.resolve(form.place, data, escape=True),
            author=author(),
            **about,
        )
    )


def _tell(session: Session, revision: "Revision") -> None:
    session.out.done(
        f"Saved {revision.workspace}/{revision.name} ({revision.type_slug}), revision {revision.number}.",
        workspace=revision.workspace,
        name=revision.name,
        type=revision.type_slug,
        revision=revision.number,
    )


def _refuse_existing(session: Session, name: str) -> None:
    from typecase.blocks.errors import DocumentNotFound
    from typecase.blocks.refusals import document_exists

    try:
        found = session.registry.documents.get(name, workspace=session.workspace)
    except DocumentNotFound:
        return
    if found.workspace == session.workspace:
        hint = "Add --overwrite to replace it (its history is kept), or choose another name."
        raise document_exists(found.workspace, name, hint=hint)


def _refuse_inherited(tree: "Tree", workspace: str) -> None:
    from typecase.registry.cli.errors import UsageFault

    if tree.root.workspace != workspace:
        raise UsageFault(
            f"{tree.root.name!r} is not in workspace {workspace!r}: it comes from its parent {tree.root.workspace!r}.",
            hint=f"Add -w {tree.root.workspace} to change it there.",
        )
