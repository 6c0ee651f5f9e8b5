"""Ways to sign in at Azure, and what each takes."""

from typing import Final, Literal, TypeAlias

Method: TypeAlias = Literal["default", "client-secret", "certificate", "managed-identity", "workload-identity"]

# The fields that a method must have, and those that it may have.
_TAKES: Final[dict[Method, tuple[frozenset[str], frozenset[str]]]] = {
    "default": (frozenset(), frozenset({"client_id"})),
    "client-secret": (frozenset({"tenant_id", "client_id", "client_secret"}), frozenset()),
    "certificate": (frozenset({"tenant_id", "client_id", "certificate"}), frozenset({"certificate_password"})),
    "managed-identity": (frozenset(), frozenset({"client_id"})),
    "workload-identity": (frozenset(), frozenset({"tenant_id", "client_id", "token_file"})),
}

SIGN_IN: Final = frozenset[str]().union(*(must | may for must, may in _TAKES.values()))


def misfit(method: Method, given: set[str]) -> str:
    """Say which of the `given` fields `method` lacks or cannot use; empty if they fit."""
    must, may = _TAKES[method]
    if missing := sorted(must - given):
        return f"method = {method} needs {', '.join(missing)}"
    if surplus := sorted(given - must - may):
        return f"method = {method} does not use {', '.join(surplus)}: leave it out, or choose another method"
    return ""
