"""`typecase blocks ls`, `show`, `describe`, `rename`, `check` and `delete`."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from typecase.registry.cli.completion import complete_names, complete_types
from typecase.registry.cli.exit_codes import ExitCode
from typecase.registry.cli.given import parse_time
from typecase.registry.cli.output import Facts, Mode, Table
from typecase.registry.cli.session import Session, command
from typecase.registry.cli.terminal import warn

if TYPE_CHECKING:
    from typecase.blocks.checks import Stage
    from typecase.blocks.records import Dependent, Document

app = typer.Typer(help="Saved blocks: list, show, write, compare, check.", no_args_is_help=True)

NameArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME", help="Document.", autocompletion=complete_names)
]

_COLUMNS = ("name", "type", "revision", "updated", "tags", "expires")
_COVER = "**********"


def list_documents(
    session: Session,
    type_slug: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="Of this block type.", autocompletion=complete_types)
    ] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Of this kind, such as Database.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="With this tag.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Of this owner.")] = None,
    search: Annotated[str | None, typer.Option("--search", help="With this text in name or description.")] = None,
    expired: Annotated[bool, typer.Option("--expired", help="Past their expiry only.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many at most.")] = 100,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where an earlier list ended.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All pages.")] = False,
) -> None:
    """List the documents of the workspace, by name."""
    from datetime import UTC, datetime

    from typecase.blocks.records import DocumentFilter

    where = DocumentFilter(
        type_slug=type_slug,
        kind=kind,
        tag=tag,
        owner=owner,
        search=search,
        expired_at=datetime.now(UTC) if expired else None,
    )
    documents = session.registry.documents
    found: list[Document] = []
    while True:
        page = documents.list(workspace=session.workspace, where=where, cursor=cursor, limit=limit)
        found.extend(page.items)
        cursor = page.cursor
        if cursor is None or not everything:
            break
    items = [{**_summary(item), "updated": item.updated_at, "expires": item.expires_at} for item in found]
    restricted = any((type_slug, kind, tag, owner, search, expired))
    empty = "No document fits." if restricted else f"Workspace {session.workspace!r} holds no documents."
    session.out.items(_COLUMNS, items, empty=empty, cursor=cursor)
    if cursor is not None and session.out.mode is not Mode.JSON:
        warn(f"There are more: --cursor {cursor}")


def show(
    session: Session,
    name: NameArgument,
    revision: Annotated[int | None, typer.Option("--revision", min=1, help="An earlier revision.")] = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the secrets of this one document in clear.")] = False,
) -> None:
    """Show a document, with its secrets covered."""
    document = session.registry.documents.get(name, workspace=session.workspace, revision=revision)
    data = _readable(document.data)
    if reveal:
        data = _revealed(session, document, data)
    about = {
        **_summary(document),
        "kinds": list(document.kinds),
        "schema_version": document.schema_version,
        "owner": document.owner,
        "created": document.created_at,
        "updated": document.updated_at,
        "expires": document.expires_at,
    }
    session.out.answer(
        {**about, "data": data}, Facts(about), Table(("field", "value"), list(_flat(data)), title="Fields")
    )


def describe(
    session: Session,
    name: NameArgument,
    description: Annotated[str | None, typer.Option("--description", help="What the document is for.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Its tags from now on; may be repeated.")] = None,
    no_tags: Annotated[bool, typer.Option("--no-tags", help="Take all tags away.")] = False,
    owner: Annotated[str | None, typer.Option("--owner", help="Who answers for it.")] = None,
    expires_at: Annotated[
        str | None, typer.Option("--expires-at", metavar="TIME", help="When it expires: ISO 8601, such as 2027-01-31.")
    ] = None,
    no_expiry: Annotated[bool, typer.Option("--no-expiry", help="It never expires.")] = False,
) -> None:
    """Change what is known about a document; its revision stays."""
    from typecase.blocks.stored import UNSET
    from typecase.registry.cli.errors import UsageFault

    if no_tags and tag:
        raise UsageFault("--tag and --no-tags exclude each other.", hint="Give one of them.")
    if no_expiry and expires_at:
        raise UsageFault("--expires-at and --no-expiry exclude each other.", hint="Give one of them.")
    if not (no_tags or tag or no_expiry or expires_at) and description is None and owner is None:
        raise UsageFault("Nothing to change was given.", hint="See typecase blocks describe --help.")
    document = session.registry.documents.describe(
        name,
        workspace=session.workspace,
        description=UNSET if description is None else description,
        tags=() if no_tags else UNSET if tag is None else tuple(tag),
        owner=UNSET if owner is None else owner,
        expires_at=None if no_expiry else UNSET if expires_at is None else parse_time(expires_at),
    )
    session.out.done(f"Described {document.workspace}/{document.name}.", **_summary(document))


def rename(
    session: Session,
    name: NameArgument,
    new_name: Annotated[str, typer.Argument(metavar="NEW_NAME", help="Its name from now on.")],
) -> None:
    """Give a document another name; references to it keep working."""
    document = session.registry.documents.rename(name, new_name, workspace=session.workspace)
    session.out.done(f"Renamed {document.workspace}/{name} to {document.name}.", **_summary(document))


def check(session: Session, name: NameArgument) -> None:
    """Try what a block stands for, stage by stage. Exit code 9 when something is wrong."""
    from datetime import UTC, datetime

    from typecase.blocks import Block
    from typecase.blocks.checks import Check, Stage, Status

    document = session.registry.documents.get(name, workspace=session.workspace)
    stages: tuple[Stage, ...] = ()
    if document.expires_at is not None and document.expires_at <= datetime.now(UTC):
        reason = f"expired at {document.expires_at.isoformat()}"
        hint = f"typecase blocks edit {name}, then describe {name} --expires-at"
        stages = (Stage(name="expiry", status=Status.ERROR, reason=reason, next_step=hint),)
    block = Block.load(name, workspace=session.workspace, revision=document.revision, registry=session.registry)
    outcome = block.check()
    status = Check(stages=stages + (outcome.stages or (Stage(name="block", status=outcome.status),))).status
    told = [_told(stage) for stage in (*stages, *outcome.stages)]
    about = {"workspace": document.workspace, "name": name, "type": document.type_slug, "status": status.value}
    columns = ("stage", "status", "reason", "next_step")
    parts = [Table(columns, [list(stage.values()) for stage in told])] if told else []
    session.out.answer({**about, "stages": told}, Facts(about), *parts)
    if status is Status.ERROR:
        raise typer.Exit(ExitCode.CHECK_FAILED)


def delete(
    session: Session,
    name: NameArgument,
    force: Annotated[bool, typer.Option("--force", help="Even if other documents refer to it: they break.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Destroy a document with all its revisions."""
    from typecase.blocks.refusals import document_in_use
    from typecase.registry.cli.prompts import confirm

    documents, workspace = session.registry.documents, session.workspace
    document = documents.get(name, workspace=workspace)
    dependents = documents.dependents(name, workspace=workspace) if document.workspace == workspace else ()
    if dependents and not force:
        raise document_in_use(workspace, name, dependents)
    breaks = f" This breaks {', '.join(_user(item) for item in dependents)}." if dependents else ""
    confirm(f"Delete {workspace}/{name} and its {document.revision} revision(s) for good?{breaks}", yes=yes)
    broken = documents.delete(name, workspace=workspace, force=force, expected_revision=document.revision)
    sentence = f"Deleted {workspace}/{name}."
    if broken:
        sentence += f" Broken: {', '.join(_user(item) for item in broken)}."
    session.out.done(sentence, workspace=workspace, name=name, broken=[_user(item) for item in broken])


