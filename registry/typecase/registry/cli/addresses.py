"""Registry URLs: safe to show, and whether something is there."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typecase.blocks.settings import Settings

_PASSWORD: Final = re.compile(r"(?<=://)([^/?#@:]*):.*@")
_PARAMETER: Final = re.compile(r"([?&][^=&#]*(?:password|token|secret|key)[^=&#]*=)[^&#]*", re.IGNORECASE)
_FILE: Final = "sqlite:///"


def masked_url(url: str) -> str:
    """Return `url` with passwords in the authority and in parameters covered."""
    return _PARAMETER.sub(r"\1***", _PASSWORD.sub(r"\1:***@", url))


def registry_url(settings: "Settings") -> str:
    """Return the URL of the registry that `settings` name, passwords included."""
    from typecase.blocks.settings import default_paths

    return settings.url.get_secret_value() if settings.url is not None else f"{_FILE}{default_paths().database}"


def is_absent(settings: "Settings") -> bool:
    """Tell whether the registry is a file that does not exist: asking it anything would make it."""
    url = registry_url(settings)
    return url.startswith(_FILE) and not Path(url.removeprefix(_FILE)).expanduser().exists()
