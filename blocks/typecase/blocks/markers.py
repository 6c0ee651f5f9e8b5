"""The keys that are no field names in documents. In plain dicts a leading `$` is doubled, so that none is met there."""

from typing import Final

BLOCK: Final = "$block"
TYPE: Final = "$type"
VERSION: Final = "$version"
SECRET: Final = "$secret"  # noqa: S105 - the name of a JSON key
