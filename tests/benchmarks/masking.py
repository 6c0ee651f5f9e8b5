"""Redaction with many secrets beside few: the work must depend on the text."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from time import perf_counter

from measuring import Row, time_calls, time_text

from typecase.blocks.redaction import Mask, RedactingFormatter

_FEW, _SOME, _MANY = 10, 1_000, 10_000


def rows(*, number: int) -> Iterator[Row]:
    """Measure the formatter over a whole record, and the adding of secrets."""
    few, _ = _filled(_FEW)
    _, some_each = _filled(_SOME)
    many, many_each = _filled(_MANY)
    record = logging.LogRecord(
        "flow", logging.INFO, __file__, 1, "loaded %s rows from %s " * 8, (7, "orders") * 8, None
    )
    times = time_calls(
        {"few": lambda: few.format(record), "many": lambda: many.format(record)},
        number=number,
    )
    yield Row(
        promise="redaction formatter, linear in the number of secrets (issue 2)",
        measured=f"one record under {_MANY:,} secrets vs {_FEW}",
        ours=time_text(times["many"]),
        limit=time_text(times["few"]),
        ratio=times["many"] / times["few"],
        target=2,
    )
    yield Row(
        promise="as above",
        measured=f"adding one secret, of {_MANY:,} vs of {_SOME:,}",
        ours=time_text(many_each),
        limit=time_text(some_each),
        ratio=many_each / some_each,
        target=2,
    )


def _filled(count: int) -> tuple[RedactingFormatter, float]:
    """Return a formatter that knows `count` secrets, and the seconds that each cost; median of three."""
    times = []
    for _ in range(3):
        mask = Mask()
        values = [secrets.token_urlsafe(24) for _ in range(count)]
        start = perf_counter()
        for value in values:
            mask.add(value)
        mask.mask("nothing to see")
        times.append((perf_counter() - start) / count)
        formatter = RedactingFormatter(mask=mask)
    return formatter, sorted(times)[1]
