"""What became of a request to Vault, before anybody says what it means for a secret or a key."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from typecase.blocks.redaction import Mask

SHOWN: Final = 200

_FORBIDDEN: Final = 403
_SEALED: Final = 503
_SHORT: Final = 4


class NoAnswer(Exception):
    """Vault did not answer, or what came is no answer. `reason` is that of `SecretStoreUnreachable`."""

    def __init__(self, reason: str, text: str, *, sent: bool = True) -> None:
        super().__init__(reason, text)
        self.reason = reason
        self.text = text
        self.sent = sent


class SignInRefused(Exception):
    """Vault does not know who asks, or there is nothing to sign in with. `hint` says what to do."""

    def __init__(self, text: str, hint: str = "Check the sign-in of this block.") -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint


class Refused(Exception):
    """Vault answered with an error: its status, its sentences (masked), the JSON that came along."""

    def __init__(self, status: int, errors: tuple[str, ...] = (), body: Mapping[str, Any] | None = None) -> None:
        super().__init__(status, errors)
        self.status = status
        self.errors = errors
        self.body = body or {}

    @property
    def text(self) -> str:
        """What Vault said, in one line."""
        return " ".join("; ".join(self.errors).split())[:SHOWN] or f"status {self.status}"

    @property
    def outage(self) -> str:
        """The reason of `SecretStoreUnreachable`, empty where Vault decided against the request."""
        if self.status == _SEALED and self.says("sealed"):
            return "sealed"
        if self.status == 429:  # noqa: PLR2004 - HTTP's "too many requests"
            return "throttled"
        return "failed" if self.status >= 500 or self.status in _STANDBY or self.status // 100 == 3 else ""  # noqa: PLR2004 - HTTP's classes of errors and redirects

    @property
    def state(self) -> str:
        """The outage in our own words: what a failing server says may hold anything."""
        return {"sealed": "it is sealed", "throttled": "it is asked too often"}.get(
            self.outage, f"status {self.status}"
        )

    @property
    def unknown_token(self) -> bool:
        """Whether Vault says that the token itself is no good, as newer versions do."""
        return self.status == 401 or (self.status == _FORBIDDEN and self.says("invalid token", "bad token"))  # noqa: PLR2004 - HTTP's "unauthorized"

    def says(self, *phrases: str) -> bool:
        """Whether one of `phrases` is in what Vault said, warnings included."""
        warnings = self.body.get("warnings")
        told = " ".join([*self.errors, *map(str, warnings if isinstance(warnings, list) else [])]).lower()
        return any(phrase in told for phrase in phrases)


_STANDBY: Final = frozenset({412, 472, 473})


def refusal(status: int, text: str, secrets: Iterable[str]) -> Refused:
    """Read the body of an error; `secrets` are masked, as a server or a proxy may echo a request."""
    import json

    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return Refused(status)
    mask = Mask()
    for secret in secrets:
        if len(secret) >= _SHORT:
            mask.add(secret)
    errors = body.get("errors")
    told = tuple(mask.mask(str(error)) for error in errors) if isinstance(errors, list) else ()
    return Refused(status, told, {name: body[name] for name in ("data", "warnings") if name in body})


def leaves(value: Any) -> Iterator[str]:
    """Yield every text of a JSON value, those of numbers included."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
