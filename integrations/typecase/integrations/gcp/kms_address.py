"""The URL of a key in Cloud KMS."""

import re
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from typecase.blocks.errors import InvalidBlock, SettingsError
from typecase.integrations.gcp.channels import Place, address_of
from typecase.integrations.gcp.credentials import GcpCredentials

_NAME: Final = re.compile(
    r"projects/[a-z0-9][a-z0-9.:-]+/locations/[a-z0-9-]+/keyRings/[A-Za-z0-9_-]{1,63}/cryptoKeys/[A-Za-z0-9_-]{1,63}"
)
_OPTIONS: Final = frozenset({"endpoint", "ca_certificates", "impersonate", "quota_project", "timeout", "attempts"})
_HINT: Final = "Write gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K, and after a ? any of " + ", ".join(
    sorted(_OPTIONS)
)
_SERVICE: Final = "cloudkms.googleapis.com"


def read_url(url: str) -> tuple[str, Place]:
    """Return the name of the key at `url` and where its service is. Raises `SettingsError`, which does not show it."""
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        options = {"": ""}
        parts = urlsplit("")
    name = parts.netloc + parts.path.rstrip("/")
    unknown = sorted(options.keys() - _OPTIONS)
    if "/cryptoKeyVersions/" in name:
        raise SettingsError("The key URL names a version of a key.", hint="Leave the version out: KMS chooses it.")
    if parts.scheme.lower() != "gcpkms" or unknown or parts.fragment or _NAME.fullmatch(name) is None:
        raise SettingsError("The key URL names no key of Cloud KMS.", hint=f"{_HINT}.")
    return name, _place(options)


def _place(options: dict[str, str]) -> Place:
    address = options.get("endpoint", _SERVICE)
    signing: dict[str, Any] = {name: options[name] for name in ("impersonate", "quota_project") if name in options}
    timeout, attempts = 5.0, 3
    try:
        timeout, attempts = float(options.get("timeout", timeout)), int(options.get("attempts", attempts))
        fits = 0 < timeout <= 60 and 1 <= attempts <= 10 and address_of(address) == address  # noqa: PLR2004 - a registry must open or be sealed within minutes
        credentials = GcpCredentials(timeout=timeout, attempts=attempts, **signing) if fits else None
    except (ValueError, InvalidBlock):
        credentials = None
    if credentials is None:
        raise SettingsError("An option in the key URL of Cloud KMS is malformed.", hint=f"{_HINT}.")
    return Place(credentials, address, options.get("ca_certificates"), timeout, attempts)
