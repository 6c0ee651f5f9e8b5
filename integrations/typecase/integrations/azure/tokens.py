"""What a token says of its holder. Nobody but the service can verify it, so this is for people to read."""

from base64 import urlsafe_b64decode
from dataclasses import dataclass
from datetime import UTC, datetime
from json import loads
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken

_SCOPES: Final = {
    "login.microsoftonline.us": "https://management.usgovcloudapi.net/.default",
    "login.chinacloudapi.cn": "https://management.chinacloudapi.cn/.default",
}
_PUBLIC: Final = "https://management.azure.com/.default"
_SHOWN: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whose token it is, as the end of "signed in ...", and when it ends."""

    name: str
    expires_at: datetime


def scope_at(authority: str) -> str:
    """Return the scope of the management API in the cloud of `authority`."""
    return _SCOPES.get(authority.lower(), _PUBLIC)


def holder_of(token: "AccessToken") -> Holder:
    """Read the holder of `token`; an opaque one names nobody."""
    claims = _claims(token.token)
    user = claims.get("upn") or claims.get("unique_name")
    application = claims.get("appid") or claims.get("azp")
    names = {"as": user, "as application": None if user else application, "of tenant": claims.get("tid")}
    told = " ".join(f"{word} {_short(name)}" for word, name in names.items() if name)
    return Holder(
        name=told or "with a token that names nobody", expires_at=datetime.fromtimestamp(token.expires_on, UTC)
    )


def _short(name: Any) -> str:
    text = str(name)
    return text[:_SHOWN] if text.isprintable() else "?"


def _claims(token: str) -> dict[str, Any]:
    try:
        body = token.split(".")[1]
        claims = loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, IndexError):
        return {}
    return claims if isinstance(claims, dict) else {}
