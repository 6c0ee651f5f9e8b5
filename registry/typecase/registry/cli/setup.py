"""`typecase init`."""

from typing import Annotated, Any

import typer

from typecase.registry.cli.session import Session


def init(
    session: Session,
    create_key: Annotated[
        bool, typer.Option("--create-key", help="Make the root key if there is none; an SQLite registry always does.")
    ] = False,
) -> None:
    """Make the registry's tables, its workspace `default` and, where allowed, its root key; or upgrade its tables."""
    from typecase.blocks.errors import NotSupported
    from typecase.blocks.settings import default_paths
    from typecase.registry.cli.addresses import masked_url, registry_url

    settings = session.settings
    url = registry_url(settings)
    registry: Any = session.registry
    make = getattr(registry, "init", None)
    if make is None:
        raise NotSupported("This registry needs no tables.", hint="Use it as it is.")
    is_new = make(create_key_if_missing=create_key or url.startswith("sqlite:"))
    key = settings.key or default_paths().key_file.as_uri()
    shown = masked_url(url)
    sentence = f"{'Made' if is_new else 'Up to date:'} the registry {shown}.\nRoot key: {key}\n"
    sentence += "Back the root key up: without it nothing in the registry can be read."
    session.out.done(sentence, registry=shown, root_key=key, created=is_new)
