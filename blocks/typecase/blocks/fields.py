"""Fields of blocks: one place for a field's help, example, secrecy and place in the form."""

from collections.abc import Callable
from typing import Any, Final, TypeVar, overload

from pydantic import Field
from pydantic_core import PydanticUndefined

T = TypeVar("T")

FORM_KEY: Final = "x-typecase"


@overload
def field(*, default_factory: Callable[[], T], **facts: Any) -> T: ...
@overload
def field(default: T, **facts: Any) -> T: ...
@overload
def field(**facts: Any) -> Any: ...
def field(
    default: Any = PydanticUndefined,
    *,
    default_factory: Callable[[], Any] | None = None,
    title: str | None = None,
    help: str | None = None,  # noqa: A002  the form's own word for it
    example: Any = None,
    group: str | None = None,
    order: int | None = None,
    advanced: bool = False,
    multiline: bool = False,
    since: str | None = None,
    **constraints: Any,
) -> Any:
    """Describe a field of a block.

    `group` and `order` place it in the form, `advanced` folds it away, `multiline` gives it a text area,
    `since` is the package version that added it. `constraints` are those of `pydantic.Field` (`ge`, `pattern`, ...).
    Secrecy is not said here: it is the field's type (`SecretStr`, `SecretBytes`, `Secret[T]`).
    """
    facts = {"group": group, "order": order, "advanced": advanced, "multiline": multiline, "since": since}
    form: dict[str, Any] = {key: value for key, value in facts.items() if value not in (None, False)}
    if default_factory is not None:
        constraints["default_factory"] = default_factory
    else:
        constraints["default"] = default
    return Field(
        title=title,
        description=help,
        examples=None if example is None else [example],
        json_schema_extra={FORM_KEY: form} if form else None,
        **constraints,
    )
