"""`typecase info`."""

import platform
from typing import TYPE_CHECKING, Any

from typecase.registry.cli.output import Facts
from typecase.registry.cli.session import Session

if TYPE_CHECKING:
    from typecase.blocks.registry import Registry

_PAGE = 1000
_PAGES = 10


def info(session: Session) -> None:
    """Show versions, settings, the registry and what is wrong with them. Changes nothing."""
    from importlib.metadata import version

    from typecase.blocks.catalog import CATALOG
    from typecase.blocks.settings import default_paths, find_project_file
    from typecase.registry.cli.addresses import is_absent, masked_url, registry_url

    settings = session.settings
    files = [find_project_file(), default_paths().config_file]
    facts: dict[str, Any] = {
        "version": version("typecase"),
        "python": platform.python_version(),
        "registry": masked_url(registry_url(settings)),
        "workspace": settings.workspace,
        "profile": settings.profile,
        "key": settings.key or default_paths().key_file.as_uri(),
        "settings_files": [str(path) for path in files if path is not None and path.is_file()],
        "installed_types": sum(1 for _ in CATALOG),
    }
    if is_absent(settings):
        facts["state"] = "not made yet: `typecase init`, or the first save, makes it"
    else:
        facts |= _registry_facts(session)
    facts["problems"] = [str(problem) for problem in CATALOG.problems.values()]
    shown = {name: "; ".join(value) if isinstance(value, list) else value for name, value in facts.items()}
    session.out.answer(facts, Facts({name: value for name, value in shown.items() if value not in (None, "")}))


def _registry_facts(session: Session) -> dict[str, Any]:
    from typecase.blocks.errors import TypecaseError

    try:
        registry = session.registry
        keys = registry.key_status()
        state = f"sealed: {keys.reason}" if keys.sealed else "open"
        return {
            "state": state,
            "root_key": keys.root_key,
            "registered_types": sum(1 for _ in registry.types.all()),
            "workspaces": len(registry.workspaces.list()),
            "documents": _count(registry),
        }
    except TypecaseError as error:
        return {"state": f"{type(error).__name__}: {error}"}


def _count(registry: "Registry") -> int | str:
    """Count documents a page at a time, up to a limit that keeps this command quick."""
    total = pages = 0
    for workspace in registry.workspaces.list():
        cursor = None
        while True:
            page = registry.documents.list(workspace=workspace.name, cursor=cursor, limit=_PAGE)
            total, pages, cursor = total + len(page.items), pages + 1, page.cursor
            if pages >= _PAGES:
                return f"at least {total}"
            if cursor is None:
                break
    return total
