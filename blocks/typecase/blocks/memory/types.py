"""Block types in memory."""

from typecase.blocks import refusals
from typecase.blocks.catalog import is_same_package
from typecase.blocks.compatibility import Mode, Policy
from typecase.blocks.memory.state import State, now
from typecase.blocks.paging import limited, read_cursor, write_cursor
from typecase.blocks.records import Page, SchemaVersion, TypeDefinition, TypeRecord
from typecase.blocks.registry import Types
from typecase.blocks.stored import UNSET, Unset
from typecase.blocks.verdicts import DEFAULT_MODE, DEFAULT_POLICY, CompatibilityRule, Verdict, chosen, judge


class MemoryTypes(Types):
    """Block types in memory."""

    def __init__(self, state: State) -> None:
        """Work on `state`."""
        self._state = state

    def register(self, definition: TypeDefinition, *, force: bool = False) -> SchemaVersion:
        """See `Types.register`."""
        with self._state.lock:
            verdict = self.check(definition)
            if verdict.refused and not force:
                raise refusals.refused(verdict)
            versions = self._state.versions.setdefault(definition.slug, [])
            if verdict.number > verdict.newest:
                versions.append(
                    SchemaVersion(
                        type_slug=definition.slug,
                        number=verdict.number,
                        digest=definition.digest,
                        schema=definition.schema,
                        secret_paths=definition.secret_paths,
                        kinds=definition.kinds,
                        package=definition.package,
                        package_version=definition.package_version,
                        created_at=now(),
                        forced=verdict.breaks,
                    )
                )
            known = self._state.types.get(definition.slug)
            if (
                known is None
                or not is_same_package(known.package, definition.package)
                or verdict.number == len(versions)
            ):
                self._state.types[definition.slug] = TypeRecord(
                    slug=definition.slug,
                    title=definition.title,
                    description=definition.description,
                    icon=definition.icon,
                    docs=definition.docs,
                    kinds=definition.kinds,
                    package=definition.package,
                    version=len(versions),
                    form=definition.form,
                )
            return versions[verdict.number - 1]

    def check(self, definition: TypeDefinition) -> Verdict:
        """See `Types.check`."""
        with self._state.lock:
            known = self._state.types.get(definition.slug)
            return judge(
                definition,
                self._state.versions.get(definition.slug, ()),
                rule=self._rule(definition.slug),
                kinds={slug: record.kinds for slug, record in self._state.types.items()},
                owner="" if known is None else known.package,
            )

    def list(self, *, search: str = "", cursor: str | None = None, limit: int = 100) -> Page[TypeRecord]:
        """See `Types.list`."""
        after, wanted = read_cursor(cursor), search.lower()
        with self._state.lock:
            found = [
                record
                for slug, record in sorted(self._state.types.items())
                if (after is None or slug > after) and (wanted in slug or wanted in record.title.lower())
            ]
        shown = tuple(found[: limited(limit)])
        return Page(items=shown, cursor=write_cursor(shown[-1].slug) if len(found) > len(shown) else None)

    def get(self, slug: str) -> TypeRecord:
        """See `Types.get`."""
        with self._state.lock:
            if slug not in self._state.types:
                raise refusals.type_not_registered(slug, None, self._state.types)
            return self._state.types[slug]

    def version(self, slug: str, number: int) -> SchemaVersion:
        """See `Types.version`."""
        with self._state.lock:
            return self._state.version(slug, number)

    def versions(self, slug: str) -> tuple[SchemaVersion, ...]:
        """See `Types.versions`."""
        with self._state.lock:
            self.get(slug)
            return tuple(self._state.versions[slug])

    def compatibility(self, slug: str | None = None) -> CompatibilityRule:
        """See `Types.compatibility`."""
        with self._state.lock:
            if slug is not None:
                self.get(slug)
            return self._rule(slug)

    def set_compatibility(
        self,
        mode: Mode | str | Unset | None = UNSET,
        policy: Policy | str | Unset | None = UNSET,
        *,
        slug: str | None = None,
    ) -> CompatibilityRule:
        """See `Types.set_compatibility`."""
        with self._state.lock:
            if slug is not None:
                self.get(slug)
            before = self._state.rules.get(slug, (None, None))
            self._state.rules[slug] = (chosen(mode, Mode, before[0]), chosen(policy, Policy, before[1]))
            return self._rule(slug)

    def _rule(self, slug: str | None) -> CompatibilityRule:
        own = self._state.rules.get(slug, (None, None))
        general = self._state.rules.get(None, (None, None))
        return CompatibilityRule(
            mode=own[0] or general[0] or DEFAULT_MODE,
            policy=own[1] or general[1] or DEFAULT_POLICY,
            inherited=own == (None, None),
        )
