"""Paths of objects: relative, with forward slashes, never leading out."""

from typing import Final

from typecase.blocks.errors import InvalidPath

RESERVED: Final = ".typecase-"
_LONGEST_NAME: Final = 255


def parts_of(path: str) -> tuple[str, ...]:
    """Return the names that make up `path`.

    Raises `InvalidPath` for whatever is not a plain relative path: empty, absolute, `.` or `..`, doubled or trailing
    slashes, backslashes, drive letters, control characters, names of more than 255 bytes.
    """
    reason = _fault(path)
    if reason:
        hint = "Use a relative path with forward slashes, such as 'reports/2026.csv'."
        raise InvalidPath(f"{path[:200]!r} is not a path in this store: {reason}.", hint=hint, path=path)
    return tuple(path.split("/"))


def _fault(path: str) -> str:
    if not path:
        return "it is empty"
    if path.startswith("/"):
        return "it is absolute"
    if "\\" in path:
        return "it has a backslash"
    if any(ord(character) < ord(" ") or character == "\x7f" for character in path):
        return "it has a control character"
    if not path.isprintable() and any("\ud800" <= character <= "\udfff" for character in path):
        return "it is not Unicode text"
    parts = path.split("/")
    if parts[0][1:2] == ":" and parts[0][0].isascii() and parts[0][0].isalpha():
        return "it begins with a drive letter"
    for part in parts:
        if part in {"", ".", ".."}:
            return "it has an empty part" if not part else f"it has a {part!r}"
        if part.startswith(RESERVED):
            return f"names that start with {RESERVED!r} are kept for unfinished writes"
        if len(part.encode()) > _LONGEST_NAME:
            return "a name in it is longer than 255 bytes"
    return ""
