"""Google's credentials objects, one per block and process, and the tokens that they fetch."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from typecase.blocks.errors import TypecaseError
from typecase.blocks.kinds.pools import Pool
from typecase.blocks.kinds.refusals import needs
from typecase.blocks.redaction import secret_values
from typecase.integrations.gcp.faults import Fault, Meaning, sentence, unreachable
from typecase.integrations.gcp.identities import SIGN_IN, advice, built, exchange_of

if TYPE_CHECKING:
    from google.auth.credentials import Credentials as GoogleCredentials

    from typecase.integrations.gcp.credentials import GcpCredentials
    from typecase.integrations.gcp.exchange import Exchange

#: Seconds between attempts to renew a token that still holds for some minutes.
_REST: Final = 15.0


class Tokens:
    """What a process holds for one `GcpCredentials`: Google's object, and the connections through which it signs in."""

    def __init__(self, block: "GcpCredentials") -> None:
        """Sign in to nothing yet."""
        self._block = block
        self._lock = RLock()
        self._found: tuple[Any, str | None] | None = None
        self._requests: Exchange | None = None
        self._rest = 0.0

    @property
    def project(self) -> str | None:
        """The project that the credentials belong to, as far as they say. Raises `Fault`."""
        return self._load()[1]

    def credentials(self) -> "GoogleCredentials":
        """Return Google's object, signed in or not. Raises `Fault`."""
        found: GoogleCredentials = self._load()[0]
        return found

    def signed_in(self, *, anew: bool = False) -> "GoogleCredentials":
        """Return Google's object with a token that is valid, fetched now if it must be, or `anew`. Raises `Fault`."""
        with self._lock:
            found: Any = self.credentials()
            from google.auth.credentials import TokenState

            state = found.token_state
            if anew or state is TokenState.INVALID:
                self._told(lambda: found.refresh(self._requests))
            elif state is TokenState.STALE and monotonic() >= self._rest:
                # A token that is about to end has not ended.
                with suppress(Fault):
                    self._rest = monotonic() + _REST
                    self._told(lambda: found.refresh(self._requests))
            signed: GoogleCredentials = found
            return signed

    def headers(self) -> dict[str, str]:
        """Return the headers that sign a request. Raises `Fault`."""
        found: Any = self.signed_in()
        given: dict[str, str] = {}
        found.apply(given)
        return given

    def close(self) -> None:
        """Close the connections."""
        if self._requests is not None:
            self._requests.close()

    def _load(self) -> tuple[Any, str | None]:
        with self._lock:
            found = self._found
            if found is None:
                with needs("gcp"):
                    import_module("google.auth")
                    self._requests = exchange_of(self._block)
                found = self._found = self._told(lambda: built(self._block))
            return found

    def _told(self, act: Callable[[], Any]) -> Any:
        """Run `act`; what google-auth raises becomes a `Fault` that holds none of its frames."""
        from google.auth import exceptions

        try:
            return act()
        except Fault as problem:
            fault = problem.with_traceback(None)
        except TypecaseError:
            # A key that is kept in a secret store may be out of reach.
            raise
        except exceptions.DefaultCredentialsError:
            fault = Fault(Meaning.REFUSED, "this process has no credentials for Google Cloud", hint=SIGN_IN)
        except exceptions.TransportError as error:
            fault = unreachable("failed", self._words(error), again=False)
        except (exceptions.RefreshError, exceptions.OAuthError) as error:
            fault = Fault(Meaning.REFUSED, self._words(error), hint=advice(self._block))
        except (exceptions.GoogleAuthError, ValueError, TypeError, KeyError, AttributeError) as error:
            fault = unreachable("malformed answer", f"google-auth: {type(error).__name__}", again=False)
        raise fault

    def _words(self, error: Exception) -> str:
        parts = [str(error.args[0]) if error.args else type(error).__name__]
        # Only the IAM service answers like this.
        with suppress(IndexError, KeyError, TypeError, ValueError):
            parts.append(json.loads(error.args[1])["error"]["message"])
        return sentence(": ".join(parts), secret_values(self._block))


_TOKENS: Final[Pool[Tokens]] = Pool(close=Tokens.close)


def tokens_of(block: "GcpCredentials") -> Tokens:
    """Return what this process holds for `block`."""
    return _TOKENS.get(block, lambda: Tokens(block))


def headers_of(block: "GcpCredentials") -> dict[str, str]:
    """Return the headers that sign a request. Raises `Fault`; what was refused is built anew the next time."""
    try:
        return tokens_of(block).headers()
    except Fault as problem:
        fault = problem.with_traceback(None)
    if fault.meaning is Meaning.REFUSED:
        forget(block)
    raise fault


def forget(block: "GcpCredentials") -> None:
    """Let go of what is held for `block`, which a service refused; the next use signs in anew."""
    _TOKENS.drop(block)


def principal_of(found: "GoogleCredentials") -> str:
    """Say as whom `found` signs in."""
    for name in ("_target_principal", "service_account_email", "account"):
        value = getattr(found, name, None)
        if isinstance(value, str) and value:
            return value
    audience = getattr(found, "_audience", None)
    return f"a federated identity of {audience}" if audience else "a person's own credentials"


def end_of(found: "GoogleCredentials") -> datetime | None:
    """Return when the token of `found` ends."""
    return found.expiry.replace(tzinfo=UTC) if found.expiry is not None else None
