"""Where references lead: the stores, found by name or id, read through the cache, with the search told in errors."""

import copy
from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from typecase.blocks.catalog import CATALOG
from typecase.blocks.errors import AuthenticationFailed, SecretError, SecretMalformed, TypecaseError
from typecase.blocks.kinds.secret_store import SecretStore, SecretValue
from typecase.blocks.sanitizing import forgetful
from typecase.blocks.secrets.cache import CACHE, Age
from typecase.blocks.secrets.fresh import documents_of, with_fresh_secrets
from typecase.blocks.secrets.moments import one_moment, this_moment
from typecase.blocks.secrets.picking import pick
from typecase.blocks.secrets.reference import SecretReference

if TYPE_CHECKING:
    from typecase.blocks.registry import Registry

R = TypeVar("R")

#: How many stores are asked at a time.
_WIDTH: Final = 16


class Store(NamedTuple):
    """A store that was found. `identity` tells it apart in the cache."""

    block: SecretStore
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

    @property
    def place(self) -> tuple[str, str]:
        """The registry's URL and the workspace: where names of stores mean what they mean here."""
        return self.registry.url, self.workspace

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
            warm([(self, reference, field) for reference, _, field in wanted])
            return [self.value(reference, held, field=field) for reference, held, field in wanted]

    def forget(self, reference: SecretReference) -> None:
        """Drop what `reference` leads to from memory, so that the next one is fetched."""
        try:
            key = self._key(reference, self._store(reference))
        except TypecaseError:
            return
        if (moment := this_moment()) is not None:
            moment.pop(key, None)
        CACHE.drop(key)

    def refusal(self, error: TypecaseError, reference: SecretReference, *, field: str) -> TypecaseError:
        """Return `error` about what `reference` leads to, which is forgotten, with the search told in it."""
        self.forget(reference)
        return _traced(error, reference, field=field, asker=self.asker, workspace=self.workspace)

    def is_replaced(self, reference: SecretReference, used: dict[Any, SecretValue]) -> bool:
        """Tell whether the store has another value by now than the one in `used`, which was refused and forgotten.

        If it is the same, it is not kept either. Raises `SecretError` where there is none any more.
        """
        store = self._store(reference)
        key = self._key(reference, store)
        old = used.get(key)
        if old is None:
            return False
        fetch = partial(CACHE.get, key, lambda: _read(store, reference), _age(store.block))
        new = self._tell(reference, "", fetch)
        if new.get_secret_value() != old.get_secret_value():
            return True
        CACHE.drop(key, new)
        return False

    def _pick(self, reference: SecretReference, held: type, accept: Callable[[Any], Any] | None) -> Any:
        try:
            value = pick(self._fetch(reference), reference, held)
            return value if accept is None else accept(value)
        except SecretMalformed:
            self.forget(reference)
            raise

    @forgetful
    def prepare(self, reference: SecretReference, field: str) -> tuple[Any, Callable[[], object]]:
        """Return what the cache knows the secret by, and what lets the moment hold it; `field` is who asks."""
        store = self._tell(reference, field, lambda: self._store(reference))
        fetch = partial(self._tell, reference, field, partial(self._fetch, reference, store))
        return self._key(reference, store), fetch

    def _fetch(self, reference: SecretReference, store: Store | None = None) -> SecretValue:
        store = store or self._store(reference)
        try:
            return self._held(reference, store)
        except AuthenticationFailed:
            changed = self._changed(reference, store)
            if changed is None:
                raise
        return self._held(reference, changed)

    def _changed(self, reference: SecretReference, store: Store) -> Store | None:
        """Return the store as its document is by now, None if that has not changed since `store` was loaded."""
        if reference.store_id not in self._stores:
            return None
        try:
            block = self._saved(reference.store_id)
        except TypecaseError:
            return None
        found = _found(block)
        if found.identity == store.identity:
            return None
        self._stores[reference.store_id] = block
        return found

    def _held(self, reference: SecretReference, store: Store) -> SecretValue:
        key, moment = self._key(reference, store), this_moment()
        value = moment.get(key) if moment is not None else None
        if value is None:
            value = CACHE.get(key, lambda: _read(store, reference), _age(store.block))
            if moment is not None:
                moment[key] = value
        return value

    def _key(self, reference: SecretReference, store: Store) -> tuple[Any, ...]:
        from typecase.blocks.storing import author

        return *self.place, author(), store.identity, reference.key, reference.version

    def _store(self, reference: SecretReference) -> Store:
        slug = reference.built_in
        if slug is not None:
            cls: Any = CATALOG.get(slug)
            block = _built_in(cls)
            return Store(block, (slug, getattr(block, "folder", "")))
        return _found(self._load(reference))

    def _load(self, reference: SecretReference) -> SecretStore:
        if reference.store_id and self._store_of is not None:
            found = self._stores.get(reference.store_id)
            if found is None:
                found = self._stores[reference.store_id] = self._store_of(reference.store_id, SecretStore)  # type: ignore[type-abstract] # a kind may be asked for
            return found
        if reference.store_id:
            return self._saved(reference.store_id)
        from typecase.blocks.storing import load

        workspace = reference.store_workspace or self.workspace
        return load(SecretStore, reference.store, workspace=workspace, revision=None, registry=self.registry)  # type: ignore[type-abstract] # a kind may be asked for

    def _saved(self, document_id: str) -> SecretStore:
        from typecase.blocks.loading import Loading

        tree = self.registry.load_id(document_id)
        return Loading(tree, self.registry).root(SecretStore)  # type: ignore[return-value] # as above

    def _tell(self, reference: SecretReference, field: str, body: Callable[[], R]) -> R:
        """Run `body`; say in its errors who asked for what, and where."""
        problem: TypecaseError
        try:
            return body()
        except TypecaseError as error:
            problem = _traced(error, reference, field=field, asker=self.asker, workspace=self.workspace)
        # Out here: the store's own error may have a context that shows what it was about.
        raise problem


def _found(block: SecretStore) -> Store:
    return Store(block, tuple(documents_of(block)))


def warm(wanted: Iterable[tuple[Any, SecretReference, str]]) -> None:
    """Let the moment hold each secret of (source, reference, field), fetched once, stores at the same time."""
    fetches = dict(source.prepare(reference, field) for source, reference, field in wanted)
    if len(fetches) <= 1:
        return
    from concurrent.futures import ThreadPoolExecutor

    failed: list[bool] = []

    def run(fetch: Callable[[], object]) -> None:
        if not failed:  # after a failure nobody needs the others
            try:
                fetch()
            except BaseException:
                failed.append(True)
                raise

    with ThreadPoolExecutor(min(len(fetches), _WIDTH), thread_name_prefix="typecase-secrets") as pool:
        runs = [pool.submit(copy_context().run, run, fetch) for fetch in fetches.values()]
    for done in runs:
        done.result()


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
    problem: TypecaseError
    try:
        return with_fresh_secrets(store.block, lambda block: block.read(reference.key, reference.version))
    except TypecaseError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a package's own code raises
        name = type(error).__name__
        problem = SecretError(f"The store failed: {name}.", hint="Report it to the package that brings the store.")
    raise problem


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
