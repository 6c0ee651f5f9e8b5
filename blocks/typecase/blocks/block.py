"""The block: a frozen, typed value that is saved and loaded by name."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from typecase.blocks import copying, storing
from typecase.blocks.block_type import asked_for, check_fields
from typecase.blocks.checks import Check
from typecase.blocks.dumping import Dump
from typecase.blocks.errors import KindMismatch
from typecase.blocks.loading import Loading, inline
from typecase.blocks.markers import BLOCK, TYPE
from typecase.blocks.migrations import check_migrations
from typecase.blocks.sanitizing import forget_locals, invalid_block
from typecase.blocks.secrets import referring
from typecase.blocks.stored import UNSET, Unset

if TYPE_CHECKING:
    from datetime import datetime

    from typecase.blocks.records import Dependent, Revision
    from typecase.blocks.registry import Registry


class Block(BaseModel):
    """A typed value with behaviour: credentials, a database, a bucket, a notifier, a vault.

    Building and validating does no I/O. Subclasses declare fields and `__block__ = BlockType(slug=...)`.
    Secrets are fields of type `SecretStr`, `SecretBytes` or `Secret[T]`, at any depth.
    """

    # No `dataclass_transform` of our own: mypy then takes `port: int = field(5432)` for a required argument.
    __slots__ = ("_basis", "_origin", "_resolved")

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        polymorphic_serialization=True,
        ser_json_bytes="base64",
        ser_json_inf_nan="constants",
        val_json_bytes="base64",
        validate_default=True,
        validate_by_alias=True,
        validate_by_name=True,
    )

    def __init__(self, /, **data: Any) -> None:
        """Validate `data`. Raises `InvalidBlock`, which names fields and rules and shows no value."""
        __tracebackhide__ = True
        problem = None
        try:
            if referring.holds_references(data):
                referring.initialize(self, data)
            else:
                self.__pydantic_validator__.validate_python(data, self_instance=self)
        except ValidationError as error:
            problem = invalid_block(type(self), type(self).__name__, error, data)
        except BaseException as error:
            del self, data
            forget_locals(error)
            raise
        if problem is not None:
            del self, data
            raise problem

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """Refuse migrations that clash and fields that hide a method. Raises `InvalidBlockType`."""
        super().__pydantic_init_subclass__(**options)
        check_migrations(cls)
        check_fields(cls, Block)

    # Without this mark pydantic would route every load through `__init__`.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined] # read by pydantic's metaclass

    @classmethod
    def load(
        cls,
        name: str,
        *,
        workspace: str | None = None,
        revision: int | None = None,
        resolve: Literal["lazy", "eager"] = "lazy",
        registry: "Registry | None" = None,
    ) -> Self:
        """Return the block saved as `name`, secrets included; `"type-slug/name"` asserts its type.

        Called on a subclass or a kind, it returns a block of that kind. `workspace` None = the one of the settings,
        `revision` None = the newest. A field that refers to a secret in a store is fetched here, a secret-typed one
        when its value is asked for; `resolve="eager"` fetches all of them here. Raises `DocumentNotFound` (lists near
        names), `KindMismatch`, `BlockTypeNotFound` (says which package to install), `RegistrySealed`,
        `RegistryUnreachable`, `SecretError`.
        """
        return storing.load(cls, name, workspace=workspace, revision=revision, resolve=resolve, registry=registry)

    def save(
        self,
        name: str,
        *,
        workspace: str | None = None,
        overwrite: bool = False,
        expected_revision: int | None = None,
        description: str | Unset = UNSET,
        tags: tuple[str, ...] | Unset = UNSET,
        owner: str | Unset = UNSET,
        expires_at: "datetime | Unset | None" = UNSET,
        secrets_to: str | None = None,
        registry: "Registry | None" = None,
    ) -> "Revision":
        """Save this block as `name` and return the new revision.

        A block that came from the same document is expected to be at the revision that it came from, so that nobody's
        change is lost; `overwrite` replaces a document that this block knows nothing of. Saved blocks in fields are
        kept as references. `secrets_to` names a secret store that takes the literal secrets: the document then only
        refers to them. Raises `DocumentExists`, `RevisionConflict`, `ReferenceCycle`, `RegistrySealed`, and of that
        store `SecretError` and `NotSupported`.
        """
        return storing.save(
            self,
            name,
            workspace=workspace,
            registry=registry,
            overwrite=overwrite,
            expected_revision=expected_revision,
            description=description,
            tags=tags,
            owner=owner,
            expires_at=expires_at,
            secrets_to=secrets_to,
        )

    def refreshed(self) -> Self:
        """Return this block with the fields that came from secret stores as they are now; itself if none changed.

        Secret-typed fields need no refreshing: they are fetched when they are asked for. Raises `SecretError`.
        """
        return referring.refreshed(self)

    @classmethod
    def delete(
        cls, name: str, *, workspace: str | None = None, force: bool = False, registry: "Registry | None" = None
    ) -> "tuple[Dependent, ...]":
        """Destroy the document `name` and its history; return the dependents that `force` broke.

        Raises `DocumentInUse` with the dependents, `DocumentNotFound`, `KindMismatch`.
        """
        return storing.delete(cls, name, workspace=workspace, force=force, registry=registry)

    def check(self) -> Check:
        """Try what this block stands for and say, stage by stage, whether it works. Raises nothing."""
        return Check()

    @classmethod
    async def aload(
        cls,
        name: str,
        *,
        workspace: str | None = None,
        revision: int | None = None,
        resolve: Literal["lazy", "eager"] = "lazy",
        registry: "Registry | None" = None,
    ) -> Self:
        """`load` in a worker thread."""
        return await storing.in_thread(
            cls.load, name, workspace=workspace, revision=revision, resolve=resolve, registry=registry
        )

    async def asave(self, name: str, **options: Any) -> "Revision":
        """`save` in a worker thread, with the same options."""
        return await storing.in_thread(self.save, name, **options)

    @classmethod
    async def adelete(
        cls, name: str, *, workspace: str | None = None, force: bool = False, registry: "Registry | None" = None
    ) -> "tuple[Dependent, ...]":
        """`delete` in a worker thread."""
        return await storing.in_thread(storing.delete, cls, name, workspace=workspace, force=force, registry=registry)

    async def acheck(self) -> Check:
        """`check` in a worker thread."""
        return await storing.in_thread(self.check)

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """As pydantic's, but raises `InvalidBlock`."""
        __tracebackhide__ = True
        problem = None
        try:
            if referring.holds_references(obj):
                return referring.validated(cls, obj)
            return super().model_validate(obj, **options)
        except ValidationError as error:
            problem = invalid_block(cls, cls.__name__, error, obj)
        except BaseException as error:
            del obj
            forget_locals(error)
            raise
        del obj
        raise problem

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """As pydantic's, but raises `InvalidBlock`."""
        __tracebackhide__ = True
        problem = None
        try:
            if referring.may_refer(json_data) and referring.holds_references(data := storing.parsed(json_data)):
                return referring.validated(cls, data, is_json=True)
            return super().model_validate_json(json_data, **options)
        except ValidationError as error:
            problem = invalid_block(cls, cls.__name__, error, storing.parsed(json_data))
        except BaseException as error:
            del json_data
            forget_locals(error)
            raise
        del json_data
        raise problem

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy; with `update`, a validated one that is no longer the saved block but remembers it."""
        if not update:
            return self.__deepcopy__() if deep else self.__copy__()
        try:
            return copying.changed(self.__deepcopy__() if deep else self, update)
        except BaseException:
            del update  # a traceback that shows local variables reaches this frame
            raise

    if not TYPE_CHECKING:  # a checker that saw these would take any attribute as settable

        def __setattr__(self, name: str, value: Any) -> None:
            """Refuse: a block is a value. Private attributes, which are no part of the value, can be set."""
            if not name.startswith("_"):
                del value
                raise copying.frozen(self, name)
            super().__setattr__(name, value)

        def __delattr__(self, name: str) -> None:
            """Refuse, as `__setattr__` does."""
            if not name.startswith("_"):
                raise copying.frozen(self, name)
            super().__delattr__(name)

    def __copy__(self) -> Self:
        """Copy; a saved block stays the saved block."""
        return copying.same_origin(self, super().__copy__())

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Copy with all values; a saved block stays the saved block."""
        return copying.same_origin(self, super().__deepcopy__(memo))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle a saved block as a reference, never its secrets. Raises `UnsavedSecrets` for an unsaved one."""
        return copying.reduced(self)

    @model_validator(mode="wrap")
    @classmethod
    def _accept(cls, value: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Any:
        if type(value) is dict:
            try:
                if BLOCK in value:
                    if isinstance(info.context, Loading):
                        return info.context.reference(value, cls)
                    message = "a block reference is resolved by Block.load; in Python, pass the loaded block itself"
                    raise ValueError(message)
                if TYPE in value:
                    return inline(value, cls, info.context)
            except KindMismatch as error:
                # One that pydantic understands: the next alternative of a union may fit.
                raise PydanticCustomError("kind_mismatch", "{reason}", {"reason": error.message}) from None
            if getattr(cls, "__abstractmethods__", None):
                reason = f"{asked_for(cls)} is needed: pass the block itself, or name its type with {TYPE!r}"
                raise PydanticCustomError("kind_needs_block", "{reason}", {"reason": reason})
        return handler(value)

    @model_serializer(mode="wrap")
    def _serialize(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
        context = info.context
        if isinstance(context, Dump):
            return context.serialize(self, handler)
        return referring.serialized(self, handler, info)
