"""URLs of root keys in AWS KMS."""

import re
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from typecase.blocks.errors import InvalidBlock, SettingsError
from typecase.integrations.aws.credentials import AwsCredentials

_FIELDS: Final = {"region": "region", "profile": "profile", "role": "role_arn", "endpoint": "endpoint_url"}
_ARN: Final = re.compile(r"arn:[\w-]+:kms:([a-z0-9-]+):\d{12}:(?:key|alias)/[\w/-]+", re.ASCII)
_NAME: Final = re.compile(r"alias/[A-Za-z0-9/_-]{1,250}|(?!alias$)[A-Za-z0-9-]{1,128}")
_HINT: Final = "Write awskms://alias/NAME, awskms://ID or awskms:///arn:..., with ?region=&profile=&role=&endpoint=."


def place_of(url: str) -> tuple[str, AwsCredentials]:
    """Return the key that `url` names and how to sign in. Raises `SettingsError`, which does not show the URL."""
    problem = "names no key"
    try:
        parts = urlsplit(url)
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise SettingsError(f"The key URL {problem}.", hint=_HINT) from None
    name = unquote(f"{parts.netloc}{parts.path}" if parts.netloc else parts.path.removeprefix("/"))
    arn = _ARN.fullmatch(name)
    if parts.scheme.lower() != "awskms" or parts.fragment or not (arn or _NAME.fullmatch(name)):
        raise SettingsError(f"The key URL {problem}.", hint=_HINT)
    unknown = sorted({option for option, _ in options} - _FIELDS.keys())
    if unknown or len(dict(options)) != len(options):
        what = f"has options that there are not: {', '.join(unknown)}" if unknown else "gives an option twice"
        raise SettingsError(f"The key URL {what}.", hint=_HINT)
    fields: dict[str, Any] = {_FIELDS[option]: value for option, value in options if value}
    if arn:
        fields.setdefault("region", arn[1])
    try:
        return name, AwsCredentials(**fields)
    except InvalidBlock as error:
        wrong = "; ".join(f"{path}: {text}" for path, _, text in error.problems)
    raise SettingsError(f"The key URL has options that do not fit: {wrong}.", hint=_HINT)
