"""`typecase workspaces ls`, `show`, `create`, `update`, `delete`."""

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from typecase.registry.cli.completion import complete_workspaces
from typecase.registry.cli.output import Facts
from typecase.registry.cli.session import Session, command

if TYPE_CHECKING:
    from typecase.blocks.records import Workspace

app = typer.Typer(help="Workspaces: isolated sets of documents.", no_args_is_help=True)

NameArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME", help="Workspace.", autocompletion=complete_workspaces)
]
ParentOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--parent", metavar="NAME", help="Where names that it lacks are looked up.", autocompletion=complete_workspaces
    ),
]
DescriptionOption: TypeAlias = Annotated[str | None, typer.Option("--description", help="What it is for.")]

_COLUMNS = ("name", "parent", "description", "created")


def list_workspaces(session: Session) -> None:
    """List the workspaces by name."""
    items = [_facts(item) for item in session.registry.workspaces.list()]
    session.out.items(_COLUMNS, items, empty="There are no workspaces.")


def show(session: Session, name: NameArgument) -> None:
    """Show a workspace."""
    facts = _facts(session.registry.workspaces.get(name))
    session.out.answer(facts, Facts(facts))


def create(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new workspace.")],
    parent: ParentOption = None,
    description: DescriptionOption = None,
) -> None:
    """Make a workspace, with a data key of its own."""
    made = session.registry.workspaces.create(name, parent=parent, description=description or "")
    session.out.done(f"Created workspace {made.name}.", **_facts(made))


def update(
    session: Session,
    name: NameArgument,
    parent: ParentOption = None,
    no_parent: Annotated[bool, typer.Option("--no-parent", help="Look names up nowhere else.")] = False,
    description: DescriptionOption = None,
) -> None:
    """Change the parent or the description of a workspace."""
    from typecase.blocks.stored import UNSET
    from typecase.registry.cli.errors import UsageFault

    if parent is not None and no_parent:
        raise UsageFault("--parent and --no-parent exclude each other.", hint="Give one of them.")
    if parent is None and not no_parent and description is None:
        raise UsageFault("Nothing to change was given.", hint="Give --parent, --no-parent or --description.")
    changed = session.registry.workspaces.update(
        name,
        parent=None if no_parent else UNSET if parent is None else parent,
        description=UNSET if description is None else description,
    )
    session.out.done(f"Updated workspace {changed.name}.", **_facts(changed))


def delete(session: Session, name: NameArgument) -> None:
    """Remove a workspace that holds no documents."""
    session.registry.workspaces.delete(name)
    session.out.done(f"Deleted workspace {name}.", name=name)


def _facts(workspace: "Workspace") -> dict[str, Any]:
    return {
        "name": workspace.name,
        "parent": workspace.parent,
        "description": workspace.description,
        "created": workspace.created_at,
    }


command(app, "ls")(list_workspaces)
command(app, "show")(show)
command(app, "create")(create)
command(app, "update")(update)
command(app, "delete")(delete)
