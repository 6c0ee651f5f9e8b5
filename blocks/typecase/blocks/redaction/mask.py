"""A growing set of secrets that are covered wherever they appear in a text."""

import os
from collections.abc import Hashable
from threading import RLock

from typecase.blocks.redaction.forms import MINIMUM_SECRET, Form, forms_of
from typecase.blocks.redaction.values import secret_values

COVER = "**********"

_PREFIX = MINIMUM_SECRET


class _Bucket:
    """The forms that share their first four characters."""

    __slots__ = ("forms", "lengths")

    def __init__(self) -> None:
        self.forms: dict[str, Form] = {}
        self.lengths: tuple[int, ...] = ()

    def add(self, form: Form) -> None:
        known = self.forms.get(form.text)
        if known is not None:
            form = Form(form.text, max(known.before, form.before), max(known.after, form.after))
        self.forms[form.text] = form
        if len(form.text) not in self.lengths:
            self.lengths = tuple(sorted((*self.lengths, len(form.text)), reverse=True))

    def longest(self, text: str, start: int) -> Form | None:
        for length in self.lengths:
            form = self.forms.get(text[start : start + length])
            if form is not None:
                return form
        return None


class Mask:
    """A thread-safe set of secrets that replaces each of them in a text by `**********`.

    Found are: the secret as it is, escaped as in JSON or `repr`, URL-quoted, in hex, and in base64 at any place inside
    a longer base64 text; each line of at least 16 characters of a secret with many lines; the password of a URL.
    Secrets of fewer than 4 characters are not masked, nor are hex and base64 forms of fewer than 6: they would
    cover words that mean something else. Where secrets overlap, everything that belongs to one of them is covered.

    Adding costs the same however many secrets are held, and masking depends on the text alone.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._known: set[tuple[type, str | bytes]] = set()
        self._fresh: list[str | bytes] = []
        self._watched: dict[Hashable, object] = {}
        self._buckets: dict[str, _Bucket] = {}

    def __repr__(self) -> str:
        """Tell how many secrets are held, never which."""
        return f"<Mask of {len(self._known)} secrets>"

    def add(self, value: str | bytes) -> None:
        """Mask `value` from now on; its forms are computed when a text is next masked."""
        with self._lock:
            # With the type, as text and bytes of one hash must not be compared under `python -bb`.
            if len(value) >= MINIMUM_SECRET and (type(value), value) not in self._known:
                self._known.add((type(value), value))
                self._fresh.append(value)

    def watch(self, key: Hashable, block: object) -> None:
        """Mask the secrets of `block`, which are looked up when a text is next masked.

        Until then, a later block under the same `key` takes its place: equal keys must mean equal secrets.
        """
        self._watched[key] = block

    def mask(self, text: str) -> str:
        """Return `text` with every secret covered."""
        # Always under the lock: another thread may have taken a secret out of the queue and not indexed it yet.
        with self._lock:
            self._absorb()
        pieces: list[str] = []
        done = 0
        for start, end in self._spans(text):
            pieces += (text[done:start], COVER)
            done = end
        return "".join((*pieces, text[done:])) if pieces else text

    def _spans(self, text: str) -> list[tuple[int, int]]:
        spans: list[tuple[int, int]] = []
        find = self._buckets.get
        for position in range(len(text) - _PREFIX + 1) if self._buckets else ():
            bucket = find(text[position : position + _PREFIX])
            form = bucket.longest(text, position) if bucket is not None else None
            if form is None:
                continue
            start = _reach(text, position, -form.before)
            end = _reach(text, position + len(form.text), form.after)
            while spans and start <= spans[-1][1]:
                before, after = spans.pop()
                start, end = min(start, before), max(end, after)
            spans.append((start, end))
        return spans

    def _absorb(self) -> None:
        while self._watched:
            _, block = self._watched.popitem()
            for value in secret_values(block):
                self.add(value)
        while self._fresh:
            for form in forms_of(self._fresh.pop()):
                if len(form.text) >= _PREFIX:
                    self._buckets.setdefault(form.text[:_PREFIX], _Bucket()).add(form)

    def _renew_lock(self) -> None:
        self._lock = RLock()


def _reach(text: str, position: int, step: int) -> int:
    """Move `position` by `step` if the character that it passes can be part of a base64 text."""
    if step == 0:
        return position
    index = position if step > 0 else position - 1
    if 0 <= index < len(text) and (text[index].isalnum() or text[index] in "+/-_"):
        return position + step
    return position


MASK = Mask()
"""The mask of this process: it knows the secrets of every block that was loaded."""

watch = MASK.watch

if hasattr(os, "register_at_fork"):
    # A thread that held the lock while another forked does not exist in the child to release it.
    os.register_at_fork(after_in_child=MASK._renew_lock)  # noqa: SLF001 - own class
