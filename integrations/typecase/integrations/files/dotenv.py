"""Files of `KEY=value` lines, as dotenv and shells write them."""

import re
from typing import Final

# A line: nothing, a comment, or a name with a value. Quoted values may go over several lines.
_BLANK: Final = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_ENTRY: Final = re.compile(
    r"""
    [ \t]*+(?:export[ \t]++)?
    (?P<name>[A-Za-z_][A-Za-z0-9_.]*+)[ \t]*+=[ \t]*+
    (?:
        '(?P<literal>[^']*+)'
      | "(?P<escaped>[^"\\]*+(?:\\.[^"\\]*+)*+)"
      | (?!['"])(?P<bare>(?:(?!(?<=[ \t])\#)[^\n])*+)
    )
    [ \t]*+(?:(?<=[ \t])\#[^\n]*)?(?:\n|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$", "\n": ""}


class MalformedLine(ValueError):
    """A line is no `KEY=value`. `line` is its number; its text is not kept."""

    def __init__(self, line: int) -> None:
        """Keep the number."""
        super().__init__(f"line {line}")
        self.line = line


def parse(text: str) -> dict[str, str]:
    r"""Return the values by name; of a name that comes twice the last counts. Raises `MalformedLine`.

    >>> parse("# local\nexport HOST=db.internal  # ours\nPASSWORD='p#1 $x'\nKEY=\"a\\nb\"\n")
    {'HOST': 'db.internal', 'PASSWORD': 'p#1 $x', 'KEY': 'a\nb'}
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    values: dict[str, str] = {}
    position = 0
    while position < len(text):
        blank = _BLANK.match(text, position)
        entry = None if blank else _ENTRY.match(text, position)
        found = blank or entry
        if found is None:
            raise MalformedLine(text.count("\n", 0, position) + 1)
        if entry is not None:
            values[entry["name"]] = _value(entry)
        position = found.end()
    return values


def _value(entry: re.Match[str]) -> str:
    if entry["literal"] is not None:
        return entry["literal"]
    if entry["escaped"] is not None:
        return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[0]), entry["escaped"])
    return entry["bare"].rstrip(" \t")
