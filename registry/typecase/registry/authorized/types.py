"""Block types, as far as the caller may see and change them."""

from typecase.blocks.compatibility import Mode, Policy
from typecase.blocks.records import Page, SchemaVersion, TypeDefinition, TypeRecord
from typecase.blocks.registry import Types
from typecase.blocks.stored import UNSET, Unset
from typecase.blocks.verdicts import CompatibilityRule, Verdict
from typecase.registry.access.permissions import Permission
from typecase.registry.authorized.asking import About, Asking

READ, WRITE, ADMIN = Permission.TYPES_READ, Permission.TYPES_WRITE, Permission.TYPES_ADMIN


class AuthorizedTypes(Types):
    """The block types of a registry for one caller. They belong to no workspace: a role in any shows them."""

    def __init__(self, inner: Types, asking: Asking) -> None:
        """Ask `inner`, for the caller of `asking`."""
        self._inner = inner
        self._asking = asking

    def register(self, definition: TypeDefinition, *, force: bool = False) -> SchemaVersion:
        """See `Types.register`. `force` needs an admin of the server."""
        about = About(action="type.register", facts={"type": definition.slug, "forced": force})
        if force:
            self._asking.require(ADMIN, about)
        self._asking.require_anywhere(WRITE, about)
        return self._asking.change(
            lambda: self._inner.register(definition, force=force),
            lambda _, version: About(
                action="type.register",
                facts={"type": version.type_slug, "version": version.number, "forced": version.forced},
            ),
            kind=SchemaVersion,
        )

    def check(self, definition: TypeDefinition) -> Verdict:
        """See `Types.check`."""
        self._asking.require_anywhere(READ, About(action="type.check", facts={"type": definition.slug}))
        return self._inner.check(definition)

    def list(self, *, search: str = "", cursor: str | None = None, limit: int = 100) -> Page[TypeRecord]:
        """See `Types.list`."""
        self._require_read()
        return self._inner.list(search=search, cursor=cursor, limit=limit)

    def get(self, slug: str) -> TypeRecord:
        """See `Types.get`."""
        self._require_read()
        return self._inner.get(slug)

    def version(self, slug: str, number: int) -> SchemaVersion:
        """See `Types.version`."""
        self._require_read()
        return self._inner.version(slug, number)

    def versions(self, slug: str) -> tuple[SchemaVersion, ...]:
        """See `Types.versions`."""
        self._require_read()
        return self._inner.versions(slug)

    def compatibility(self, slug: str | None = None) -> CompatibilityRule:
        """See `Types.compatibility`."""
        self._require_read()
        return self._inner.compatibility(slug)

    def set_compatibility(
        self,
        mode: Mode | str | Unset | None = UNSET,
        policy: Policy | str | Unset | None = UNSET,
        *,
        slug: str | None = None,
    ) -> CompatibilityRule:
        """See `Types.set_compatibility`. Needs an admin of the server."""
        facts = {
            "type": slug or "",
            **{key: str(item) for key, item in (("mode", mode), ("policy", policy)) if item is not UNSET},
        }
        about = About(action="type.compatibility", facts=facts)
        self._asking.require(ADMIN, about)
        return self._asking.change(
            lambda: self._inner.set_compatibility(mode, policy, slug=slug), lambda *_: about, kind=CompatibilityRule
        )

    def _require_read(self) -> None:
        self._asking.require_anywhere(READ, About(action="type.read"))
