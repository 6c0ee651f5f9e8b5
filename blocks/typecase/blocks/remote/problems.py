"""Errors as RFC 9457 problem details, and back."""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from pydantic import ValidationError

from typecase.blocks import errors
from typecase.blocks.compatibility import Difference
from typecase.blocks.errors import RegistryError, TypecaseError
from typecase.blocks.records import Dependent
from typecase.blocks.remote.wire import plain, restored
from typecase.blocks.verdicts import Verdict

MEDIA_TYPE: Final = "application/problem+json"

_TYPE: Final = "urn:typecase:error:"
_Simple: TypeAlias = str | int | float | bool | None
_FACTS: Final[Mapping[str, Any]] = {
    "dependents": tuple[Dependent, ...],
    "differences": tuple[Difference, ...],
    "problems": tuple[tuple[str, str, str], ...],
    "verdict": Verdict | None,
}
_ANY_FACT: Final[Any] = _Simple | tuple[_Simple, ...]


def problem_of(error: TypecaseError) -> dict[str, Any]:
    """Return `error` as a problem without its status: what happened, what to do next, and facts by name."""
    facts = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in vars(error).items()
        if name not in {"message", "hint"} and name[0] != "_" and value is not None
    }
    return {
        "type": f"{_TYPE}{_dashed(type(error).__name__)}",
        "title": (type(error).__doc__ or "").strip().partition("\n")[0],
        "detail": error.message,
        "hint": error.hint,
        "facts": {name: plain(_FACTS.get(name, _ANY_FACT), value) for name, value in facts.items()},
    }


def error_of(problem: Mapping[str, Any]) -> TypecaseError:
    """Return the error that `problem` was made of; of a class that is unknown here, a `RegistryError`."""
    cls = _CLASSES.get(str(problem.get("type", "")), RegistryError)
    facts = problem.get("facts")
    try:
        known = {
            name: restored(_FACTS.get(name, _ANY_FACT), value)
            for name, value in (facts.items() if isinstance(facts, Mapping) else ())
        }
    except ValidationError:
        known = {}
    return cls(str(problem.get("detail", "")), hint=str(problem.get("hint", "")), **known)


def _dashed(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


_CLASSES: Final[Mapping[str, type[TypecaseError]]] = {
    f"{_TYPE}{_dashed(name)}": cls
    for name, cls in vars(errors).items()
    if isinstance(cls, type) and issubclass(cls, TypecaseError)
}
