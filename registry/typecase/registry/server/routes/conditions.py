"""`If-Match` and `If-None-Match`: what a change expects."""

import re
from typing import Annotated, Final

from fastapi import Header, Path, Query

from typecase.registry.server.problems import invalid_request

_TAG: Final = re.compile(r'(?:W/)?"(\d{1,9})"')

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description='The revision that this may replace, as in `"3"`.', examples=['"3"']),
]
IfNoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", description="`*`: only if there is no such document.", examples=["*"])
]
Once = Annotated[
    str | None,
    Header(alias="Idempotency-Key", max_length=200, description="Makes a request that is sent again happen once."),
]
WorkspaceName = Annotated[str, Path(description="Name of the workspace.", examples=["default"])]
DocumentName = Annotated[str, Path(description="Name of the document.", examples=["prod-db"])]
Slug = Annotated[str, Path(description="Slug of the block type.", examples=["postgres-database"])]
Cursor = Annotated[str | None, Query(description="Continues a list: the `cursor` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="Longest page.")]
Number = Annotated[int | None, Query(ge=-(2**31), le=2**31 - 1, description="Revision; without it the current one.")]


def expected_revision(if_match: str | None, if_none_match: str | None = None) -> int | None:
    """Return the revision that a change expects: None = any, 0 = no document. Raises `InvalidRequest`."""
    if if_none_match is not None:
        if if_none_match.strip() != "*" or if_match is not None:
            raise invalid_request((("/header/If-None-Match", "format", "Only `*`, and not with If-Match."),))
        return 0
    if if_match is None or if_match.strip() == "*":
        return None
    found = _TAG.fullmatch(if_match.strip())
    if found is None:
        raise invalid_request((("/header/If-Match", "format", 'Not the ETag of a document, such as "3".'),))
    return int(found.group(1))
