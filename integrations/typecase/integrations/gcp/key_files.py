"""The JSON files that Google hands out: service account keys and federation configurations."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

_KEY_PARTS: Final = ("client_email", "private_key", "token_uri")
_FEDERATION_PARTS: Final = ("audience", "subject_token_type", "token_url", "credential_source")
_FEDERATION_URLS: Final = ("token_url", "token_info_url", "service_account_impersonation_url")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_GOOGLE: Final = ".googleapis.com"


def as_text(value: Any) -> Any:
    """Return an object as the JSON text of it; a reference to a secret and everything else stays as it is."""
    if isinstance(value, Mapping) and "$secret" not in value:
        return json.dumps(value)
    return value


def read_key(text: str) -> dict[str, Any]:
    """Read a service account key; its PEM is read when it signs. Raises `ValueError`, which shows no part of it."""
    found = _object(text)
    if found.get("type") != "service_account":
        raise ValueError("its `type` is not service_account: " + _instead(found))
    _require(found, _KEY_PARTS)
    if not _secure(str(found["token_uri"])):
        raise ValueError("its `token_uri` is not an https URL")
    return found


def read_federation(text: str) -> dict[str, Any]:
    """Read a workload identity federation configuration. Raises `ValueError`, which shows no part of it.

    Its URLs must lead to Google: they get a token of this machine, and whoever may edit the block chooses them.
    """
    found = _object(text)
    if found.get("type") != "external_account":
        raise ValueError("its `type` is not external_account: " + _instead(found))
    _require(found, _FEDERATION_PARTS)
    for name in _FEDERATION_URLS:
        url = found.get(name)
        if url and not (_secure(str(url)) and _of_google(str(url))):
            raise ValueError(f"its `{name}` is not an https URL of googleapis.com")
    if "executable" in found["credential_source"]:
        raise ValueError("its `credential_source` runs a program, which a block does not do")
    return found


def is_secure(url: str) -> bool:
    """Tell whether what is sent to `url` is read by nobody on the way: https, or this machine."""
    return _secure(url)


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        # Raised out of the handler: the decoder's error holds the whole text.
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - pydantic turns only a ValueError into its error
    return found


def _require(found: Mapping[str, Any], names: tuple[str, ...]) -> None:
    missing = [name for name in names if not found.get(name)]
    wrong = [name for name in names if name != "credential_source" and not isinstance(found.get(name), str)]
    if missing or wrong:
        raise ValueError(f"it has no `{(missing or wrong)[0]}`")
    if "credential_source" in names and not isinstance(found["credential_source"], dict):
        raise ValueError("its `credential_source` is no object")


def _instead(found: Mapping[str, Any]) -> str:
    known = {
        "external_account": "put it into `federation`",
        "service_account": "put it into `service_account_key`",
        "authorized_user": "a person's credentials stay on their machine and are found there without being saved",
    }
    return known.get(str(found.get("type")), "download the file from Google Cloud again")


def _secure(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK))


def _of_google(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host.endswith(_GOOGLE) or host in _LOOPBACK
