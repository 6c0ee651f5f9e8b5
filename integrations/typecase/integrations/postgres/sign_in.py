"""What libpq says when a session does not begin. It gives a sentence and no code."""

import re
from typing import Final, Literal, TypeAlias

Failed: TypeAlias = Literal["auth", "tls", "tcp", ""]

# Anchored to the severity or to libpq's own words: names of databases and roles appear in these sentences too.
_REFUSED: Final = re.compile(
    r"""FATAL:\s+(
        password\ authentication\ failed | no\ pg_hba\.conf\ entry | pg_hba\.conf\ rejects
        | role\ ".*"\ (does\ not\ exist|is\ not\ permitted\ to\ log\ in)
        | \w+\ authentication\ failed | certificate\ authentication\ failed
        | connection\ requires\ a\ valid\ client\ certificate
    )
    | failed:\s+fe_sendauth: | error:\s+fe_sendauth:
    """,
    re.VERBOSE,
)
_TLS: Final = re.compile(
    r"server does not support SSL|SSL error|certificate verify failed|root certificate file|root\.crt"
    r"|server certificate for|certificate file|private key file|SSL SYSCALL|could not (load|read) .*certificate"
)
_SESSION: Final = re.compile(r"FATAL:\s+\S")


def stage_of(error: BaseException) -> Failed:
    """Return the stage at which libpq failed; "" where the server refused for a reason that is no sign-in."""
    if not type(error).__name__.endswith(("OperationalError", "ConnectionTimeout")):
        return ""
    text = str(error)
    if _REFUSED.search(text):
        return "auth"
    if _TLS.search(text):
        return "tls"
    return "" if _SESSION.search(text) else "tcp"
