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
    parts = path.split("/")
    faults = {
        "it is empty": not path,
        "it is absolute": path.startswith("/"),
        "it has a backslash": "\\" in path,
        "it has a control character": any(character < " " or character == "\x7f" for character in path),
        "it is not Unicode text": any("\ud800" <= character <= "\udfff" for character in path),
        "it begins with a drive letter": path[1:2] == ":" and path[0].isascii() and path[0].isalpha(),
        "it has an empty part": "" in parts,
        "it has a '.' or '..'": not {".", ".."}.isdisjoint(parts),
        f"names that start with {RESERVED!r} are kept for unfinished writes": any(
            part.startswith(RESERVED) for part in parts
        ),
        "a name in it is longer than 255 bytes": any(
            len(part.encode("utf-8", "replace")) > _LONGEST_NAME for part in parts
        ),
    }
    return next((sentence for sentence, true in faults.items() if true), "")