def _summary(document: "Document") -> dict[str, Any]:
    return {
        "workspace": document.workspace,
        "name": document.name,
        "type": document.type_slug,
        "revision": document.revision,
        "description": document.description,
        "tags": list(document.tags),
    }


def _revealed(session: Session, document: "Document", shown: Any) -> Any:
    import json

    tree = session.registry.load(document.name, workspace=document.workspace, revision=document.revision)
    return _filled(shown, _readable(json.loads(tree.root.data)))


def _filled(shown: Any, stored: Any) -> Any:
    """Put the secrets of `stored` in the places where `shown` covers them; references stay as names."""
    if isinstance(shown, Mapping) and _reference_in(shown):
        return shown
    if isinstance(shown, Mapping) and isinstance(stored, Mapping) and "$block" not in shown:
        return {key: _filled(item, stored.get(key)) for key, item in shown.items()}
    if isinstance(shown, list) and isinstance(stored, list):
        return [_filled(*pair) for pair in zip(shown, stored, strict=True)]
    return stored if isinstance(shown, Mapping) and "$secret" in shown and not _reference_in(shown) else shown


def _reference_in(shown: Mapping[str, Any]) -> str:
    """Return the text form of the reference that a masked field shows, empty where it shows none."""
    from typecase.blocks.secrets import SecretReference

    source = shown["$secret"].get("source") if isinstance(shown.get("$secret"), Mapping) else None
    return str(SecretReference.from_json({"$secret": source})) if isinstance(source, Mapping) else ""


def _readable(data: Any) -> Any:
    from typecase.blocks.dumping import unescape
    from typecase.blocks.markers import VERSION

    if isinstance(data, Mapping):
        return {key: _readable(item) for key, item in unescape(dict(data)).items() if key != VERSION}
    return [_readable(item) for item in data] if isinstance(data, list) else data


def _flat(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(data, Mapping) and "$secret" in data:
        yield path, _reference_in(data) or _COVER
    elif isinstance(data, Mapping) and "$block" in data:
        target = data["$block"]
        named = (
            f"{target.get('workspace', '?')}/{target['name']}"
            if isinstance(target, Mapping) and "name" in target
            else target
        )
        yield path, f"block {named}" if isinstance(named, str) else "a block that no longer exists"
    elif isinstance(data, Mapping) and data:
        for key, item in data.items():
            yield from _flat(item, f"{path}.{key}" if path else key)
    else:
        yield path, data


def _told(stage: "Stage") -> dict[str, str]:
    from typecase.blocks.redaction import MASK

    return {
        "stage": stage.name,
        "status": stage.status.value,
        "reason": MASK.mask(stage.reason),
        "next_step": MASK.mask(stage.next_step),
    }


def _user(item: "Dependent") -> str:
    return f"{item.workspace}/{item.name}"


command(app, "ls")(list_documents)
command(app, "show")(show)
command(app, "describe")(describe)
command(app, "rename")(rename)
command(app, "check")(check)
command(app, "delete")(delete)
