"""The refusals that all of access words alike."""

import re
from typing import Final

from typecase.blocks.errors import AccessNotFound, LinkUnusable, PrincipalNotFound, SignInRequired

_ID: Final = re.compile(r"[0-9a-f]{32}")


def is_id(text: str) -> bool:
    """Tell whether a role or a token could have the id `text`. Not all text can be sent to a database."""
    return _ID.fullmatch(text) is not None


def principal_not_found(name: str) -> PrincipalNotFound:
    """Nobody is called `name`."""
    return PrincipalNotFound(
        f"There is no person and no service account {name!r}.",
        hint="`typecase access people ls` and `typecase access services ls` show who there is.",
        name=name,
    )


def access_not_found(what: str, id_: str) -> AccessNotFound:
    """There is no role, or no token, of this id."""
    return AccessNotFound(f"There is no {what} with the id {id_!r}.", hint="It may be gone already.", id=id_)


def token_refused() -> SignInRequired:
    """One answer for every reason: whoever found a token learns nothing about it."""
    return SignInRequired(
        "The token is not valid: it is unknown, expired, revoked, used up, or not allowed from here.",
        hint="Sign in again with `typecase login`, or ask for a new token.",
    )


def session_refused() -> SignInRequired:
    """A browser's session is over, or never was."""
    return SignInRequired("You are not signed in, or the session is over.", hint="Sign in again.")


def sign_in_refused() -> SignInRequired:
    """One answer for every reason: nobody learns who exists."""
    return SignInRequired("The name or the password is wrong.", hint="Try again, or ask an admin for a new link.")


def link_unusable() -> LinkUnusable:
    """One answer for every reason."""
    return LinkUnusable("This link was used, has expired, or is none.", hint="Ask for a new one.")
