"""The reference: which store, which key, which field of its JSON, which version."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, unquote

from typecase.blocks.errors import InvalidSecretReference
from typecase.blocks.markers import SECRET

if TYPE_CHECKING:
    from typecase.blocks.kinds.secret_store import SecretStore

#: Stores that need no document: their names, and the block types that they are.
BUILT_IN: Final[Mapping[str, str]] = {"env": "environment-variables", "file": "secret-files"}

_SCHEME: Final = "secret://"
_TEXT: Final = re.compile(r"([^/?#]+)/([^?#]+)(?:\?version=([^#]+))?(?:#(.+))?", re.DOTALL)
_PARTS: Final = frozenset({"store", "key", "field", "version"})
_HINT: Final = "Write STORE/KEY, STORE/KEY#FIELD or STORE/KEY?version=VERSION#FIELD."


class SecretReference(NamedTuple):
    """A pointer into a secret store. It names a secret and holds none.

    `store` is the name of a document of kind `SecretStore`, or `env` or `file`; `field` picks one value of a secret
    that is a JSON object, by name or JSON pointer; `version` None = the newest. `store_id` is known once it was saved.
    """

    store: str
    key: str
    field: str | None = None
    version: str | None = None
    store_id: str = ""
    store_workspace: str = ""

    def __str__(self) -> str:
        """Return the text form: `secret://STORE/KEY?version=VERSION#FIELD`."""
        version = f"?version={_quoted(self.version)}" if self.version is not None else ""
        field = f"#{_quoted(self.field, '/')}" if self.field is not None else ""
        return f"{_SCHEME}{_quoted(self.store)}/{_quoted(self.key, '/:@+=,')}{version}{field}"

    def __repr__(self) -> str:
        """Return the call that makes it."""
        optional = {"field": self.field, "version": self.version}
        more = "".join(f", {name}={value!r}" for name, value in optional.items() if value is not None)
        return f"secret({self.store!r}, {self.key!r}{more})"

    @property
    def built_in(self) -> str | None:
        """The slug of its store's block type where the store needs no document."""
        return None if self.store_id else BUILT_IN.get(self.store)

    def to_json(self) -> dict[str, Any]:
        """Return the form in documents: `{"$secret": {"store": ..., "key": ...}}`."""
        store: Any = self.store
        if self.store_id:
            store = {"id": self.store_id}
        elif self.store_workspace:
            store = {"name": self.store, "workspace": self.store_workspace}
        optional = {"field": self.field, "version": self.version}
        given = {name: value for name, value in optional.items() if value is not None}
        return {SECRET: {"store": store, "key": self.key, **given}}

    def inside(self, name: str) -> "SecretReference":
        """Return the reference to the field `name` of the object that this one leads to."""
        if self.field is None:
            return self._replace(field=_pointer(name) if name.startswith("/") else name)
        way = self.field if self.field.startswith("/") else _pointer(self.field)
        return self._replace(field=way + _pointer(name))

    @classmethod
    def parse(cls, text: str) -> "SecretReference":
        """Read the text form, with or without `secret://`. Raises `InvalidSecretReference`."""
        match = _TEXT.fullmatch(text.removeprefix(_SCHEME))
        if match is None:
            # The text is not shown: a secret pasted in place of its reference ends up here.
            raise InvalidSecretReference("This is no reference to a secret.", hint=_HINT)
        store, key, version, field = (unquote(part) if part is not None else None for part in match.groups())
        return cls(str(store), str(key), field, version)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "SecretReference":
        """Read `{"$secret": {...}}` or `{"$secret": "STORE/KEY#FIELD"}`. Raises `InvalidSecretReference`."""
        problem = problem_of(data)
        if problem:
            raise InvalidSecretReference(f"A reference to a secret {problem}.", hint=_HINT)
        target = data[SECRET]
        if isinstance(target, str):
            return cls.parse(target)
        store, version = target["store"], target.get("version")
        place = store if isinstance(store, Mapping) else {"name": store}
        return cls(
            str(place.get("name", "")),
            target["key"],
            target.get("field"),
            None if version is None else str(version),
            str(place.get("id", "")),
            str(place.get("workspace", "")),
        )


def is_reference(data: object) -> bool:
    """Tell whether `data` is the JSON form of a reference, well formed or not; a masked secret is none."""
    if not isinstance(data, Mapping) or SECRET not in data:
        return False
    target = data[SECRET]
    return isinstance(target, str) or (isinstance(target, Mapping) and "set" not in target)


def store_of(data: Mapping[str, Any]) -> Any:
    """Return the document that a reference in JSON names as its store, None for a store that needs none."""
    target = data[SECRET]
    store = SecretReference.parse(target).store if isinstance(target, str) else target.get("store")
    return None if isinstance(store, str) and store in BUILT_IN else store


def problem_of(data: Mapping[str, Any]) -> str:
    """Say what is wrong with the JSON form of a reference; empty when nothing is."""
    return next(_problems(data, data[SECRET]), "")


def _problems(data: Mapping[str, Any], target: Any) -> Iterator[str]:
    if len(data) > 1:
        yield f"stands alone: {SECRET!r} has no neighbours"
    if isinstance(target, str):
        if _TEXT.fullmatch(target.removeprefix(_SCHEME)) is None:
            yield "is STORE/KEY#FIELD as text"
        return
    if not isinstance(target, Mapping):
        yield "is an object or a text"
        return
    yield from (f"has no part {part!r}" for part in sorted(map(str, target.keys() - _PARTS)))
    store = target.get("store")
    if not (isinstance(store, str) and store) and not (isinstance(store, Mapping) and {"id", "name"} & store.keys()):
        yield "names its store"
    if not isinstance(target.get("key"), str) or not target["key"]:
        yield "names a key"
    version = target.get("version")
    if isinstance(version, bool) or not isinstance(version, str | int | None) or version == "":
        yield "has a text as version"
    if not isinstance(target.get("field"), str | None) or target.get("field") == "":
        yield "has a text as field"


def secret(store: "str | SecretStore", key: str, *, field: str | None = None, version: str | None = None) -> Any:
    """Point a field of a block to a secret in a store, instead of holding the secret itself.

    `store` is the name of a saved block of kind `SecretStore`, the block itself, or `env` or `file`, which need none.
    `field` picks one value of a secret that is a JSON object; `version` None = the newest. Nothing is read before the
    block is loaded, and a secret-typed field not before its value is asked for.

    Raises `InvalidSecretReference` for a store that is not saved, or an empty key.
    """
    from typecase.blocks.secrets.placeholders import ReferencedStr

    if not isinstance(store, str):
        origin = getattr(store, "_origin", None)
        if origin is None:
            message = f"This {type(store).__name__} is not saved, so nothing can refer to it."
            raise InvalidSecretReference(message, hint="Save the store first, or give the name of its document.")
        reference = SecretReference(origin.name, key, field, version, origin.document_id)
    else:
        reference = SecretReference(store, key, field, version)
    problem = problem_of(reference.to_json())
    if problem:
        raise InvalidSecretReference(f"A reference to a secret {problem}.", hint=_HINT)
    return ReferencedStr(reference)


def _quoted(text: str, safe: str = "") -> str:
    return quote(text, safe=safe, errors="replace")


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")
