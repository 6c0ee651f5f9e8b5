"""Saving with `secrets_to`: literal secrets go to a store, and the document refers to them."""

import copy
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretBytes, SecretStr

from typecase.blocks.documents.masking import Node
from typecase.blocks.dumping import is_secret
from typecase.blocks.errors import (
    DocumentExists,
    DocumentNotFound,
    InvalidDocument,
    InvalidSecretReference,
    ReferenceNotFound,
    RevisionConflict,
    SecretError,
    SecretNotFound,
    TypecaseError,
)
from typecase.blocks.kinds.refusals import not_supported
from typecase.blocks.kinds.secret_store import SecretStore
from typecase.blocks.markers import TYPE, VERSION
from typecase.blocks.records import Draft, Revision
from typecase.blocks.secrets.fresh import with_fresh_secrets
from typecase.blocks.secrets.provenance import Steps, value_at
from typecase.blocks.secrets.reference import BUILT_IN, SecretReference, is_reference
from typecase.blocks.storing import load

if TYPE_CHECKING:
    from typecase.blocks.block import Block
    from typecase.blocks.records import SchemaVersion
    from typecase.blocks.registry import Registry

#: With these a registry says that it wrote nothing.
_REFUSALS: Final = (DocumentExists, InvalidDocument, ReferenceNotFound, RevisionConflict, SecretError)


def save_with_store(draft: Draft, store_name: str, block: "Block", registry: "Registry") -> Revision:
    """Put the literal secrets of `draft` into a store and save the draft with references to them.

    They go under a key of their own, so that nothing is overwritten and earlier revisions keep what they had. If the
    save fails, the key is deleted again, unless the document refers to it already: an answer can get lost. Raises what
    the store and `Documents.save` raise.
    """
    if store_name in BUILT_IN:
        message = f"The store {store_name!r} is read-only: nothing can be put into it."
        raise InvalidSecretReference(message, hint="Name a document of kind SecretStore that can be written to.")
    store: SecretStore = load(SecretStore, store_name, workspace=draft.workspace, revision=None, registry=registry)  # type: ignore[type-abstract] # a kind may be asked for
    if store.read_only:
        raise not_supported(store, "put", "Write the secrets with the vault's own tools, and refer to them.")
    found = [(steps, value, value_at(block, steps)) for steps, value in _literals(draft, registry)]
    found = [item for item in found if is_secret(item[2])]
    if not found:
        return registry.documents.save(draft)
    moving = _Moving(store, store_name, draft)
    data = moving.moved(found)
    try:
        moving.write()
        return registry.documents.save(replace(draft, data=data))
    except BaseException as error:
        moving.undo(error, registry)
        raise


class _Moving:
    """One save. Texts and structures are fields of one JSON secret; bytes have a key each."""

    def __init__(self, store: SecretStore, store_name: str, draft: Draft) -> None:
        self._store = store
        self._name = store_name
        self._draft = draft
        self._mark = os.urandom(4).hex()
        self._pending: dict[str, SecretStr | SecretBytes] = {}
        self._written: list[str] = []

    def moved(self, found: list[tuple[Steps, Any, Any]]) -> dict[str, Any]:
        data: Any = json.loads(json.dumps(self._draft.data))
        fields: dict[str, Any] = {}
        key = self._key()
        for steps, value, held in found:
            if isinstance(content := held.get_secret_value(), bytes):
                own = self._key(str(len(self._pending)), *(str(step) for step in steps))
                self._pending[own] = SecretBytes(content)
                reference = SecretReference(self._name, own)
            else:
                name = ".".join(map(str, steps))
                while name in fields:
                    # A key may hold a dot.
                    name += "'"
                fields[name] = value
                reference = SecretReference(self._name, key, name)
            _assign(data, steps, reference.to_json())
        if fields:
            self._pending[key] = SecretStr(json.dumps(fields, ensure_ascii=False))
        found_data: dict[str, Any] = data
        return found_data

    def write(self) -> None:
        for key, value in self._pending.items():
            # Noted before: a put that failed halfway may have written.
            self._written.append(key)
            self._put(key, value)

    def undo(self, error: BaseException, registry: "Registry") -> None:
        if not self._written:
            return
        problem = "" if isinstance(error, _REFUSALS) else self._use(registry)
        for key in self._written:
            if not problem:
                self._delete(key, error)
            else:
                error.add_note(f"{key!r} is left in the store {self._name!r}: {problem}.")

    def _put(self, key: str, value: SecretStr | SecretBytes) -> None:
        problem: TypecaseError
        try:
            with_fresh_secrets(self._store, lambda store: store.put(key, value))
        except TypecaseError as error:
            problem = copy.copy(error)
        except Exception as error:  # noqa: BLE001 - whatever a package's own code raises
            name = type(error).__name__
            problem = SecretError(f"The store failed: {name}.", hint="Report it to the package that brings the store.")
        else:
            return
        # Out here: the store's own error, or what caused it, may show the value.
        raise problem

    def _delete(self, key: str, error: BaseException) -> None:
        try:
            with_fresh_secrets(self._store, lambda store: store.delete(key))
        except SecretNotFound:
            return
        except Exception as problem:  # noqa: BLE001 - the error that led here is the one to tell
            error.add_note(f"{key!r} may be left in the store {self._name!r}: {type(problem).__name__}.")

    def _use(self, registry: "Registry") -> str:
        """Say why what was put must stay: the document refers to it, or nobody can tell."""
        try:
            shown = registry.documents.get(self._draft.name, workspace=self._draft.workspace)
        except DocumentNotFound:
            return ""
        except Exception as problem:  # noqa: BLE001 - as in `_delete`
            return f"whether the document was saved is not known ({type(problem).__name__})"
        return "the document was saved and refers to it" if self._mark in json.dumps(shown.data) else ""

    def _key(self, *more: str) -> str:
        return self._store.key_of("typecase", self._draft.workspace, self._draft.name, self._mark, *more)


def _literals(draft: Draft, registry: "Registry") -> Iterator[tuple[Steps, Any]]:
    """Yield (steps, value) of each secret of the document that is no reference."""

    def schema_of(slug: str, number: int | None) -> "SchemaVersion":
        return registry.types.version(slug, number or registry.types.get(slug).version)

    schema = schema_of(draft.type_slug, draft.schema_version).schema
    yield from _walk(draft.data, Node([(schema, schema)], schema_of), ())


def _walk(value: Any, node: Node, steps: Steps) -> Iterator[tuple[Steps, Any]]:
    if value is None or is_reference(value):
        return
    if node.secret:
        yield steps, value
        return
    node = node.entered(value)
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key not in (TYPE, VERSION):
                plain = key[1:] if key.startswith("$$") else key
                yield from _walk(item, node.below(key), (*steps, plain))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, node.below(str(index)), (*steps, index))


def _assign(data: Any, steps: Steps, value: Any) -> None:
    keys = [f"${step}" if isinstance(step, str) and step.startswith("$") else step for step in steps]
    for key in keys[:-1]:
        data = data[key]
    data[keys[-1]] = value
