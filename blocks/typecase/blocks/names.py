"""The rules for names of workspaces, documents and block types."""

import re
from typing import Final, Literal, NamedTuple, TypeAlias

from typecase.blocks.errors import InvalidName

Named: TypeAlias = Literal["workspace", "document", "slug"]

_SHOWN = 80


class _Rule(NamedTuple):
    pattern: re.Pattern[str]
    longest: int
    sentence: str


_RULES: Final[dict[Named, _Rule]] = {
    "workspace": _Rule(
        re.compile(r"[a-z0-9][a-z0-9._-]*"),
        63,
        "Use 1 to 63 lower-case letters, digits, '.', '_' or '-', starting with a letter or digit.",
    ),
    "document": _Rule(
        re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*"),
        128,
        "Use 1 to 128 letters, digits, '.', '_' or '-', starting with a letter or digit.",
    ),
    "slug": _Rule(
        re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*"),
        64,
        "Use at most 64 lower-case letters and digits in words joined by single '-', starting with a letter.",
    ),
}


def validate_name(name: str, what: Named) -> str:
    """Return `name` if it is a valid name of a `what`; raise `InvalidName` with the rule otherwise."""
    rule = _RULES[what]
    if len(name) <= rule.longest and rule.pattern.fullmatch(name):
        return name
    shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
    article = "slug" if what == "slug" else f"{what} name"
    raise InvalidName(f"{shown!r} is not a valid {article}.", hint=rule.sentence, name=name, what=what)


def naming_rule(what: Named) -> str:
    """Return the sentence that says how a `what` may be named."""
    return _RULES[what].sentence
