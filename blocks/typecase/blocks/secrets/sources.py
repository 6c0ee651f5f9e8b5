"""Where references lead: the stores, found by name or id, read through the cache, with the search told in errors."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from typecase.blocks.catalog import CATALOG
from typecase.blocks.dumping import origin_of
from typecase.blocks.errors import SecretError, SecretMalformed, TypecaseError
from typecase.blocks.kinds.secret_store import SecretStore, SecretValue
from typecase.blocks.sanitizing import forgetful
from typecase.blocks.secrets.cache import CACHE, Age
from typecase.blocks.secrets.picking import pick
from typecase.blocks.secrets.reference import BUILT_IN, SecretReference

if TYPE_CHECKING:
    from typecase.blocks.registry import Registry

R = TypeVar("R")

#: How many stores are asked at a time.
_WIDTH: Final = 16

_moment: ContextVar[dict[Any, SecretValue] | None] = ContextVar("typecase_secret_moment", default=None)


@contextmanager
def one_moment(*, anew: bool = False) -> Iterator[dict[Any, SecretValue]]:
    """Let every reference to one secret see one value inside the `with` block, whatever the cache keeps.

    Yields the values by their key in the cache. A moment inside another is that one, unless it begins `anew`.
    """
    outer = _moment.get()
    if outer is not None and not anew:
        yield outer
        return
    values: dict[Any, SecretValue] = {}
    token = _moment.set(values)
    try:
        yield values
    finally:
        _moment.reset(token)


class Store(NamedTuple):
    """A store that was found. `identity` tells it apart in the cache."""

    block: SecretStore
    name: str
    identity: tuple[Any, ...]


class StoreSource:
    """The source of references that a registry knows: of a loaded document, or of a block that was only built.

    `asker` is the document for messages; `store_of` builds a store that came with it, by its id and kind.
    """

    def __init__(
        self,
        registry: "Registry",
        workspace: str,
        *,
        asker: str = "",
        store_of: Callable[[str, type[SecretStore]], Any] | None = None,
    ) -> None:
        self.registry = registry
        self.workspace = workspace
        self.asker = asker
        self._store_of = store_of
        self._stores: dict[str, SecretStore] = {}

    @forgetful
    def value(
        self, reference: SecretReference, held: type, *, field: str = "", accept: Callable[[Any], Any] | None = None
    ) -> Any:
        """Return what `reference` leads to, as `held` holds it and `accept` leaves it; `field` is who asks."""
        return self._tell(reference, field, lambda: self._pick(reference, held, accept))

    @forgetful
    def values(self, wanted: Sequence[tuple[SecretReference, type, str]]) -> list[Any]:
        """Return one value for each (reference, held, field), each secret asked for once, stores at the same time."""
        with one_moment():
            firsts = list({_address(reference): (reference, field) for reference, _, field in wanted}.values())
            if len(firsts) > 1:
                from concurrent.futures import ThreadPoolExecutor

                stores = [self._tell(*first, partial(self._store, first[0])) for first in firsts]
                with ThreadPoolExecutor(min(len(firsts), _WIDTH), thread_name_prefix="typecase-secrets") as pool:
                    runs = [
                        pool.submit(copy_context().run, partial(self._warm, *first, store))
                        for first, store in zip(firsts, stores, strict=True)
                    ]
                for run in runs:
                    run.result()
            return [self.value(reference, held, field=field) for reference, held, field in wanted]

    def forget(self, reference: SecretReference) -> None:
        """Drop what `reference` leads to from memory, so that the next one is fetched."""
        try:
            key = self._key(reference, self._store(reference))
        except TypecaseError:
            return
        (_moment.get() or {}).pop(key, None)
        CACHE.drop(key)

    def refusal(self, error: TypecaseError, reference: SecretReference, *, field: str) -> TypecaseError:
        """Return `error` about what `reference` leads to, which is forgotten, with the search told in it."""
        self.forget(reference)
        return _traced(error, reference, field=field, asker=self.asker, workspace=self.workspace)

    def is_replaced(self, reference: SecretReference, used: dict[Any, SecretValue]) -> bool:
        """Tell whether the store has another value by now than the one in `used`, which was refused.

        That one leaves the memory in any case. Raises `SecretError` where there is none any more.
        """
        store = self._store(reference)
        key = self._key(reference, store)
        old = used.get(key)
        if old is None:
            return False
        CACHE.drop(key, old)
        fetch = partial(CACHE.get, key, lambda: _read(store, reference), _age(store.block))
        return self._tell(reference, "", fetch).get_secret_value() != old.get_secret_value()

    def _pick(self, reference: SecretReference, held: type, accept: Callable[[Any], Any] | None) -> Any:
        try:
            value = pick(self._fetch(reference), reference, held)
            return value if accept is None else accept(value)
        except SecretMalformed:
            self.forget(reference)
            raise

    def _warm(self, reference: SecretReference, field: str, store: Store) -> None:
        self._tell(reference, field, lambda: self._fetch(reference, store))

    def _fetch(self, reference: SecretReference, store: Store | None = None) -> SecretValue:
        store = store or self._store(reference)
        key, moment = self._key(reference, store), _moment.get()
        value = moment.get(key) if moment is not None else None
        if value is None:
            value = CACHE.get(key, lambda: _read(store, reference), _age(store.block))
            if moment is not None:
                moment[key] = value
        return value

    def _key(self, reference: SecretReference, store: Store) -> tuple[Any, ...]:
        from typecase.blocks.storing import author

        return self.registry.url, self.workspace, author(), store.identity, reference.key, reference.version

    def _store(self, reference: SecretReference) -> Store:
        slug = BUILT_IN.get(reference.store) if not reference.store_id else None
        if slug is not None:
            cls: Any = CATALOG.get(slug)
            block = _built_in(cls)
            return Store(block, reference.store, (slug, getattr(block, "folder", "")))
        block = self._load(reference)
        origin: Any = origin_of(block)
        return Store(block, origin.name, (origin.document_id, origin.revision))

    def _load(self, reference: SecretReference) -> SecretStore:
        if reference.store_id and self._store_of is not None:
            found = self._stores.get(reference.store_id)
            if found is None:
                found = self._stores[reference.store_id] = self._store_of(reference.store_id, SecretStore)  # type: ignore[type-abstract] # a kind may be asked for
            return found
        from typecase.blocks.loading import Loading
        from typecase.blocks.storing import load

        if reference.store_id:
            tree = self.registry.load_id(reference.store_id)
            return Loading(tree, self.registry).root(SecretStore)  # type: ignore[return-value] # as above
        workspace = reference.store_workspace or self.workspace
        return load(SecretStore, reference.store, workspace=workspace, revision=None, registry=self.registry)  # type: ignore[type-abstract] # a kind may be asked for

    def _tell(self, reference: SecretReference, field: str, body: Callable[[], R]) -> R:
        """Run `body`; say in its errors who asked for what, and where."""
        problem: TypecaseError
        try:
            return body()
        except TypecaseError as error:
            problem = _traced(error, reference, field=field, asker=self.asker, workspace=self.workspace)
        # Out here: the store's own error may have a context that shows what it was about.
        raise problem


def unbound() -> StoreSource:
    """Return the source of a block that was built here and is in no registry yet."""
    from typecase.blocks.registries import current_registry, current_workspace

    return StoreSource(current_registry(), current_workspace())


def _built_in(cls: Any) -> SecretStore:
    from typecase.blocks.settings import current_settings

    folder = current_settings().secret_files
    found: SecretStore = cls(folder=folder) if folder and "folder" in cls.__pydantic_fields__ else cls()
    return found


def _age(store: SecretStore) -> Age:
    from typecase.blocks.settings import current_settings

    settings = current_settings()
    fresh = settings.secret_max_age if store.cache_seconds is None else store.cache_seconds
    return Age(fresh, settings.secret_max_stale if store.stale_seconds is None else store.stale_seconds)


def _read(store: Store, reference: SecretReference) -> SecretValue:
    from typecase.blocks.secrets.fresh import with_fresh_secrets

    problem: TypecaseError
    try:
        return with_fresh_secrets(store.block, lambda block: block.read(reference.key, reference.version))
    except TypecaseError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a package's own code raises
        name = type(error).__name__
        problem = SecretError(f"The store failed: {name}.", hint="Report it to the package that brings the store.")
    raise problem


def _address(reference: SecretReference) -> tuple[Any, ...]:
    return reference.store_id or reference.store, reference.store_workspace, reference.key, reference.version


def _traced(
    error: TypecaseError, reference: SecretReference, *, field: str, asker: str, workspace: str
) -> TypecaseError:
    traced = copy.copy(error)
    wanted_by = " of ".join(filter(None, (f"field {field!r}" if field else "", asker)))
    step = f"{wanted_by or 'a block that was built here'} in workspace {workspace!r} -> {reference}"
    traced.trace = (step, *getattr(error, "trace", ()))  # type: ignore[attr-defined] # a fact like others
    if len(traced.trace) == 1:  # type: ignore[attr-defined] # as above
        # Further steps are of the store's own secrets: the last one is where it failed.
        traced.store, traced.key = reference.store, reference.key  # type: ignore[attr-defined] # as above
    way = "".join(f"\n  {number}. {place}" for number, place in enumerate(traced.trace, 1))  # type: ignore[attr-defined] # as above
    said = getattr(error, "said", error.message)
    traced.said = said  # type: ignore[attr-defined] # as above
    traced.message = f"{said}\nIt was looked for by:{way}"
    traced.args = (f"{traced.message}\n{error.hint}".rstrip(),)
    return traced
