"""What the commands of `typecase access` share."""

from typing import TYPE_CHECKING

from typecase.registry.cli.output import cell
from typecase.registry.cli.session import Session

if TYPE_CHECKING:
    from typecase.registry.access.callers import Caller
    from typecase.registry.access.parts import Access
    from typecase.registry.access.records import NewLink


def access_of(session: Session) -> "Access":
    """Return the access of this run's registry. Raises `NotSupported`."""
    from typecase.blocks.errors import NotSupported

    access: Access | None = getattr(session.registry, "access", None)
    if access is None:
        raise NotSupported("Access is managed at the registry's database.", hint="Point --url at it.")
    return access


def actor() -> "Caller":
    """Return who runs this command. Whoever reaches the database and its root key may do all."""
    from typecase.blocks.storing import author
    from typecase.registry.access.authority import operator

    return operator(author() or "operator")


def link_facts(page: str, link: "NewLink", server: str | None) -> tuple[str, dict[str, str]]:
    """Return what is told of a one-time link: as a sentence, and as facts."""
    where = link.code if server is None else f"{server.rstrip('/')}/{page}#{link.code}"
    facts = {"link" if server else "code": where, "expires": cell(link.expires_at)}
    return where, facts
