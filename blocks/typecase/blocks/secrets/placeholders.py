"""What stands in a field that refers to a secret: a secret that is fetched when it is asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn, Protocol

from pydantic import Secret, SecretBytes, SecretStr

from typecase.blocks.errors import UnresolvedReference
from typecase.blocks.redaction import MASK, secret_values
from typecase.blocks.secrets.reference import SecretReference

_HIDDEN = "**********"


_fetches: ContextVar[bool] = ContextVar("typecase_fetches_secrets", default=True)


@contextmanager
def no_fetching() -> Iterator[None]:
    """Let placeholders raise `UnresolvedReference` inside the `with` block: building a block does no I/O."""
    token = _fetches.set(False)
    try:
        yield
    finally:
        _fetches.reset(token)


class Source(Protocol):
    """What fetches the value behind a reference, with the identity of the flow that asks."""

    @property
    def place(self) -> tuple[str, str]:
        """The registry's URL and the workspace in which names of stores are looked up."""
        ...

    def value(
        self, reference: SecretReference, held: type, *, field: str = "", accept: Callable[[Any], Any] | None = None
    ) -> Any:
        """Return the value as `held` holds it, text, bytes, or what its JSON says, and as `accept` leaves it.

        `field` is who asks, for messages.
        """

    def forget(self, reference: SecretReference) -> None:
        """Drop the value from memory, so that the next one is fetched."""

    def is_replaced(self, reference: SecretReference, used: dict[Any, Any]) -> bool:
        """Tell whether there is another value by now than the one in `used`, which was refused and forgotten."""
        ...


class Referenced:
    """A secret that is somewhere else. Asked for its value, it fetches it through the cache, every time."""

    held: type = str
    reference: SecretReference
    source: Source | None
    accept: Callable[[Any], Any] | None
    _secret_value: Any

    def __init__(
        self,
        reference: SecretReference,
        source: Source | None = None,
        accept: Callable[[Any], Any] | None = None,
        field: str = "",
    ) -> None:
        """Point to `reference` from `field`; `source` None = the current registry, `accept` checks what comes."""
        self.reference = reference
        self.source = source
        self.accept = accept
        self.field = field

    def get_secret_value(self) -> Any:
        """Return the secret as it is now. Raises `SecretError`, which says where it was looked for."""
        if not _fetches.get():
            raise UnresolvedReference("A block that is being built fetches no secrets.", hint="Save it and load it.")
        source = self.source
        if source is None:
            from typecase.blocks.secrets.sources import unbound

            source = unbound()
        value = source.value(self.reference, self.held, field=self.field, accept=self.accept)
        if getattr(self, "_secret_value", None) != value:
            # What was given out last is what must not show in logs and errors.
            self._secret_value = value
            for text in secret_values(self):
                MASK.add(text)
        return value

    def __repr__(self) -> str:
        return repr(self.reference)

    def __str__(self) -> str:
        return _HIDDEN

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Referenced) or self.reference != other.reference:
            return False
        return self.reference.built_in is not None or _place(self.source) == _place(other.source)

    def __hash__(self) -> int:
        return hash(self.reference)

    def __len__(self) -> int:
        return len(self.get_secret_value())

    def __copy__(self) -> "Referenced":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Referenced":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the reference, never the value."""
        return type(self), (self.reference,), {"accept": self.accept, "field": self.field, "held": self.held}


def _place(source: Source | None) -> tuple[str, str] | None:
    return source.place if source is not None else None


class ReferencedStr(Referenced, SecretStr):
    """A referenced `SecretStr`."""


class ReferencedBytes(Referenced, SecretBytes):
    """A referenced `SecretBytes`."""

    held = bytes


class ReferencedValue(Referenced, Secret[Any]):
    """A referenced `Secret[T]`."""

    held = object


class Unresolved:
    """Stands in a field that is no secret and refers to one, until the block is loaded.

    It may be shown and saved. Everything else raises `UnresolvedReference`: building a block fetches nothing.
    """

    __slots__ = ("_raw",)

    def __init__(self, raw: Any) -> None:
        """Hold what was given, with references inside."""
        self._raw = raw

    def __repr__(self) -> str:
        return "<secret, not resolved>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unresolved) and bool(self._raw == other._raw)

    def __hash__(self) -> int:
        return hash(type(self))

    def __copy__(self) -> "Unresolved":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Unresolved":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Unresolved, (self._raw,)

    def _refuse(self, *_: Any) -> NoReturn:
        raise UnresolvedReference(
            "This field refers to a secret in a store, and the block was only built, not loaded.",
            hint="Save it and load it, or use `block.refreshed()`, which resolves it now.",
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._refuse()

    __str__ = __format__ = __bool__ = __int__ = __float__ = __index__ = _refuse
    __len__ = __iter__ = __contains__ = __getitem__ = __call__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __add__ = __radd__ = __truediv__ = __fspath__ = _refuse


def raw_of(value: Unresolved) -> Any:
    """Return what was given to the field."""
    return value._raw  # noqa: SLF001 - the other half of this class
